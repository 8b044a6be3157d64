"""Keeps deliveries, many with one commit: requests that wait for the disk at the same time wait for it together."""

import threading
import time
from collections import deque

from plugin.db import Database
from plugin.errors import Transient
from plugin.inbox import store
from plugin.inbox.store import Arrival

PATIENCE = 10.0  # seconds; Saleor itself waits 18 for an answer
LIMIT = 8.0  # seconds that the database is given for one statement
HUNG = 3  # writers at most whose database does not answer, beside the one who writes
MOST = 64  # deliveries with one commit
MOST_BYTES = 8 * 1024 * 1024


class Keeper:
    """Stands between the requests of one process and its database.

    Whoever comes while nobody writes becomes the writer, of its own delivery and of all that came meanwhile; when it
    is done, one of those that came later is the next. So a delivery that comes alone waits for nobody, and the more
    come at once the fewer commits each costs.

    A writer may hang in a connection that never answers, and no time limit of the database ends that. Whoever has
    waited for it all his patience names another, on another connection; the one that hung has no say when it returns.
    """

    def __init__(self, database: Database, *, patience: float = PATIENCE, limit: float = LIMIT) -> None:
        self._database = database
        self._patience = patience
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._writer: _Place | None = None  # None only while nobody waits
        self._named_at = 0.0
        self._hung = 0

    def keep(self, arrival: Arrival) -> bool:
        """Return once the delivery is durable; False: its shop is not installed under that app id any more.

        Raises DatabaseAway, Transient when the writer is not done in time (it may be kept all the same), and
        whatever the database has against this very delivery.
        """
        place = _Place(arrival)
        with self._lock:
            self._waiting.append(place)
            if self._writer is None:
                self._name_next()
        if not place.turn.acquire(timeout=self._patience):
            self._leave(place)
        if not place.done:
            self._write(place)
        return place.answer()

    def _name_next(self) -> None:
        """Have the first that waits be the writer; within the lock, or it could give up before it is told."""
        self._writer = self._waiting.popleft() if self._waiting else None
        self._named_at = time.monotonic()
        if self._writer:
            self._writer.turn.release()

    def _leave(self, place: "_Place") -> None:
        """Give up waiting, unless our turn came at this very moment; a writer that hung all the while is replaced."""
        with self._lock:
            if place.turn.acquire(blocking=False):
                return
            if place in self._waiting:
                self._waiting.remove(place)
            hangs = self._writer is not None and time.monotonic() - self._named_at >= self._patience
            if hangs and self._hung < HUNG:
                self._hung += 1
                self._name_next()
        raise Transient("The database takes too long to keep this delivery.")

    def _write(self, place: "_Place") -> None:
        """Keep our own and what waits, and hand on to the next, whatever happens."""
        batch = self._take(place)
        try:
            self._keep(batch)
        finally:
            with self._lock:
                if self._writer is place:
                    self._name_next()
                else:
                    self._hung -= 1
            for kept in batch:
                kept.done = True
                kept.turn.release()

    def _take(self, place: "_Place") -> list["_Place"]:
        batch = [place]
        size = len(place.arrival.body)
        with self._lock:
            while self._waiting and len(batch) < MOST and size < MOST_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].arrival.body)
        return batch

    def _keep(self, batch: list["_Place"]) -> None:
        """Keep all with one commit; what the database refuses must not take the others with it."""
        try:
            with self._database.begin() as connection:
                store.limit(connection, seconds=self._limit)
                kept = store.keep(connection, [place.arrival for place in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, each request is told
            if len(batch) == 1 or isinstance(error, Transient):
                for place in batch:
                    place.outcome = error
            else:
                for place in batch:
                    self._keep([place])
        else:
            for place, outcome in zip(batch, kept, strict=True):
                place.outcome = outcome


class _Place:
    """A delivery in the queue; `turn` opens when it is done, or is to write."""

    __slots__ = ("arrival", "done", "outcome", "turn")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.done = False
        self.outcome: bool | Exception = Transient("Whoever was to keep this delivery did not end well.")
        self.turn = threading.Lock()  # the cheapest thing to wait for: an Event takes three times as long
        self.turn.acquire()

    def answer(self) -> bool:
        if isinstance(self.outcome, Transient):  # many may be told the same
            raise Transient(str(self.outcome)) from self.outcome
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome
