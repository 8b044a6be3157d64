"""`herkend keys`."""

import click

from plugin.secret import new_key


@click.group()
def keys() -> None:
    """Keys that encrypt the shops' tokens (HERKEND_KEYS)."""


@keys.command()
def new() -> None:
    """Print a fresh key."""
    click.echo(new_key().reveal())
