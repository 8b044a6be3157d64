"""Every few seconds a process shows that it lives, and adds what it asked of shops to the database's sums."""

import os
import socket
import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Connection

from plugin.errors import Transient
from plugin.health import store
from plugin.health.store import Kind
from plugin.installation import Installation
from plugin.version import version

log = structlog.get_logger(__name__)
BEAT_SECONDS = 5.0
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 5.0


class Beat:
    """The heartbeat of one process: `perhaps` as often as one likes, `end` when it ends well."""

    def __init__(self, installation: Installation, *, kind: Kind) -> None:
        self._installation = installation
        self._kind = kind
        self._started = installation.clock()
        self._number: int | None = None
        self._next = time.monotonic()

    def perhaps(self) -> None:
        """Beat if it is time; raise Transient when the database cannot be reached, and nothing is lost."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + BEAT_SECONDS
            self._keep(self._show)

    def end(self) -> None:
        """Keep what is not kept yet and go off the list, if the database can be reached; send the last spans."""
        try:
            self._keep(self._leave)
        except Transient as error:
            log.warning("ended without a word to the database", problem=str(error))
        self._installation.spans.close()

    def _keep(self, show: Callable[[Connection], None]) -> None:
        calls = self._installation.tally.take()
        try:
            with self._installation.db.begin() as connection:
                show(connection)
                store.add_calls(connection, calls)
        except BaseException:
            self._installation.tally.put_back(calls)
            raise

    def _show(self, connection: Connection) -> None:
        now = self._installation.clock()
        if self._number is not None and store.seen(connection, self._number, now=now):
            return
        self._number = store.appear(
            connection,
            kind=self._kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version(),
            started_at=self._started,
            now=now,
        )

    def _leave(self, connection: Connection) -> None:
        if self._number is not None:
            store.leave(connection, self._number)


def beating(installation: Installation, *, kind: Kind) -> Callable[[], None]:
    """Beat in a thread of its own, for a process whose other threads wait for others; return what ends it."""
    ending = threading.Event()
    thread = threading.Thread(target=_beat_until, args=(ending, installation, kind), name="beat", daemon=True)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(PATIENCE_SECONDS)  # a database that does not answer keeps nobody from ending

    return end


def _beat_until(ending: threading.Event, installation: Installation, kind: Kind) -> None:
    beat = Beat(installation, kind=kind)
    while not ending.is_set():
        try:
            beat.perhaps()
        except Transient as error:
            log.warning("no heartbeat", problem=str(error))
        except Exception:
            log.exception("no heartbeat")
        ending.wait(LOOK_SECONDS)
    beat.end()
