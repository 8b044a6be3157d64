"""What most commands begin with: settings, log, database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from plugin import log, migrate, postgres, settings
from plugin.errors import Transient
from plugin.installation import Installation, install
from plugin.shops.keys import say_unopened

PATIENCE_SECONDS = 10.0
STEP = 0.2


@contextmanager
def opened(*, quiet: bool = True) -> Iterator[Installation]:
    """Yield the installation with its database running and up to date; `quiet` is for commands that end by themselves.

    Otherwise a database that does not answer is given a while, as it may be starting beside us, and what is known to
    need the operator is said in the log at once.
    """
    read = settings.read()
    log.configure(replace(read, log_level="warning") if quiet else read)
    with postgres.database(read) as url:
        installation = install(read, database_url=url)
        try:
            _check(installation, patience=0 if quiet else PATIENCE_SECONDS)
            if not quiet:
                say_unopened(installation)
            yield installation
        finally:
            installation.db.close()


def _check(installation: Installation, *, patience: float) -> None:
    """Raise Permanent where the database does not fit, Transient where it does not answer for `patience` seconds."""
    deadline = time.monotonic() + patience
    waiting = False
    while True:
        try:
            migrate.check(installation.db)
        except Transient as error:
            if time.monotonic() >= deadline:
                raise
            if not waiting:
                structlog.get_logger(__name__).warning("waiting for the database", problem=str(error))
                waiting = True
        else:
            return
        time.sleep(STEP)
