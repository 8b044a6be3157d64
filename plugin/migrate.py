"""Brings the database to the schema of this version: forward only, one process at a time.

A migration that only adds leaves the versions before it running. One that does not says `NEEDS_STOP = True`: then every
process must have stopped before. The table `fit_versions` holds the versions that fit the database, so that an older
process can tell as well.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Column, Connection, Table, Text, inspect, select, text

from plugin.db import Database, metadata
from plugin.errors import Permanent

# Any number, the same in every process: whoever holds this lock migrates, the others wait and find it done.
LOCK = 4_837_215_960

RUNNING = """
    SELECT format('%s on %s (process %s)', kind, host, pid) FROM processes
    WHERE seen_at > now() - interval '30 seconds' ORDER BY 1
"""

# The versions of the code that run on this database as it is.
fit_versions = Table("fit_versions", metadata, Column("version", Text, primary_key=True))


def upgrade(db: Database, *, to: str = "head") -> None:
    """Apply what is missing; what a later version has migrated is left alone where this one fits it.

    Raises Transient when the database cannot be reached, Permanent when it is too far ahead, or when processes of an
    older version have to be stopped first.
    """
    with db.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        before = _revision(connection)
        if before is not None and not knows(before):
            _check_that_it_fits(connection)
            return
        _stop_first(connection, since=before, to=to)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        _note_who_fits(connection, since=before)


def check(db: Database) -> None:
    """Raise Permanent, saying what to do, when the database is behind this version, or too far ahead."""
    with db.begin() as connection:
        there = _revision(connection)
        if there == _scripts().get_current_head():
            return
        if there is None or knows(there):
            raise Permanent("The database is older than this version of Herkend: run `herkend migrate`.")
        _check_that_it_fits(connection)


def knows(version: str) -> bool:
    """Tell whether this code can bring a database of that version up to date."""
    return version in {script.revision for script in _scripts().walk_revisions()}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _note_who_fits(connection: Connection, *, since: str | None) -> None:
    """Add the versions just reached; one that needs a stop fits nobody from before it."""
    if not inspect(connection).has_table("fit_versions"):
        return
    reached = _scripts().iterate_revisions(_revision(connection), since or "base")
    for script in reversed(list(reached)):
        if _needs_stop(script):
            connection.execute(text("DELETE FROM fit_versions"))
        connection.execute(
            text("INSERT INTO fit_versions VALUES (:version) ON CONFLICT DO NOTHING"),
            {"version": script.revision},
        )


def _check_that_it_fits(connection: Connection) -> None:
    """Raise Permanent unless the later version that migrated this database left it such that this one runs on it."""
    here = _scripts().get_current_head()
    known = select(fit_versions).where(fit_versions.c.version == here)
    if not inspect(connection).has_table("fit_versions") or connection.execute(known).first() is None:
        raise Permanent("The database belongs to a newer version of Herkend: install that version.")


def _stop_first(connection: Connection, *, since: str | None, to: str) -> None:
    """Raise Permanent when a migration that is due needs a stop and somebody still runs."""
    due = list(_scripts().iterate_revisions(to, since or "base"))
    if not inspect(connection).has_table("processes") or not any(_needs_stop(script) for script in due):
        return
    if running := connection.execute(text(RUNNING)).scalars().all():
        raise Permanent(
            f"This upgrade needs a stop, and these still run: {', '.join(running)}. Stop them (one that was killed "
            "counts for half a minute), then run `herkend migrate`."
        )


def _needs_stop(script: Script) -> bool:
    return getattr(script.module, "NEEDS_STOP", False) is True


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "plugin:migrations")
    config.set_main_option("path_separator", "os")
    return config
