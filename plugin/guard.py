"""What a stranger may cost: how often, how many at once, and how much is said of what fails.

Nothing here turns away what is genuine and was sent once only (docs/decisions/0006-what-a-stranger-may-cost.md).
All counts are per process, and their memory is bounded, whoever comes from wherever.
"""

import ipaddress
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog
from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

# A merchant installs once, and a few times more when it does not go well at first.
REGISTRATIONS = {"caller": "10 per minute; 60 per hour", "host": "20 per minute; 120 per hour"}
BUCKETS = 16_384
FAILURES_A_MINUTE = 60
CALLERS_KNOWN = 10_000
OTHERS = "other addresses"
LINES_A_MINUTE = 10
MINUTE = 60.0
STEP_SECONDS = 2.0  # less is not worth the trouble: it is waited out

log = structlog.get_logger(__name__)


def caller(address: str | None) -> str:
    """Return under which name a caller is counted: its IPv4 address, or the /64 that its IPv6 address stands in."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "no address"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


class Backwards:
    """Compares the clock with one that never jumps: what counts by it must begin anew when it was set back."""

    def __init__(self) -> None:
        self._ahead = self._now()

    def __call__(self) -> bool:
        """Tell whether it was set back since it was last asked."""
        before, self._ahead = self._ahead, self._now()
        return self._ahead < before - STEP_SECONDS

    @staticmethod
    def _now() -> float:
        """Return by how many seconds the clock is ahead of one that never jumps."""
        return time.time() - time.monotonic()


class Registrations:
    """Counts tries to register per caller, and per host that would be asked: we are nobody's cannon."""

    def __init__(self) -> None:
        self._limits = {kind: parse_many(text) for kind, text in REGISTRATIONS.items()}
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._backwards = Backwards()

    def wait(self, *, caller: str, api_url: str) -> int:
        """Note a try; return the seconds to wait before the next, 0: this one may be made.

        A caller who is over his own limit does not use up that of the host.
        """
        if self._backwards():
            self._limiter.storage.reset()
        for kind, name in (("caller", caller), ("host", urlsplit(api_url).hostname or "")):
            bucket = str(
                hash(name) % BUCKETS
            )  # seeded anew in each process: nobody can choose whose he shares
            for limit in self._limits[kind]:
                if not self._limiter.hit(limit, kind, bucket):
                    until = self._limiter.get_window_stats(limit, kind, bucket).reset_time
                    return max(1, math.ceil(until - time.time()))
        return 0


class Few:
    """So many at once and no more: waiting for strangers' servers leaves threads for everybody else."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Tell whether there is room; it is taken until the block ends."""
        there_is_room = self._free.acquire(blocking=False)
        try:
            yield there_is_room
        finally:
            if there_is_room:
                self._free.release()


class Failures:
    """Counts refusals per caller and minute; over the limit they are still refusals, but cost and say less.

    Whoever goes over the limit is named in the log at once, and how often he was refused when the next minute begins,
    with the first refusal after this one. `steady` is in seconds of any clock that never jumps.
    """

    def __init__(
        self, *, most: int = FAILURES_A_MINUTE, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._steady = steady
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._named = 0
        self._ends = steady()

    def count(self, address: str | None) -> bool:
        """Note one; return whether this caller is over the limit: do and say no more than must be."""
        name = caller(address)
        with self._lock:
            last = self._turn()
            if name not in self._counts and len(self._counts) >= CALLERS_KNOWN:
                name = OTHERS
            self._counts[name] += 1
            number = self._counts[name]
            names_him = number == self._most + 1 and self._named < LINES_A_MINUTE
            self._named += names_him
        for before, times in last.most_common(LINES_A_MINUTE):
            log.warning("refused, without a line for each", address=before, count=times)
        if names_him:
            log.warning("refused too often: no further lines within this minute", address=name)
        return number > self._most

    def over(self, address: str | None) -> bool:
        """Return whether this caller is over the limit, without noting anything."""
        with self._lock:
            return self._steady() < self._ends and self._counts[caller(address)] > self._most

    def _turn(self) -> Counter[str]:
        """Begin a new minute when the last is over, and return who was over the limit in it."""
        now = self._steady()
        if now < self._ends:
            return Counter()
        over = Counter({name: times for name, times in self._counts.items() if times > self._most})
        self._counts, self._named, self._ends = Counter(), 0, now + MINUTE
        return over
