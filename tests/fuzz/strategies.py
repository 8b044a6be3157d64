"""What strangers and shops may send: any JSON, real JSON with something wrong in it, any text, any headers."""

import copy
from typing import Any

from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        [
            *("", "0", "-1", "1e400", "NaN", "\x00", "\ud800", "T", "x" * 5000, 10**400, -(2**63)),
            *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-11-01T10:00:00+00:00"),
            *("UNFULFILLED", "QXBwOjE=", "EUR", "a@b", "@"),
        ]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
# What can stand in a header: HTTP knows no line ends and no NUL in one.
HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=300)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """List the way to everything in a JSON value, itself the first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, below in inner for place in places(below, (*path, key)))]


@st.composite
def spoiled(draw: st.DrawFn, whole: Any, *, most: int = 4, keep: frozenset[tuple] = frozenset()) -> Any:
    """Return a JSON value with a few things in it replaced, taken away or added; not those at `keep`."""
    whole = copy.deepcopy(whole)
    for _ in range(draw(st.integers(0, most))):
        candidates = [
            place for place in places(whole) if not any(place == kept[: len(place)] for kept in keep)
        ]
        if not candidates:
            break
        place = draw(st.sampled_from(candidates))
        whole = _replaced(whole, place, draw(st.sampled_from(["put", "drop", "add", "twice"])), draw(JSON))
    return whole


def _replaced(whole: Any, place: tuple, how: str, value: Any) -> Any:
    if not place:
        return value
    *above, last = place
    holder = whole
    for key in above:
        holder = holder[key]
    if how == "drop":
        del holder[last]
    elif how == "twice" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    elif how == "add" and isinstance(holder, dict):
        holder[str(value)[:20]] = value
    else:
        holder[last] = value
    return whole


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """Return a text with a few characters replaced, taken away or put in."""
    letters = list(text)
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.integers(0, max(len(letters) - 1, 0)))
        letters[where : where + draw(st.integers(0, 2))] = draw(st.text("AZaz09-_.=+/ \x00é", max_size=2))
    return "".join(letters)
