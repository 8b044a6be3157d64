"""`herkend migrate`."""

from dataclasses import replace

import click

from plugin import log, postgres, settings
from plugin import migrate as migrations
from plugin.db import Database


@click.command()
def migrate() -> None:
    """Bring the database to the schema of this version. Safe to run again, and beside a running installation."""
    read = settings.read()
    log.configure(replace(read, log_level="warning"))
    with postgres.database(read) as url:
        db = Database(url)
        try:
            migrations.upgrade(db)
        finally:
            db.close()
    click.echo("The database is up to date.")
