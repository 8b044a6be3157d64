"""`herkend db`."""

import sys
from dataclasses import replace as changed
from pathlib import Path

import click

from plugin import backup, clock, log, postgres, restore, settings
from plugin.cli.opened import opened
from plugin.settings import Settings


@click.group()
def db() -> None:
    """The database as a whole: keep it in a file, put it back."""


@db.command("backup")
@click.argument("file")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def backup_(file: str, *, force: bool) -> None:
    """Keep the whole database in FILE ("-": standard output). Everything may go on running meanwhile.

    The keys (HERKEND_KEYS) are not in it.
    """
    read = _read()
    with postgres.database(read) as url:
        if file == "-":
            backup.write(url, sys.stdout.buffer)
        else:
            size = backup.make(url, Path(file), overwrite=force)
            click.echo(f"{file}: {size:,} bytes.", err=True)
    click.echo(
        f"Not in it: {_keys(read)}. Without them no shop's token in it can be read; keep them elsewhere.",
        err=True,
    )


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of the embedded database, for good.")
def restore_(file: Path, *, replace: bool) -> None:
    """Put FILE, a backup, in the place of the database, and bring that up to date.

    Herkend must be stopped. The embedded database is replaced whole or not at all. With DATABASE_URL the database named
    there must be empty; should anything fail after it was filled, this says which commands are left to run.
    """
    read = _read()
    restore.check(file)
    if read.database_url is not None:
        restore.into_server(read.database_url, file, now=clock.now())
    else:
        with postgres.running(read.data, alone=True) as url:
            restore.into_embedded(url, file, replace=replace, now=clock.now())
    click.echo(
        f"Restored from {file}. Its tokens open with the keys it was made with: have {_keys(read)} be those."
    )


@db.command()
def restored() -> None:
    """Say that the database was put back to an earlier state by other means than `herkend db restore`."""
    with opened() as installation:
        restore.take_up(installation.db, now=installation.clock())
    click.echo("Herkend reads and writes again what may have changed since.")


def _read() -> Settings:
    read = settings.read()
    log.configure(changed(read, log_level="warning"))
    return read


def _keys(read: Settings) -> str:
    return (
        "the keys (HERKEND_KEYS)"
        if read.database_url
        else f"the keys (HERKEND_KEYS, else {read.data / 'keys'})"
    )
