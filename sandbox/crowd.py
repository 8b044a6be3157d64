"""The people of a shop as its demo page shows them: accounts and guests, found by name or by what they bought."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, islice

from sandbox.model import Account, Order, Refusal
from sandbox.seed import FIRST, LAST
from sandbox.shop import Shop

TWO_YEARS = timedelta(days=730)
REGULAR = 4  # days of purchase, as the app's default policy has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to order as: an account, or (without one) the guest behind an e-mail."""

    account: Account | None
    email: str
    orders: tuple[Order, ...]

    @property
    def name(self) -> str:
        """Return first and last name, empty for a guest."""
        return f"{self.account.first_name} {self.account.last_name}".strip() if self.account else ""

    @property
    def key(self) -> dict[str, str]:
        """Return how the app is asked about this person."""
        return {"userId": self.account.gid} if self.account else {"email": self.email}

    def days(self, now: datetime) -> int:
        """Count the days of purchase in the last two years: paid, not cancelled, not refunded in full."""
        counted = {
            order.created.date()
            for order in self.orders
            if order.status not in {"CANCELED", "EXPIRED"}
            and order.charged + order.refunded >= order.total > order.refunded
            and order.created > now - TWO_YEARS
        }
        return len(counted)


def person(shop: Shop, *, user_id: str | None = None, email: str | None = None) -> Person:
    """Return who that is; raises `Refusal` for an account that is not there."""
    if user_id:
        found = shop.account(user_id)
        return Person(account=found, email=found.email, orders=tuple(shop.store.orders_of(found)))
    typed = (email or "").strip()
    if "@" not in typed:
        raise Refusal(f"{typed or 'nothing'} is no e-mail address", code="address")
    at = shop.store.account_at(typed)
    if at is not None:
        return person(shop, user_id=at.gid)
    orders = [one for one in _guests(shop) if one.user_email.lower() == typed.lower()]
    return Person(
        account=None, email=typed, orders=tuple(sorted(orders, key=lambda one: one.number, reverse=True))
    )


def search(shop: Shop, text: str, *, limit: int = 8) -> list[Person]:
    """Return accounts, then guests, whose name or address holds every word of the text."""
    words = text.lower().split()
    accounts = (
        person(shop, user_id=one.gid)
        for one in shop.store.accounts.values()
        if not one.is_staff and _holds(f"{one.first_name} {one.last_name} {one.email}", words)
    )
    addresses = dict.fromkeys(one.user_email.lower() for one in _guests(shop))
    guests = (person(shop, email=one) for one in addresses if _holds(one, words))
    return list(islice(chain(accounts, guests), limit))


def pick(shop: Shop, kind: str) -> Person:
    """Return somebody at random: guest, account (both new), one-time, almost-regular, regular or unconfirmed."""
    rng = random.Random()  # noqa: S311 - no secret
    if kind in {"guest", "account"}:
        return _newcomer(shop, rng, account=kind == "account")
    now = shop.now()
    if kind not in {"one-time", "almost-regular", "regular", "unconfirmed"}:
        raise Refusal(f"there is no kind of people called {kind}")
    accounts = [one for one in shop.store.accounts.values() if not one.is_staff]
    rng.shuffle(accounts)
    for account in accounts:
        found = person(shop, user_id=account.gid)
        if _is(found, kind, now):
            return found
    raise Refusal("nobody like that is left in this shop", code="nobody")


def _is(found: Person, kind: str, now: datetime) -> bool:
    confirmed, days = bool(found.account and found.account.is_confirmed), found.days(now)
    if kind == "unconfirmed":
        return not confirmed
    if not confirmed or (found.orders and found.orders[0].created.date() == now.date()):
        return False
    if kind == "regular":
        return days >= REGULAR
    return len(found.orders) == days == (1 if kind == "one-time" else REGULAR - 1)


def _newcomer(shop: Shop, rng: random.Random, *, account: bool) -> Person:
    first, last = rng.choice(FIRST), rng.choice(LAST)
    email = f"{first}.{last.replace(' ', '')}.{rng.randint(100, 9999)}@example.com".lower()
    if account:
        shop.confirm_account(shop.register_account(email, first_name=first, last_name=last))
    return person(shop, email=email)


def _guests(shop: Shop) -> list[Order]:
    return [one for one in shop.store.orders.values() if one.user_id is None]


def _holds(text: str, words: list[str]) -> bool:
    return all(word in text.lower() for word in words)


def spent(order: Order) -> Decimal:
    """Return what an order left in the till."""
    return max(order.total - order.refunded, Decimal(0))
