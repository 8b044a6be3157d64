"""The way of webhooks to an app: kept first, then sent, and again after Saleor's delays where it may help."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sandbox.calling import Unreachable, call
from sandbox.model import Attempt, Delivery
from sandbox.store import Store

DELAYS = (10.0, 20.0, 40.0, 80.0, 160.0)  # between attempts: 0, 10, 30, 70, 150, 310 s after the first
WORKERS = 8
Order = Callable[[Sequence[Delivery]], Iterable[Delivery]]


def shuffled(seed: int) -> Order:
    """Return an order for `release`: always the same disorder for the same seed."""
    return lambda held: random.Random(seed).sample(list(held), len(held))  # noqa: S311 - no secret


class Deliveries:
    """All webhooks of a shop. They stand in the store before anything is sent, so that a killed shop goes on.

    `timeout` is that of one attempt in seconds; `retry_scale` shortens the delays for tests.
    """

    def __init__(
        self,
        *,
        store: Store,
        headers: Callable[[Delivery], dict[str, str]],
        clock: Callable[[], datetime],
        retry_scale: float,
        timeout: float,
    ) -> None:
        self._store = store
        self._headers = headers
        self._clock = clock
        self.retry_scale = retry_scale
        self.timeout = timeout
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, int]] = []
        self._count = itertools.count()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._holding = False
        self._held: list[int] = []
        self._ready: list[int] = []
        self._ready += [one.id for one in self.all() if one.status == "pending"]
        store.committed = self._kept

    def all(self, *, event: str | None = None) -> list[Delivery]:
        """Return every delivery, the oldest first; `event` is Saleor's name in any letter case."""
        with self._store.lock:
            found = sorted(self._store.deliveries.values(), key=lambda one: one.id)
        return [one for one in found if event is None or one.event == event.lower()]

    def one(self, number: int) -> Delivery:
        """Return a delivery as it stands now."""
        with self._store.lock:
            return self._store.deliveries[number]

    def _kept(self, things: Sequence[object]) -> None:
        """Take up the deliveries of a change that stands now; they go out at the next `wake`."""
        new = [one.id for one in things if isinstance(one, Delivery) and not one.attempts]
        if new:
            with self._condition:
                (self._held if self._holding else self._ready).extend(new)

    def wake(self) -> None:
        """Send what was kept and is not held back."""
        with self._condition:
            if not self._ready or self._stopping:
                return
            due, self._ready = self._ready, []
            for number in due:
                heapq.heappush(self._heap, (time.monotonic(), next(self._count), number))
            self._staff()
            self._condition.notify_all()

    def _staff(self) -> None:
        """Have the workers there. Holds the condition."""
        while len(self._threads) < WORKERS and not self._stopping:
            thread = threading.Thread(target=self._work, name="sandbox-delivery", daemon=True)
            self._threads.append(thread)
            thread.start()

    def hold(self) -> None:
        """Keep everything back from now on."""
        with self._condition:
            self._holding = True

    def held(self) -> list[Delivery]:
        """Return what is kept back, the oldest first."""
        with self._condition:
            numbers = list(self._held)
        return [self.one(number) for number in numbers]

    def release(self, order: Order | None = None) -> list[Attempt]:
        """Stop holding and send what was held, one after another, in the given order (which may repeat or drop).

        Returns when the first attempt of each is over; what failed is retried in the background.
        """
        held = self.held()
        with self._condition:
            self._holding, self._held = False, []
        return [self._attempt(one.id) for one in (order(held) if order else held)]

    def resend(self, delivery: Delivery) -> Attempt:
        """Send the identical bytes once more, now, whatever became of them before; changes no record."""
        return self._send(self.one(delivery.id))

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until nothing is on its way or due for a retry; raises `TimeoutError`."""
        end = time.monotonic() + timeout
        with self._condition:
            while self._heap or self._busy or self._ready:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(self._heap) + self._busy} deliveries are still on their way")
                self._condition.wait(left)

    def stop(self) -> None:
        """Stop sending; what is pending stays so. `start` goes on with it."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join(timeout=self.timeout + 1)

    def start(self) -> None:
        """Begin, or go on, sending; what was pending when the shop stopped goes first."""
        with self._condition:
            self._stopping = False
            self._ready += [number for _, _, number in self._heap]
            self._heap = []
        self.wake()

    def _work(self) -> None:
        while True:
            with self._condition:
                number = self._next()
                if number is None:
                    return
                self._busy += 1
            try:
                self._attempt(number)
            finally:
                with self._condition:
                    self._busy -= 1
                    self._condition.notify_all()

    def _next(self) -> int | None:
        """Wait for the next delivery that is due; None when the shop stops. Holds the condition."""
        while not self._stopping:
            if not self._heap:
                self._condition.wait()
                continue
            wait = self._heap[0][0] - time.monotonic()
            if wait <= 0:
                return heapq.heappop(self._heap)[2]
            self._condition.wait(wait)
        return None

    def _attempt(self, number: int) -> Attempt:
        """Send once, note the outcome, and put it back where Saleor would try again."""
        delivery = self.one(number)
        attempt = self._send(delivery)
        attempts = (*delivery.attempts, attempt)
        again = (attempt.status is None or attempt.status >= 500) and len(attempts) <= len(DELAYS)  # noqa: PLR2004 - HTTP
        fine = attempt.status is not None and 200 <= attempt.status < 300  # noqa: PLR2004 - HTTP
        status = "success" if fine else "pending" if again else "failed"
        self._store.put(replace(delivery, attempts=attempts, status=status))
        if again:
            due = time.monotonic() + DELAYS[len(attempts) - 1] * self.retry_scale
            with self._condition:
                heapq.heappush(self._heap, (due, next(self._count), number))
                self._staff()
                self._condition.notify_all()
        return attempt

    def _send(self, delivery: Delivery) -> Attempt:
        started, at = time.monotonic(), self._clock()
        status, text = None, ""
        try:
            answer = call(
                "POST",
                delivery.url,
                headers=self._headers(delivery),
                body=delivery.body,
                timeout=self.timeout,
            )
            status, text = answer.status, answer.text[:500]
        except Unreachable as error:
            text = str(error)
        ended = time.monotonic()
        return Attempt(at=at, ms=(ended - started) * 1000, status=status, answer=text, ended=ended)
