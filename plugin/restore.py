"""The way back from a backup: into a database of its own first, which takes the old one's place when all is well."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from plugin import backup, migrate
from plugin.db import Database, why_not_connected
from plugin.errors import HerkendError, Invalid, Permanent, Transient
from plugin.secret import Secret

FILLED = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
NOBODY_RUNS = "DELETE FROM processes"
# Who worked then does not work now; what the shops said since, and were told since, is not in the backup.
TAKEN_UP = (
    "DELETE FROM procrastinate_workers",
    "UPDATE shops SET listening_since = :now WHERE state <> 'uninstalled'",
    "UPDATE publications SET telling = true WHERE told_at IS NOT NULL",
)


def check(file: Path) -> None:
    """Raise Invalid for what is no backup of Herkend's, Permanent for one of a newer version."""
    version = backup.version(file)
    if not migrate.knows(version):
        raise Permanent(
            f"{file} was made by a newer version of Herkend ({version}): install that version first."
        )


def into_embedded(url: Secret, file: Path, *, replace: bool, now: datetime) -> None:
    """Put a backup in the place of the embedded database; whatever goes wrong, that one stays as it was.

    The caller is alone with the server. Raises Invalid when there is a database that may not be replaced.
    """
    with _connected(_beside(url, "postgres")) as admin:
        if not replace and _filled(url):
            raise Invalid("There is a database already; --replace puts the backup in its place, for good.")
        for name in ("herkend_restored", "herkend_replaced"):  # an earlier one may have been cut off
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        try:
            admin.execute("CREATE DATABASE herkend_restored TEMPLATE template0")
            restored = _beside(url, "herkend_restored")
            _fill(restored, file)
            _bring_up_to_date(restored, now=now)
            with admin.transaction():
                admin.execute("ALTER DATABASE herkend RENAME TO herkend_replaced")
                admin.execute("ALTER DATABASE herkend_restored RENAME TO herkend")
        except (HerkendError, psycopg.Error, SQLAlchemyError) as error:
            with suppress(psycopg.Error):
                admin.execute("DROP DATABASE IF EXISTS herkend_restored WITH (FORCE)")
            raise Permanent(f"The backup was not restored, and nothing has changed. {_why(error)}") from error
        admin.execute("DROP DATABASE herkend_replaced WITH (FORCE)")


def into_server(url: Secret, file: Path, *, now: datetime) -> None:
    """Fill the empty database of DATABASE_URL; raise Invalid when it is not empty.

    Raises Permanent, with the commands that are left to run, when it was filled and then something went wrong.
    """
    if _filled(url):
        raise Invalid(
            "The database of DATABASE_URL is not empty: make a new one, name it in DATABASE_URL and restore into that."
        )
    _fill(url, file)
    try:
        _bring_up_to_date(url, now=now)
    except (HerkendError, SQLAlchemyError, KeyboardInterrupt) as error:
        raise Permanent(
            f"The database of DATABASE_URL was filled from {file}, and not brought up to date. {_why(error)} Do not "
            "start Herkend yet: run `herkend migrate`, then `herkend db restored`; both may be run again."
        ) from error


def take_up(db: Database, *, now: datetime) -> None:
    """Go on from an earlier state: believe nothing about what runs, and read and tell again what may have changed.

    A customer's history is read again when the shop next mentions it; what the shops hold is written again.
    """
    with db.begin() as connection:
        connection.execute(text(NOBODY_RUNS))
        for statement in TAKEN_UP:
            connection.execute(text(statement), {"now": now} if ":now" in statement else {})


def _fill(url: Secret, file: Path) -> None:
    backup.run(
        "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", file, url=url
    )  # fmt: skip


def _bring_up_to_date(url: Secret, *, now: datetime) -> None:
    with closing(Database(url, pool_size=1)) as db:
        with db.begin() as connection:
            # A migration that needs a stop would wait for them.
            if inspect(connection).has_table("processes"):
                connection.execute(text(NOBODY_RUNS))
        migrate.upgrade(db)
        take_up(db, now=now)


def _why(error: BaseException) -> str:
    return str(error).partition("\n")[0] or "It was interrupted."


def _filled(url: Secret) -> bool:
    with _connected(url) as connection:
        row = connection.execute(FILLED).fetchone()
        return row is not None and row[0] > 0


@contextmanager
def _connected(url: Secret) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url.reveal(), connect_timeout=3, autocommit=True)
    except psycopg.OperationalError as error:
        raise Transient(why_not_connected(error)) from error
    with closing(connection):
        yield connection


def _beside(url: Secret, name: str) -> Secret:
    """Return the address of another database of the same server."""
    return Secret(urlsplit(url.reveal())._replace(path=f"/{name}").geturl())
