"""Brings the database to the schema of this version: forward only, one process at a time."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from plugin.db import Database
from plugin.errors import Permanent

# Any number, the same in every process: whoever holds this lock migrates, the others wait and find it done.
LOCK = 4_837_215_960


def upgrade(db: Database) -> None:
    """Apply what is missing; raise Transient when the database cannot be reached."""
    with db.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(db: Database) -> None:
    """Raise Permanent, saying what to do, when the database is behind this version or ahead of it."""
    with db.begin() as connection:
        there = MigrationContext.configure(connection).get_current_revision()
    here = ScriptDirectory.from_config(_config())
    if there == here.get_current_head():
        return
    if there is None or there in {script.revision for script in here.walk_revisions()}:
        raise Permanent("The database is older than this version of Herkend: run `herkend migrate`.")
    raise Permanent("The database belongs to a newer version of Herkend: install that version.")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "plugin:migrations")
    config.set_main_option("path_separator", "os")
    return config
