"""Whether this process can work: the database answers, and its tables fit this version."""

import threading
import time
from concurrent.futures import Future

import structlog

from plugin import migrate
from plugin.db import Database
from plugin.errors import Permanent, Transient
from plugin.health import store

log = structlog.get_logger(__name__)
AWAY = "The database does not answer."
MISFIT = "The database does not fit this version."
PATIENCE_SECONDS = 3.0
FRESH_SECONDS = 1.0  # however many ask, the database is asked so often
FITS_SECONDS = 60.0


class Readiness:
    """Asks the database in a thread of its own, one at a time: one that hangs holds up nobody who asks us."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._asking: Future[str | None] | None = None
        self._began = self._fitted = float("-inf")
        self._said: str | None = None

    def problem(self) -> str | None:
        """Return in one sentence, fit for strangers, why this process cannot work; None: it can."""
        with self._lock:
            old = time.monotonic() > self._began + FRESH_SECONDS
            if self._asking is None or (old and self._asking.done()):
                self._asking, self._began = Future(), time.monotonic()
                threading.Thread(target=self._ask, args=(self._asking,), name="ready", daemon=True).start()
            asking, left = self._asking, self._began + PATIENCE_SECONDS - time.monotonic()
        try:
            return asking.result(timeout=max(left, 0))
        except TimeoutError:
            self._say("The database hangs.")
            return AWAY

    def _ask(self, asking: Future[str | None]) -> None:
        problem, why = self._look()
        self._say(why)
        asking.set_result(problem)

    def _say(self, why: str | None) -> None:
        """Log what is news."""
        if why == self._said:
            return
        self._said = why
        if why:
            log.warning("not ready", problem=why)
        else:
            log.info("ready again")

    def _look(self) -> tuple[str | None, str | None]:
        """Return what is wrong, in words for strangers and in words for the log."""
        try:
            if time.monotonic() > self._fitted + FITS_SECONDS:
                migrate.check(self._db)
                self._fitted = time.monotonic()
            else:
                with self._db.begin() as connection:
                    store.answers(connection)
        except Permanent as error:
            return MISFIT, str(error)
        except Transient as error:
            return AWAY, str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, this process cannot work with it
            return AWAY, type(error).__name__
        return None, None
