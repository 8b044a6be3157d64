"""Standings are written into the shop: two targets a request, each with its own outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plugin.errors import Transient
from plugin.saleor.client import Answer, Denied, Rejected, Saleor, Unanswered, operation

NAME = "WriteStandings"
PUBLIC_KEY = "herkend.tier"
PRIVATE_KEY = "herkend.standing"
MOST_TARGETS = 2  # Saleor takes four mutations in a request, and a user needs two
NOT_FOUND = "NOT_FOUND"
STAFF_ONLY = "MANAGE_STAFF"
LONGEST_WORDS = 200

# All that a request is ever made of. `#` is the target's place in the request.
TARGET = "$target#: ID!"
PUBLIC = "$public#: String!"
PRIVATE = "$private#: String!"
SET_PUBLIC = f"""  public#: updateMetadata(id: $target#, input: [{{ key: "{PUBLIC_KEY}", value: $public# }}]) {{
    errors {{ code message }}
  }}
"""
CLEAR_PUBLIC = f"""  public#: deleteMetadata(id: $target#, keys: ["{PUBLIC_KEY}"]) {{
    errors {{ code message }}
  }}
"""
SET_PRIVATE = f"""  private#: updatePrivateMetadata(
    id: $target#, input: [{{ key: "{PRIVATE_KEY}", value: $private# }}]
  ) {{
    errors {{ code message }}
  }}
"""
CLEAR_PRIVATE = f"""  private#: deletePrivateMetadata(id: $target#, keys: ["{PRIVATE_KEY}"]) {{
    errors {{ code message }}
  }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What one user or order is to bear; None takes the key away. An order bears the private key only."""

    target_id: str
    kind: Literal["user", "order"]
    public: str | None
    private: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went for one target: `error` is None when it is done; `gone` when it never can be.

    `denied`: our app may not write there, for want of a permission or because of the target.
    """

    target_id: str
    error: str | None = None
    gone: bool = False
    denied: bool = False


def write_standings(saleor: Saleor, writes: Sequence[Write]) -> list[Outcome]:
    """Write up to two standings in one request and return an outcome each, in the same order.

    Raise Transient or Refused when the request as a whole failed: then nothing counts as done, and all of it may be
    sent again. A request that Saleor rejects for one of its targets is sent again for each alone.
    """
    if not writes:
        return []
    if len(writes) > MOST_TARGETS:
        raise ValueError(f"at most {MOST_TARGETS} targets a request")
    try:
        return _outcomes(writes, saleor.ask(document(writes), _variables(writes), name=NAME))
    except Denied as denied:
        return _of_staff(saleor, writes, denied=denied)
    except (Rejected, Unanswered) as problem:
        if len(writes) > 1:
            return _one_by_one(saleor, writes)
        if isinstance(problem, Unanswered):
            raise
        return [Outcome(target_id=writes[0].target_id, error=str(problem))]


def document(writes: Sequence[Write]) -> str:
    """Return the mutations for these targets; which they are depends only on the kinds and on what is None."""
    declared, mutations = [], []
    for place, write in enumerate(writes):
        variables, snippets = _parts(write)
        declared += [part.replace("#", str(place)) for part in variables]
        mutations += [part.replace("#", str(place)) for part in snippets]
    return f"mutation {NAME}({', '.join(declared)}) {{\n{''.join(mutations)}}}\n"


def _parts(write: Write) -> tuple[list[str], list[str]]:
    variables, snippets = [TARGET], []
    if write.kind == "user":
        variables += [] if write.public is None else [PUBLIC]
        snippets += [CLEAR_PUBLIC if write.public is None else SET_PUBLIC]
    variables += [] if write.private is None else [PRIVATE]
    snippets += [CLEAR_PRIVATE if write.private is None else SET_PRIVATE]
    return variables, snippets


def _variables(writes: Sequence[Write]) -> dict[str, str]:
    values: dict[str, str] = {}
    for place, write in enumerate(writes):
        values[f"target{place}"] = write.target_id
        if write.kind == "user" and write.public is not None:
            values[f"public{place}"] = write.public
        if write.private is not None:
            values[f"private{place}"] = write.private
    return values


def _outcomes(writes: Sequence[Write], answer: Answer) -> list[Outcome]:
    aliases = [_aliases(write, place=place) for place, write in enumerate(writes)]
    known = {alias for each in aliases for alias in each}
    stray = [problem for problem in answer.problems if not problem.path or problem.path[0] not in known]
    if stray:
        raise Transient(f"{NAME}: Saleor answered {stray[0]}.")
    return [_outcome(write.target_id, answer, each) for write, each in zip(writes, aliases, strict=True)]


def _aliases(write: Write, *, place: int) -> list[str]:
    return ([f"public{place}"] if write.kind == "user" else []) + [f"private{place}"]


def _outcome(target_id: str, answer: Answer, aliases: Sequence[str]) -> Outcome:
    """Add up what Saleor says of one target.

    Of a deleted user the public mutation says NOT_FOUND and the private one PermissionDenied, so every error counts.
    """
    own = [error for alias in aliases for error in _own_errors(answer.data.get(alias))]
    words = [f"{error.get('code')}: {str(error.get('message'))[:LONGEST_WORDS]}" for error in own]
    words += [str(problem) for problem in answer.problems if problem.path[0] in aliases]
    if not words and any(not isinstance(answer.data.get(alias), Mapping) for alias in aliases):
        words.append("Saleor did not say whether this was written.")
    gone = any(error.get("code") == NOT_FOUND for error in own)
    denied = not gone and any(problem.denied for problem in answer.problems if problem.path[0] in aliases)
    return Outcome(target_id=target_id, error=words[0] if words else None, gone=gone, denied=denied)


def _own_errors(payload: object) -> list[Mapping[str, Any]]:
    errors = payload.get("errors") if isinstance(payload, Mapping) else None
    return [error for error in errors or [] if isinstance(error, Mapping)]


def _one_by_one(saleor: Saleor, writes: Sequence[Write]) -> list[Outcome]:
    """Send each alone, so that the good one goes through; when none gets an answer, nothing is known of any."""
    outcomes: list[Outcome] = []
    unanswered: list[Unanswered] = []
    for write in writes:
        try:
            outcomes += write_standings(saleor, [write])
        except Unanswered as problem:
            outcomes.append(Outcome(target_id=write.target_id, error=str(problem)))
            unanswered.append(problem)
    if len(unanswered) == len(writes):
        raise unanswered[0]
    return outcomes


def _of_staff(saleor: Saleor, writes: Sequence[Write], *, denied: Denied) -> list[Outcome]:
    """Tell a staff member's account, on which only MANAGE_STAFF may write, from a token that is dead."""
    if not all(STAFF_ONLY in problem.message for problem in denied.problems):
        raise denied
    identity = saleor.execute(
        operation("app_identity"), {}, name="AppIdentity"
    )  # raises Refused for a dead token
    if not identity.get("app"):
        raise denied
    words = (
        "This is a staff member's account: writing there takes a permission that Herkend does not ask for."
    )
    return [Outcome(target_id=write.target_id, error=words, gone=True) for write in writes]
