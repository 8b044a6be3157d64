"""`herkend customers`."""

import json
from dataclasses import asdict

import click

from plugin.cli.opened import opened
from plugin.errors import Invalid
from plugin.shops import store as shops
from plugin.tiers.shown import Shown, shown
from plugin.tiers.words import Language, tier_name


@click.group()
def customers() -> None:
    """The customers of a shop."""


@customers.command()
@click.argument("shop")
@click.argument("customer")
@click.option("--language", type=click.Choice(["en", "nl"]), default="en", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def show(shop: str, customer: str, *, language: Language, as_json: bool) -> None:
    """Show where CUSTOMER (an e-mail address or a Saleor user id) of SHOP stands, and why."""
    with opened() as installation, installation.db.begin() as connection:
        meant = shops.named(connection, shop)
        by_email = "@" in customer
        found = shown(
            connection,
            meant.id,
            user_id=None if by_email else customer,
            email=customer if by_email else None,
        )
    if found is None:
        raise Invalid(f"Nobody in {meant.api_url} is known as {customer!r}.")
    click.echo(json.dumps(asdict(found), default=str) if as_json else _in_words(found, language=language))


def _in_words(found: Shown, *, language: Language) -> str:
    if found.tier is None:
        waiting = found.problem or "the orders are still to be read from the shop"
        return f"{found.key}: not decided yet ({waiting})."
    lines = [f"{found.key}: {tier_name(found.tier, language=language)}"]
    lines += [f"  {reason}" for reason in found.reasons[language]]
    lines.append(
        f"  decided {found.decided_at:%Y-%m-%d %H:%M} UTC" + (", more to come" if found.pending else "")
    )
    return "\n".join(lines)
