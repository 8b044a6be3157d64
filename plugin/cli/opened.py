"""What most commands begin with: settings, log, database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from plugin import log, migrate, postgres, settings
from plugin.installation import Installation, install


@contextmanager
def opened(*, quiet: bool = True) -> Iterator[Installation]:
    """Yield the installation with its database running and up to date; `quiet` keeps the log to warnings."""
    read = settings.read()
    log.configure(replace(read, log_level="warning") if quiet else read)
    with postgres.database(read) as url:
        installation = install(read, database_url=url)
        try:
            migrate.check(installation.db)
            yield installation
        finally:
            installation.db.close()
