"""Saleor's GraphQL API of one shop: a question goes out, an answer comes back or an error that says what to do."""

import time
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Protocol

from plugin.errors import Permanent, Refused, Throttled, Transient
from plugin.outbound import Outbound
from plugin.secret import Secret
from plugin.trace import Trace

DENIED = "PermissionDenied"
THROTTLED = "Throttl"
REJECTED = ("GraphQL", "QueryCost")
SHOWN = ("Cannot query field", "Unknown argument", "Unknown type", "Number of mutations")
PROBLEMS_SHOWN = 3


class Unanswered(Transient):
    """Saleor gave `errors` and no data at all: perhaps for one bad id in the request, perhaps its own trouble."""


class Rejected(Permanent):
    """Saleor did not even try to execute the request: it breaks the schema or a limit."""


class Denied(Refused):
    """Everything that was asked for is closed to our app: its token is dead, or it lacks a permission."""

    def __init__(self, message: str, *, problems: tuple["Problem", ...]) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One of the answer's top-level `errors`: where (aliases, fields and list positions) and which."""

    path: tuple[str | int, ...]
    code: str
    message: str

    @property
    def denied(self) -> bool:
        """Whether our app may not see this."""
        return self.code == DENIED

    def __str__(self) -> str:
        """Name place and code; of Saleor's own words only those that cannot quote our values."""
        words = f": {self.message}" if self.message.startswith(SHOWN) else ""
        return f"{self.code} at {'.'.join(map(str, self.path)) or 'the request'}{words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Saleor answered: data, perhaps with holes, and the problems that made them."""

    data: Mapping[str, Any]
    problems: tuple[Problem, ...]


# How a request ended, in a word; the first that fits.
OUTCOMES = (
    (Refused, "refused"),
    (Throttled, "throttled"),
    (Permanent, "rejected"),
    (Unanswered, "unanswered"),
    (Transient, "away"),
)


class Noted(Protocol):
    """Is told of a request: its name, how it ended and how long it took."""

    def __call__(self, *, operation: str, outcome: str, seconds: float) -> None:
        """Take note."""


class Saleor:
    """One shop's API under our app's token; `noted` is told of every request."""

    def __init__(
        self, *, api_url: str, token: Secret, outbound: Outbound, noted: Noted | None = None
    ) -> None:
        self._api_url = api_url
        self._token = token
        self._outbound = outbound
        self._noted = noted
        self._trace: Trace | None = None

    def following(self, trace: Trace | None) -> "Saleor":
        """Return the same API for requests that follow from this place in a trace."""
        other = copy(self)
        other._trace = trace  # noqa: SLF001 - it is one of us
        return other

    def execute(self, operation: str, variables: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return the data of an answer without any problem.

        Raise Transient (no network, time-out, 429 with `retry_after`, 5xx, nonsense, any other `errors`), Refused
        (the token is not, or no longer, allowed to), Permanent (the operation itself was rejected).
        """
        answer = self.ask(operation, variables, name=name)
        if any(problem.denied for problem in answer.problems):
            raise Refused(_words(name, answer.problems))
        if answer.problems:
            raise Transient(_words(name, answer.problems))
        return dict(answer.data)

    def ask(self, operation: str, variables: Mapping[str, Any], *, name: str) -> Answer:
        """Return an answer that may have holes; raise as `execute` does when there is no data to speak of.

        Then Refused comes as Denied, Permanent as Rejected and Transient as Unanswered where Saleor itself said so.
        """
        began, outcome = time.perf_counter(), "away"
        try:
            answer = _understood(self._asked(operation, variables, name=name), name=name)
            outcome = "partial" if answer.problems else "ok"
        except (Transient, Permanent, Refused) as error:
            outcome = next(word for kind, word in OUTCOMES if isinstance(error, kind))
            raise
        finally:
            if self._noted:
                self._noted(operation=name, outcome=outcome, seconds=time.perf_counter() - began)
        return answer

    def _asked(self, operation: str, variables: Mapping[str, Any], *, name: str) -> object:
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        if self._trace:
            headers["traceparent"] = str(self._trace)
        return self._outbound.post_json(
            self._api_url,
            json={"query": operation, "variables": dict(variables), "operationName": name},
            headers=headers,
            also=(HTTPStatus.BAD_REQUEST,),
        )


@cache
def operation(name: str, *fragments: str) -> str:
    """Return the text of `operations/<name>.graphql` with the fragments it spreads."""
    folder = files("plugin.saleor").joinpath("operations")
    names = (name, *(f"{fragment}.fragment" for fragment in fragments))
    return "\n".join(folder.joinpath(f"{each}.graphql").read_text(encoding="utf-8") for each in names)


def _understood(body: object, *, name: str) -> Answer:
    if not isinstance(body, Mapping):
        raise Transient(f"{name}: Saleor's answer is not an object.")
    errors = body.get("errors") or ()
    if not isinstance(errors, list | tuple):
        raise Transient(f"{name}: Saleor's answer has errors of an unknown shape.")
    problems = tuple(_problem(error) for error in errors)
    if any(THROTTLED in problem.code for problem in problems):
        raise Throttled(_words(name, problems))
    return _answer(body.get("data"), problems, name=name)


def _answer(data: object, problems: tuple[Problem, ...], *, name: str) -> Answer:
    found = data if isinstance(data, Mapping) else {}
    empty = all(value is None for value in found.values())
    if problems and empty and all(problem.denied for problem in problems):
        raise Denied(_words(name, problems), problems=problems)
    if isinstance(data, Mapping):
        return Answer(data=data, problems=problems)
    if any(problem.code.startswith(REJECTED) for problem in problems):
        raise Rejected(_words(name, problems))
    if problems:
        raise Unanswered(_words(name, problems))
    raise Transient(f"{name}: Saleor's answer has no data.")


def _problem(error: object) -> Problem:
    found = error if isinstance(error, Mapping) else {}
    path, extensions = found.get("path"), found.get("extensions")
    exception = extensions.get("exception") if isinstance(extensions, Mapping) else None
    code = exception.get("code") if isinstance(exception, Mapping) else None
    return Problem(
        path=tuple(part for part in path if isinstance(part, str | int)) if isinstance(path, list) else (),
        code=str(code or "unnamed error"),
        message=str(found.get("message") or ""),
    )


def _words(name: str, problems: tuple[Problem, ...]) -> str:
    return f"{name}: Saleor answered {'; '.join(map(str, problems[:PROBLEMS_SHOWN]))}."
