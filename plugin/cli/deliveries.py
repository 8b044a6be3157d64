"""`herkend deliveries`."""

import json
import sys

import click

from plugin.cli.opened import opened
from plugin.errors import Invalid
from plugin.inbox import store
from plugin.inbox.store import Delivery
from plugin.shops import store as shops


@click.group()
def deliveries() -> None:
    """The webhooks that came in: kept, processed, or dead letters."""


@deliveries.command("list")
@click.option(
    "--state", type=click.Choice(["new", "done", "dead"]), help="Only these; dead are those to look at."
)
@click.option("--shop", help="Only this shop's (number, domain or API address).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
def list_(*, state: str | None, shop: str | None, limit: int) -> None:
    """List deliveries, newest first. Exit code 1 when there are none."""
    with opened() as installation, installation.db.begin() as connection:
        shop_id = shops.named(connection, shop).id if shop else None
        found = store.listed(connection, state=state, shop_id=shop_id, limit=limit)
    for delivery in found:
        problem = f"  {_last_line(delivery.problem)}" if delivery.problem else ""
        click.echo(
            f"{delivery.id}  {delivery.received_at:%Y-%m-%d %H:%M:%S}  shop {delivery.shop_id}  "
            f"{delivery.event}  {delivery.state}{problem}"
        )
    if not found:
        click.echo("No deliveries match.", err=True)
        sys.exit(1)


@deliveries.command()
@click.argument("number", type=int)
@click.option("--body", is_flag=True, help="Also the body as it came; it holds personal data.")
def show(number: int, *, body: bool) -> None:
    """Show one delivery, with the traceback of a dead letter."""
    with opened() as installation, installation.db.begin() as connection:
        found = _known(store.by_id(connection, number), number)
    for name in ("id", "shop_id", "event", "state", "issued_at", "received_at", "processed_at"):
        click.echo(f"{name}: {getattr(found, name)}")
    if found.problem:
        click.echo(found.problem)
    if body:
        click.echo(_readable(found.body))


@deliveries.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--dead", is_flag=True, help="All dead letters.")
def replay(numbers: tuple[int, ...], *, dead: bool) -> None:
    """Have deliveries processed once more; replaying changes nothing that is right already."""
    if bool(numbers) == dead:
        raise click.UsageError("Name deliveries by number, or give --dead.")
    with opened() as installation, installation.db.begin() as connection:
        if dead:
            numbers = tuple(
                it.id for it in store.listed(connection, state="dead", shop_id=None, limit=1_000_000)
            )
        done = store.replay(connection, numbers)
    missing = sorted(set(numbers) - set(done))
    click.echo(f"{len(done)} to be processed once more.")
    if missing:
        raise Invalid(f"Not there, or the body is no longer kept: {', '.join(map(str, missing))}.")


def _known(found: Delivery | None, number: int) -> Delivery:
    if found is None:
        raise Invalid(f"There is no delivery {number}; `herkend deliveries list` shows those that there are.")
    return found


def _last_line(problem: str) -> str:
    return problem.strip().rsplit("\n", 1)[-1]


def _readable(body: bytes | None) -> str:
    if body is None:
        return "The body is no longer kept."
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return repr(body)
