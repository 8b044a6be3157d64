"""`herkend keys`."""

import sys

import click

from plugin.cli.opened import opened
from plugin.secret import new_key
from plugin.settings import Settings
from plugin.shops.keys import rotate as rotate_keys


@click.group()
def keys() -> None:
    """Keys that encrypt the shops' tokens (HERKEND_KEYS, else a file in HERKEND_DATA)."""


@keys.command()
def new() -> None:
    """Print a fresh key."""
    click.echo(new_key().reveal())


@keys.command()
def rotate() -> None:
    """Encrypt every shop's token with the newest key.

    With HERKEND_KEYS set: first put the output of `herkend keys new` in front of the key that is there, with a comma
    between, and restart every web and worker process. Then run this; when it exits with 0, the old key may go from
    HERKEND_KEYS, at the next restart.

    Without HERKEND_KEYS the keys stand in the file `keys` in HERKEND_DATA, and this makes a new one by itself. Nothing
    needs a restart. The key before the newest stays in the file until the next time, older ones go: keep a copy
    of the file with each backup of the database.

    It may run while everything runs, may be interrupted, and may be run again. Shops whose token none of the keys
    opens are named, and the exit code is 1: put the old key back, or install the app again in those shops. Their
    settings and history are found as they were.
    """
    with opened() as installation:
        done = rotate_keys(installation)
        click.echo(f"{done.renewed} encrypted anew, {done.already} already under the newest key.")
        click.echo(_next(installation.settings))
        for shop in done.lost:
            click.echo(f"{shop.api_url}: {installation.vault.way_back}", err=True)
    if done.lost:
        sys.exit(1)


def _next(settings: Settings) -> str:
    if settings.key_file is not None:
        return f"The new key stands in {settings.key_file}; put a copy of it with your backups."
    if len(settings.keys) == 1:
        return "HERKEND_KEYS holds one key alone: to change it, put a new one in front first (see --help)."
    return (
        "When every web and worker process has the newest key too, the older ones may go from HERKEND_KEYS."
    )
