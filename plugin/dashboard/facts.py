"""What the pages show of a shop and of a person, read in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from plugin.customers import store as customers
from plugin.inbox import store as inbox
from plugin.shops import store as shops
from plugin.shops.policy import PROSPECT
from plugin.shops.store import Shop
from plugin.tiers import store as tiers
from plugin.tiers.shown import shown
from plugin.tiers.words import LANGUAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopState:
    """How Herkend fares in one shop. `tiers` counts customers by tier, highest tier first; times are the shop's."""

    publishing: bool
    received: int
    waiting: int
    dead: int
    newest: datetime | None
    customers: int
    tiers: Mapping[str, int]
    installed: datetime


def state_of(connection: Connection, shop: Shop) -> ShopState:
    """Read how Herkend fares in a shop."""
    policy = shops.policy(connection, shop.id)
    deliveries = inbox.counts(connection, shop.id)
    newest = inbox.newest(connection, shop.id)
    counted = tiers.tiers(connection, shop.id)
    ladder = [*(rule.id for rule in reversed(policy.tiers)), PROSPECT]
    return ShopState(
        publishing=policy.publish,
        received=sum(deliveries.values()),
        waiting=deliveries["new"],
        dead=deliveries["dead"],
        newest=newest.astimezone(policy.zone) if newest else None,
        customers=customers.count(connection, shop.id),
        tiers={tier: counted[tier] for tier in ladder if tier in counted},
        installed=shop.installed_at.astimezone(policy.zone),
    )


def standing_of(
    connection: Connection, shop: Shop, *, user_id: str | None, email: str | None
) -> dict[str, Any]:
    """Return a person's standing ready for JSON; whom nobody knows is a prospect."""
    policy = shops.policy(connection, shop.id)
    found = shown(connection, shop.id, user_id=user_id, email=email)
    days = {name: getattr(found, name, None) for name in ("since", "until", "quiet_since")}
    return {
        "tier": (found.tier if found else None) or PROSPECT,
        **{name: day.isoformat() if day else None for name, day in days.items()},
        "reasons": found.reasons if found else {language: [] for language in LANGUAGES},
        "publishing": "publish" if policy.publish else "show_only",
        "pending": found is not None and found.pending,
    }
