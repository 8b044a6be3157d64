"""`herkend shops`."""

import getpass
import os
import sys

import click

from plugin.cli.opened import opened
from plugin.errors import Invalid
from plugin.shops import store
from plugin.tiers import store as tiers


@click.group()
def shops() -> None:
    """The shops that installed the app. SHOP is a number, a domain or an API address."""


@shops.command("list")
def list_() -> None:
    """List all shops with their state."""
    with opened() as installation, installation.db.begin() as connection:
        found = store.all_shops(connection)
        for shop in found:
            released = store.policy(connection, shop.id).publish
            publishing = "publishes" if released else "shows only"
            click.echo(f"{shop.id}  {shop.api_url}  {shop.state}  {publishing}  Saleor {shop.saleor_version}")
    if not found:
        click.echo("No shop has installed the app yet.", err=True)
        sys.exit(1)


@shops.command()
@click.argument("shop")
def publish(shop: str) -> None:
    """Let Herkend write standings into SHOP from now on."""
    with opened() as installation, installation.db.begin() as connection:
        meant = store.named(connection, shop)
        store.release(connection, meant.id, by=who(), now=installation.clock())
        waiting = sum(tiers.tiers(connection, meant.id).values())
    click.echo(f"{meant.api_url}: publishing from now on ({waiting} standings decided so far).")


@shops.command("show-only")
@click.argument("shop")
def show_only(shop: str) -> None:
    """Decide and show, and write nothing more into SHOP."""
    with opened() as installation, installation.db.begin() as connection:
        meant = store.named(connection, shop)
        store.show_only(connection, meant.id, by=who(), now=installation.clock())
    click.echo(f"{meant.api_url}: shows only; what was published before stays in the shop.")


@shops.command()
@click.argument("shop")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(shop: str, *, yes: bool) -> None:
    """Erase all personal data of SHOP now (it must have uninstalled the app); its settings stay."""
    with opened() as installation:
        with installation.db.begin() as connection:
            meant = store.named(connection, shop)
        if meant.state != "uninstalled":
            raise click.UsageError(f"{meant.api_url} still has the app installed: uninstall it there first.")
        if not yes:
            click.confirm(f"Erase all customers, orders and deliveries of {meant.api_url}?", abort=True)
        with installation.db.begin() as connection:
            erased = store.erase(connection, meant.id)
    if not erased:
        raise Invalid(f"{meant.api_url} has installed the app again meanwhile: nothing is erased.")
    click.echo(f"{meant.api_url}: personal data erased.")


def who() -> str:
    """Name who gave the command; in a container the user may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
