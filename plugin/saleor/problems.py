"""What we tell a shop's staff: app problems, raised and dismissed by our own keys (Saleor 3.22.36 and later)."""

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.errors import Permanent, Transient
from plugin.saleor.client import Saleor, operation


def raise_problem(saleor: Saleor, *, key: str, message: str) -> None:
    """Show staff a problem; within an hour one of the same key is the same problem, with the newer message."""
    given = {"input": {"key": key, "message": message}}
    _done(saleor.execute(operation("raise_problem"), given, name="RaiseProblem"), field="appProblemCreate")


def dismiss_problems(saleor: Saleor, *, keys: Sequence[str]) -> None:
    """Take back all problems of these keys; one that is not there is no error. 100 keys at most."""
    given = {"keys": list(keys)}
    data = saleor.execute(operation("dismiss_problems"), given, name="DismissProblems")
    _done(data, field="appProblemDismiss")


def _done(data: Mapping[str, Any], *, field: str) -> None:
    answer = data.get(field)
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    if not isinstance(errors, list):
        raise Transient(f"{field}: Saleor's answer has an unknown shape.")
    codes = [str(error.get("code")) for error in errors if isinstance(error, Mapping)]
    if errors:
        raise Permanent(f"{field}: Saleor does not take it ({', '.join(codes)}).")
