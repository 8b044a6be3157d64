"""Counts what this process asked of shops, in memory, until it is added to the database's sums."""

import threading
from collections.abc import Mapping

Call = tuple[int, str, str]  # shop id, operation, outcome
Sum = tuple[int, float]  # how often, how many seconds in all


class Tally:
    """One for the whole process, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[Call, Sum] = {}

    def add(self, shop_id: int, *, operation: str, outcome: str, seconds: float) -> None:
        """Count one request to a shop."""
        self.put_back({(shop_id, operation, outcome): (1, seconds)})

    def take(self) -> dict[Call, Sum]:
        """Return all sums and begin anew."""
        with self._lock:
            taken, self._sums = self._sums, {}
        return taken

    def put_back(self, sums: Mapping[Call, Sum]) -> None:
        """Add sums that were taken and could not be kept."""
        with self._lock:
            for call, (count, seconds) in sums.items():
                before, longer = self._sums.get(call, (0, 0.0))
                self._sums[call] = (before + count, longer + seconds)
