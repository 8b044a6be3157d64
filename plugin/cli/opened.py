"""What most commands begin with: settings, log, database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from plugin import log, migrate, postgres, settings
from plugin.installation import Installation, install
from plugin.shops.keys import say_unopened


@contextmanager
def opened(*, quiet: bool = True) -> Iterator[Installation]:
    """Yield the installation with its database running and up to date; `quiet` is for commands that end by themselves.

    Otherwise what is known to need the operator is said in the log at once.
    """
    read = settings.read()
    log.configure(replace(read, log_level="warning") if quiet else read)
    with postgres.database(read) as url:
        installation = install(read, database_url=url)
        try:
            migrate.check(installation.db)
            if not quiet:
                say_unopened(installation)
            yield installation
        finally:
            installation.db.close()
