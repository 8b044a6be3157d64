"""Brings the database to the schema of this version: forward only, one process at a time.

A migration that only adds leaves the versions before it running. One that does not says `NEEDS_STOP = True`: then every
process of an older version must have stopped before. The table `fit_versions` holds the versions that fit the database,
so that an older process can tell as well.
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Table, Text, inspect, select, text

from plugin.db import Database, metadata
from plugin.errors import Permanent

# Any number, the same in every process: whoever holds this lock migrates, the others wait and find it done.
LOCK = 4_837_215_960

# The versions of the code that run on this database as it is.
fit_versions = Table("fit_versions", metadata, Column("version", Text, primary_key=True))


def upgrade(db: Database, *, to: str = "head") -> None:
    """Apply what is missing; raise Transient when the database cannot be reached."""
    with db.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        before = _revision(connection)
        command.upgrade(config, to)
        _note_who_fits(connection, since=before)


def check(db: Database) -> None:
    """Raise Permanent, saying what to do, when the database is behind this version, or too far ahead."""
    here = ScriptDirectory.from_config(_config())
    with db.begin() as connection:
        there = _revision(connection)
        if there == here.get_current_head() or _fits(connection, here.get_current_head()):
            return
    if there is None or there in {script.revision for script in here.walk_revisions()}:
        raise Permanent("The database is older than this version of Herkend: run `herkend migrate`.")
    raise Permanent("The database belongs to a newer version of Herkend: install that version.")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _note_who_fits(connection: Connection, *, since: str | None) -> None:
    """Add the versions just reached; one that needs a stop fits nobody from before it."""
    if not inspect(connection).has_table("fit_versions"):
        return
    scripts = ScriptDirectory.from_config(_config())
    for script in reversed(list(scripts.iterate_revisions(_revision(connection), since or "base"))):
        if getattr(script.module, "NEEDS_STOP", False):
            connection.execute(text("DELETE FROM fit_versions"))
        connection.execute(
            text("INSERT INTO fit_versions VALUES (:version) ON CONFLICT DO NOTHING"),
            {"version": script.revision},
        )


def _fits(connection: Connection, version: str | None) -> bool:
    if not inspect(connection).has_table("fit_versions"):
        return False
    known = select(fit_versions).where(fit_versions.c.version == version)
    return connection.execute(known).first() is not None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "plugin:migrations")
    config.set_main_option("path_separator", "os")
    return config
