"""`herkend webhooks`."""

import sys
from functools import partial

import click

from plugin.cli.opened import opened
from plugin.cli.shops import who
from plugin.errors import HerkendError, Invalid, Refused
from plugin.installation import Installation
from plugin.saleor.own_app import Webhook
from plugin.shops import store
from plugin.shops.calling import connected
from plugin.shops.store import Shop
from plugin.shops.webhooks import sync as webhook_syncs
from plugin.shops.webhooks.rules import Change, differences


@click.group()
def webhooks() -> None:
    """The webhooks by which shops tell Herkend what happens. SHOP is a number, a domain or an API address."""


@webhooks.command()
@click.argument("shops", metavar="[SHOP]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def sync(shops: tuple[str, ...], *, dry_run: bool) -> None:
    """Bring the webhooks of SHOP, or of every shop, in line with this version: after each upgrade.

    What is missing is made, what differs is changed, and what was switched off is switched on again: to have Herkend
    hear nothing, switch off the app itself. What is Herkend's is known by its identifier or its exact name, also where
    staff had it send elsewhere; what else is called "Herkend ..." or stands there twice is deleted, if it sends to
    Herkend. Other webhooks that staff made are left alone. A shop where that was not possible is named and the others
    go on; the exit code is 1 then. `herkend webhooks undo` takes it back.
    """
    with opened() as installation:
        meant = _meant(installation, shops)
        failed = [shop for shop in meant if not _sync(installation, shop, dry_run=dry_run)]
    if failed:
        sys.exit(1)


@webhooks.command()
@click.argument("shop")
def undo(shop: str) -> None:
    """Take the last sync of SHOP back. Once more takes back the one before it.

    A webhook that somebody changed or deleted since is named and left as it is; the exit code is 1 then.
    """
    with opened() as installation:
        (meant,) = _meant(installation, (shop,))
        done: list[Change] = []
        left = webhook_syncs.undo(installation, meant, heard=partial(_say, meant, done, dry_run=False))
    for name in left:
        click.echo(f"{meant.api_url}: {name} left as it is: somebody changed it since.", err=True)
    if left:
        sys.exit(1)
    if not done:
        click.echo(f"{meant.api_url}: all was already as before.")


@webhooks.command("list")
@click.argument("shop")
def list_(shop: str) -> None:
    """List the webhooks that Herkend has in SHOP."""
    with opened() as installation:
        (meant,) = _meant(installation, (shop,))
        there = webhook_syncs.look(installation, meant, connected(installation, meant))
    differing = {change.id: change for change in there.changes}
    for hook in there.app.webhooks:
        click.echo(f"{hook.says.name}  {_state(hook, differing.get(hook.id))}  {hook.says.target_url}")
    for change in there.changes:
        if change.id is None:
            click.echo(f"{change.name}  missing")


def _meant(installation: Installation, names: tuple[str, ...]) -> list[Shop]:
    with installation.db.begin() as connection:
        if not names:
            return [shop for shop in store.all_shops(connection) if shop.state != "uninstalled"]
        meant = [store.named(connection, name) for name in names]
    for shop in meant:
        if shop.state == "uninstalled":
            raise Invalid(f"{shop.api_url} uninstalled the app: it has no webhooks there.")
    return meant


def _sync(installation: Installation, shop: Shop, *, dry_run: bool) -> bool:
    """Bring one shop in line; False, and it is said why, when that was not possible."""
    done: list[Change] = []
    say = partial(_say, shop, done, dry_run=dry_run)
    try:
        if dry_run:
            there = webhook_syncs.look(installation, shop, connected(installation, shop))
            for change in there.changes:
                say(change)
        else:
            webhook_syncs.sync(installation, shop, by=who(), heard=say)
    except HerkendError as error:
        click.echo(f"{shop.api_url}: {_why(shop, error)}", err=True)
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, the other shops go on
        click.echo(f"{shop.api_url}: not all is done, by a bug: {type(error).__name__}.", err=True)
        return False
    if not done:
        click.echo(f"{shop.api_url}: all webhooks are as they should be.")
    return True


def _why(shop: Shop, error: HerkendError) -> str:
    if isinstance(error, Refused) and shop.state == "paused":
        return "not done, the app is switched off there."
    return f"not all is done: {error}"


def _say(shop: Shop, done: list[Change], change: Change, *, dry_run: bool) -> None:
    done.append(change)
    verb = "to be " if dry_run else ""
    if change.before is None:
        words = f"{verb}made"
    elif change.after is None:
        words = f"{verb}deleted"
    else:
        words = f"{verb}changed ({', '.join(differences(change))})"
    click.echo(f"{shop.api_url}: {change.name} {words}")


def _state(hook: Webhook, change: Change | None) -> str:
    if change is None:
        return "on" if hook.says.active else "off"
    return "to be deleted" if change.after is None else f"differs: {', '.join(differences(change))}"
