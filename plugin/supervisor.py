"""Keeps processes running: starts again what dies, stops all of them when it is told to."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Self

import structlog

from plugin import lifeline, postgres
from plugin.errors import HerkendError
from plugin.lifeline import GRACE_SECONDS

log = structlog.get_logger()
TICK = 0.1  # seconds between two looks at everything
FIRST_PAUSE, LONGEST_PAUSE, STEADY = 0.2, 10.0, 30.0  # seconds; after running that long, pauses begin anew
SHORT_LIFE, MANY = 5.0, 5  # seconds; after so many short lives in a row a person should look

IN_THE_LOG = "its last words stand above in this log"


class Part:
    """Something that has to run: `up` tells whether it does, `start` starts it; pauses grow while it keeps dying.

    It runs when it is handed over. `words` is where its last words stand. `now` is in seconds of any steady clock.
    """

    def __init__(
        self, name: str, *, up: Callable[[], bool], start: Callable[[], None], words: str, now: float
    ) -> None:
        self._name = name
        self._up = up
        self._start = start
        self._words = words
        self._started = now
        self._pause = FIRST_PAUSE
        self._short_lives = 0
        self._due: float | None = None

    def tend(self, *, now: float) -> None:
        """Look once; start it when its time has come."""
        if self._up():
            if now - self._started >= STEADY:
                self._pause = FIRST_PAUSE
        elif self._due is None:
            self._died(now=now)
        elif now >= self._due:
            self._due, self._started = None, now
            self._start()

    def _died(self, *, now: float) -> None:
        """Set the time to start it again; say so, and once in other words when it will not live."""
        self._short_lives = self._short_lives + 1 if now - self._started < SHORT_LIFE else 0
        if self._short_lives == MANY:
            log.error(
                "it dies as often as it is started: somebody must look", part=self._name, why=self._words
            )
        log.warning("it died and is started again", part=self._name, in_seconds=self._pause)
        self._due = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


class Child:
    """A module run as a process: in a session of its own, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, command: Sequence[str], *, output: IO[bytes] | None) -> None:
        self._command = command
        self._output = output
        self.start()

    def start(self) -> None:
        """Start it anew."""
        self.process = subprocess.Popen(  # noqa: S603  our own commands, no shell
            lifeline.command(self._command[0], self._command[1:]),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def up(self) -> bool:
        """Tell whether it runs; what one that died leaves behind is killed, as it may hold the port."""
        if self.process.returncode is None and self.process.poll() is not None:
            self.kill()
        return self.process.returncode is None

    def stop(self, *, deadline: float) -> None:
        """Wait until it has stopped, and make it when the deadline is past."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("it did not stop and is killed", command=" ".join(self._command))
        finally:
            self.kill()

    def kill(self) -> None:
        """End it, and all it started, at once."""
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Server:
    """The embedded database: started, and waited for while it mends what a crash left undone, in a thread."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._leaving = threading.Event()
        self._starting: threading.Thread | None = None

    def up(self) -> bool:
        """Tell whether it runs, or is being started; what is left of one that was killed is no server."""
        if self._starting is not None and self._starting.is_alive():
            return True
        return postgres.alive(self._data) and not postgres.headless(self._data)

    def start(self) -> None:
        """Start it; return at once."""
        self._starting = threading.Thread(target=self._ensure, name="database", daemon=True)
        self._starting.start()

    def leave(self) -> None:
        """Wait for it no longer."""
        self._leaving.set()
        if self._starting is not None:
            self._starting.join()

    def _ensure(self) -> None:
        try:
            postgres.ensure(self._data, given_up=self._leaving.is_set)
        except HerkendError as error:
            log.warning("the database does not start", problem=str(error))


class Parts:
    """All that the supervisor looks after; leaving the block stops the commands, gracefully at first."""

    def __init__(self, *, output: IO[bytes] | None = None) -> None:
        self._output = output
        self._parts: list[Part] = []
        self._children: list[Child] = []
        self._servers: list[Server] = []

    def add(
        self, name: str, *, up: Callable[[], bool], start: Callable[[], None], words: str = IN_THE_LOG
    ) -> None:
        """Keep something alive that runs already."""
        self._parts.append(Part(name, up=up, start=start, words=words, now=time.monotonic()))

    def add_database(self, data: Path) -> None:
        """Keep the embedded database alive."""
        words = f"{IN_THE_LOG}, and in {data / 'postgres.log'}"
        server = Server(data)
        self._servers.append(server)
        self.add("database", up=server.up, start=server.start, words=words)

    def add_command(self, name: str, command: Sequence[str]) -> None:
        """Start a module with its arguments and keep it alive."""
        child = Child(command, output=self._output)
        self._children.append(child)
        self.add(name, up=child.up, start=child.start)

    def tend(self, stopping: threading.Event, *, until: Callable[[], bool] = lambda: False) -> None:
        """Look after everything until it is time to stop, or until what the caller waits for is so."""
        while not until() and not stopping.wait(TICK):
            for part in self._parts:
                part.tend(now=time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        running = [child for child in self._children if child.up()]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        with ExitStack() as stack:
            for server in self._servers:
                stack.callback(server.leave)
            for child in running:
                stack.callback(child.stop, deadline=deadline)


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yield what is set by the first SIGTERM, SIGINT or SIGHUP; the second one interrupts whatever goes on."""
    stopping = threading.Event()
    # To set an event from within a handler would wait for ever for a lock that the interrupted code holds just then;
    # a queue of this kind is made for handlers.
    told: SimpleQueue[int] = SimpleQueue()
    numbers: list[int] = []

    def stop(number: int, _frame: object) -> None:
        if numbers:
            raise KeyboardInterrupt
        numbers.append(number)
        told.put(number)

    def pass_on() -> None:
        if told.get():
            stopping.set()

    with ExitStack() as stack:
        passing = threading.Thread(target=pass_on, name="signals", daemon=True)
        passing.start()
        stack.callback(passing.join)
        stack.callback(told.put, 0)  # nothing came: an end to the waiting
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        yield stopping
