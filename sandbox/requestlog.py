"""What apps asked the shop: kept in memory, for tests and for the demo page to read."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEPT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One key that an app wrote or deleted; `value` is None for a deletion, `error` is what it was told.

    `kind` is the GraphQL field: updateMetadata, deleteMetadata, updatePrivateMetadata, deletePrivateMetadata.
    """

    at: datetime
    ended: float
    kind: str
    target_id: str
    key: str
    value: str | None
    app_id: int | None
    alias: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the API. `fields` are the response names and fields of the top level, as (alias, field).

    `ended` is the monotonic clock when the answer was ready; `fault` names the fault that answered instead,
    or by which the answer was lost (drop, half); `traceparent` is the header of that name.
    """

    at: datetime
    ended: float
    ms: float
    status: int
    operation: str
    name: str | None
    fields: tuple[tuple[str, str], ...]
    variables: dict[str, Any]
    query: str
    app_id: int | None
    errors: tuple[str, ...]
    mutations: tuple[Mutation, ...]
    fault: str | None = None
    traceparent: str | None = None


class RequestLog:
    """The latest requests, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Request] = deque(maxlen=KEPT)

    def add(self, entry: Request) -> None:
        """Note one request."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._entries.clear()

    def all(self) -> list[Request]:
        """Return every request that is remembered."""
        with self._lock:
            return list(self._entries)

    def named(self, name: str) -> list[Request]:
        """Return the requests with this operation name."""
        return [entry for entry in self.all() if entry.name == name]

    def mutations(self, *, target_id: str | None = None, done: bool = True) -> list[Mutation]:
        """Return every metadata key that was written or deleted; with `done=False` also those refused."""
        found = [change for entry in self.all() for change in entry.mutations]
        return [
            change
            for change in found
            if (target_id is None or change.target_id == target_id) and (change.error is None or not done)
        ]
