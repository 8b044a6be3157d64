"""A standing as people are shown it, whoever asks: staff, the command line, a card."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from plugin.customers import store as customers
from plugin.customers.identity import counts_as_confirmed, guest_key, normalise, user_key
from plugin.shops import store as shops
from plugin.shops.policy import Policy
from plugin.tiers import store
from plugin.tiers.words import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """`tier` None: not decided yet. `pending`: something is still to be read, decided or told to the shop."""

    key: str
    tier: str | None
    since: date | None
    until: date | None
    quiet_since: date | None
    reasons: dict[str, list[str]]
    decided_at: datetime | None
    publishes: bool
    pending: bool
    problem: str | None


def shown(connection: Connection, shop_id: int, *, user_id: str | None, email: str | None) -> Shown | None:
    """Find the person with this Saleor user id, else this guest's address; None: nobody is known by it."""
    policy = shops.policy(connection, shop_id)
    keys = [user_key(user_id)] if user_id else _keys_of(connection, shop_id, email=email or "", policy=policy)
    found = {person.key: person for person in customers.by_keys(connection, shop_id, keys)}
    person = next((found[key] for key in keys if key in found), None)
    if person is None:
        return None
    decided = store.find(connection, person.id)
    waits = person.read_due is not None or person.review_due is not None
    told = not policy.publish or not store.pending(connection, person.id)
    standing = decided[0] if decided else None
    return Shown(
        key=person.key,
        tier=standing.tier if standing else None,
        since=standing.since if standing else None,
        until=standing.until if standing else None,
        quiet_since=standing.quiet_since if standing else None,
        reasons={
            language: explain(standing, language=language) if standing else [] for language in ("en", "nl")
        },
        decided_at=decided[1] if decided else None,
        publishes=policy.publish,
        pending=waits or not told,
        problem=person.read_problem,
    )


def _keys_of(connection: Connection, shop_id: int, *, email: str, policy: Policy) -> list[str]:
    """Name whom an address can mean, likeliest first: its confirmed accounts, the guest, then any other account."""
    near = customers.accounts_of(connection, shop_id, ids=(), email_keys=[normalise(email)])
    near.sort(key=lambda it: (it.email != email.strip().lower(), it.joined_at, it.id))
    sure = [it for it in near if counts_as_confirmed(it, policy=policy) and not it.deleted]
    others = [it for it in near if it not in sure]
    return [*(user_key(it.id) for it in sure), guest_key(email), *(user_key(it.id) for it in others)]
