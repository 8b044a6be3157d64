"""What the shop can be told to do wrong: 429, 500, slowness, nonsense, a cut connection, one bad object."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLError

KINDS = ("status", "slow", "nonsense", "close", "target", "drop", "half", "jwks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, `times` times or until the monotonic clock reads `until`.

    status: answer `status` (429 with Retry-After `retry_after`); slow: wait `seconds`, then answer properly;
    nonsense: 200 with `body`; close: cut the connection without an answer; drop: do the work, then cut it;
    half: do the work, then cut it in the middle of the answer; target: mutations on `target` fail; jwks: the page
    with the keys answers `status`.
    """

    kind: str
    times: int | None = None
    until: float | None = None
    status: int = 500
    retry_after: float | None = None
    seconds: float = 0.0
    body: str = "<html><body>Bad gateway</body></html>"
    target: str = ""


class Faults:
    """The faults in force, the oldest first; one request meets at most one of them, and `slow` besides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Fault] = []

    def add(
        self,
        kind: str,
        *,
        times: int | None = None,
        seconds_long: float | None = None,
        **details: str | float,
    ) -> None:
        """Put a fault in force: for `times` requests, or for `seconds_long`, or (neither) until `clear`."""
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}; there are {', '.join(KINDS)}")
        until = None if seconds_long is None else time.monotonic() + seconds_long
        with self._lock:
            self._active.append(Fault(kind=kind, times=times, until=until, **details))  # type: ignore[arg-type] # Fault refuses other names

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._active.clear()

    def active(self) -> list[Fault]:
        """Return what is in force."""
        with self._lock:
            self._forget_old()
            return list(self._active)

    def take(self, *kinds: str, target: str = "") -> Fault | None:
        """Use up one turn of the first fault of these kinds, if one is in force."""
        with self._lock:
            self._forget_old()
            for index, fault in enumerate(self._active):
                if fault.kind not in kinds or (fault.target and fault.target != target):
                    continue
                if fault.times is not None:
                    self._active[index] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def refuse_target(self, target: str) -> None:
        """Fail one mutation, as an error inside Saleor would."""
        if self.take("target", target=target) is not None:
            raise GraphQLError(
                "Internal Server Error", extensions={"exception": {"code": "InternalServerError"}}
            )

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._active = [
            one
            for one in self._active
            if (one.times is None or one.times > 0) and (one.until is None or now < one.until)
        ]


def from_json(faults: Faults, told: Mapping[str, Any]) -> None:
    """Put in force what a test posted, e.g. {"kind": "status", "status": 429, "retry_after": 1, "times": 2}."""
    given = dict(told)
    faults.add(str(given.pop("kind")), **given)
