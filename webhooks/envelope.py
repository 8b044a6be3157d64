"""What stands around every event: which one it is, for whom, by whom and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plugin.errors import Invalid, Permanent
from plugin.saleor.shapes import Maybe, Moment

MOST_COMPLAINTS = 3
UNDATED = datetime.fromtimestamp(0, tz=UTC)
_ISSUED_AT = Maybe(Moment())


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One delivery's own words about itself, to be believed once its signature fits.

    `by_app` is the id of the app that caused the event, if one did.
    """

    typename: str
    issued_at: datetime | None
    recipient: str | None
    by_app: str | None

    @property
    def seen_at(self) -> datetime:
        """When Saleor told it; of two equal states, the one that does not say loses."""
        return self.issued_at or UNDATED


def envelope(payload: object) -> Envelope:
    """Read the envelope of a delivery; raise Invalid when there is none that can be read.

    By hand, and not by a schema: the shop waits for it, and a schema takes ten times as long (bench/README.md).
    """
    if not isinstance(payload, Mapping):
        raise Invalid("The body is not a JSON object.")
    typename = _text(payload, "__typename")
    if typename is None:
        raise Invalid("The body does not say which event it is: __typename")
    recipient, principal = _part(payload, "recipient"), _part(payload, "issuingPrincipal")
    by_app = _text(principal, "id")
    return Envelope(
        typename=typename,
        issued_at=_ISSUED_AT.deserialize(payload.get("issuedAt")),
        recipient=_text(recipient, "id"),
        by_app=by_app if _text(principal, "__typename") == "App" else None,
    )


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within the envelope; one that is absent or null is empty."""
    found = payload.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Invalid(f"The body does not say which event it is: {name}")
    return found


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    found = payload.get(name)
    if found is not None and not isinstance(found, str):
        raise Invalid(f"The body does not say which event it is: {name}")
    return found


def subject(payload: object, *, name: str) -> Mapping[str, Any]:
    """Return what the event is about; raise Permanent, with the shop's reasons, when that was not shown."""
    found = payload.get(name) if isinstance(payload, Mapping) else None
    if isinstance(found, Mapping):
        return found
    reasons = unreadable(payload, below=(name,)) or ["it is missing"]
    raise Permanent(f"The shop told of an event without its {name}: {'; '.join(reasons)}.")


def unreadable(payload: object, *, below: tuple[str, ...]) -> list[str]:
    """Return what the shop would not show at or below a path of the event, with its reasons.

    Saleor sends a field it refuses as null, and its reason in an `errors` list beside the event's fields.
    """
    errors = payload.get("errors") if isinstance(payload, Mapping) else None
    found = [
        f"{'.'.join(map(str, error['path']))} ({_code(error)})"
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, Mapping) and _is_below(error.get("path"), ("event", *below))
    ]
    return found[:MOST_COMPLAINTS]


def _code(error: Mapping[str, Any]) -> str:
    """Return the kind of an error; never its message, which may quote what the customer wrote."""
    for name in ("extensions", "exception"):
        inner = error.get(name)
        error = inner if isinstance(inner, Mapping) else {}
    return str(error.get("code") or "no reason given")


def _is_below(path: object, above: tuple[str, ...]) -> bool:
    return isinstance(path, list) and tuple(path[: len(above)]) == above
