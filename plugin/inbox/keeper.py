"""Keeps deliveries, many with one commit: requests that wait for the disk at the same time wait for it together."""

import threading
from collections import deque

from plugin.db import Database
from plugin.errors import Transient
from plugin.inbox import store
from plugin.inbox.store import Arrival

PATIENCE = 10.0  # seconds; Saleor itself waits 18 for an answer
MOST = 64  # deliveries with one commit
MOST_BYTES = 8 * 1024 * 1024


class Keeper:
    """Stands between the requests of one process and its database.

    Whoever comes while nobody writes becomes the writer, of its own delivery and of all that came meanwhile; when it
    is done, one of those that came later is the next. So a delivery that comes alone waits for nobody, and the more
    come at once the fewer commits each costs.
    """

    def __init__(self, database: Database, *, patience: float = PATIENCE) -> None:
        self._database = database
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._writing = False

    def keep(self, arrival: Arrival) -> bool:
        """Return once the delivery is durable; False: its shop is not installed under that app id any more.

        Raises DatabaseAway, Transient when the writer is not done in time (it may be kept all the same), and
        whatever the database has against this very delivery.
        """
        place = _Place(arrival)
        with self._lock:
            self._waiting.append(place)
            first, self._writing = not self._writing, True
        if not first and not place.turn.acquire(timeout=self._patience):
            self._leave(place)
        if not place.done:
            self._write()
        return place.answer()

    def _leave(self, place: "_Place") -> None:
        """Give up waiting, unless our turn came at this very moment."""
        with self._lock:
            if place.turn.acquire(blocking=False):
                return
            if place in self._waiting:
                self._waiting.remove(place)
        raise Transient("The database takes too long to keep this delivery.")

    def _write(self) -> None:
        """Keep what waits, our own at its head, and hand on to the next, whatever happens."""
        batch = self._take()
        try:
            self._keep(batch)
        finally:
            with self._lock:  # within it, or the next could give up between being named and being told
                self._writing = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].turn.release()
            for place in batch:
                place.done = True
                place.turn.release()

    def _take(self) -> list["_Place"]:
        batch: list[_Place] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < MOST and size < MOST_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].arrival.body)
        return batch

    def _keep(self, batch: list["_Place"]) -> None:
        """Keep all with one commit; what the database refuses must not take the others with it."""
        try:
            with self._database.begin() as connection:
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
    """A delivery in the queue; `turn` opens when it is done, or is to be the head of the next to be written."""

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
