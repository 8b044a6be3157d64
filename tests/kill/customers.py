"""Customers who buy and take back at random, and the tier each must stand in by the shop's own books."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.shop import Account, Order, Shop

ACCOUNTS, GUESTS = 25, 15
MOST_DAYS, MOST_STANDING = 6, 8
OLDEST = 20 * 30  # days: all of them lie within the window, so that counting them is enough
PAUSE = 0.1  # seconds between two bursts of at most BURST actions
BURST = 3
BACKLOG = 400  # deliveries under way: then the shop has a quiet moment
ZONE = ZoneInfo("Europe/Amsterdam")
TIERS = [None, "one-time", "returning", "returning", "regular"]  # by purchase days; the last is for more, too
PAID = {"ORDER_FULLY_PAID", "ORDER_MARKED_AS_PAID"}


class Customers:
    """Some people with a few purchase days each, so that what they do moves their tiers all the time."""

    def __init__(self, shop: Shop, *, seed: int, accounts: int = ACCOUNTS, guests: int = GUESTS) -> None:
        self.shop = shop
        self.actions = 0
        self._random = random.Random(seed)
        self._accounts = [self._account(number) for number in range(accounts)]
        self._guests = [f"Guest.{number}@example.com" for number in range(guests)]
        self._days = {who: self._some_days() for who in (*(it.email for it in self._accounts), *self._guests)}
        self._over = threading.Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Have them at it until the block ends."""
        thread = threading.Thread(target=self._live, name="customers")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def expected(self) -> dict[str, tuple[str | None, str | None]]:
        """Return what must stand in the shop by target: an account's public and private tier, a guest's private one."""
        found = {}
        for account in self._accounts:
            tier = due(self.shop.store.orders_of(account))
            found[account.gid] = (tier, tier)
        for orders in self._guest_orders():
            newest = max(orders, key=lambda order: (order.created, order.gid))
            found[newest.gid] = (None, due(orders))
        return found

    def written(self) -> dict[str, tuple[str | None, str | None]]:
        """Return what does stand there."""
        accounts = (self.shop.account(it.id) for it in self._accounts)
        guests = (
            self.shop.order(gid) for gid in self.expected() if gid not in {it.gid for it in self._accounts}
        )
        return {it.gid: _tiers(it) for it in (*accounts, *guests)}

    def _guest_orders(self) -> list[list[Order]]:
        orders = self.shop.store.orders.values()
        found = ([order for order in orders if order.user_email == email] for email in self._guests)
        return [theirs for theirs in found if theirs]

    def _live(self) -> None:
        while not self._over.wait(PAUSE):
            if sum(it.status == "pending" for it in self.shop.deliveries.all()) < BACKLOG:
                for _ in range(self._random.randint(1, BURST)):
                    self._act()
                    self.actions += 1

    def _act(self) -> None:
        buyer = self._random.choice([*self._accounts, *self._guests])
        email = buyer.email if isinstance(buyer, Account) else buyer
        standing = [
            order
            for order in self.shop.store.orders.values()
            if order.user_email == email and order.status == "UNFULFILLED" and order.charged > 0
        ]
        if not standing or (len(standing) < MOST_STANDING and self._random.random() < 0.5):
            self._buy(buyer, email)
        else:
            self._take_back(self._random.choice(standing))

    def _buy(self, buyer: Account | str, email: str) -> None:
        moment = self._random.choice(self._days[email]) + timedelta(minutes=self._random.randint(0, 600))
        whom = {"customer": buyer} if isinstance(buyer, Account) else {"email": buyer}
        flow = self._random.choice(["transaction", "payment"])
        paid = self._random.random() < 0.8
        order = self.shop.place_order(**whom, total="25.00", created=moment, paid=paid, flow=flow)
        if not paid and self._random.random() < 0.5:
            self.shop.mark_paid(order, at=moment)

    def _take_back(self, order: Order) -> None:
        kind = self._random.choice(["refund", "cancel", "partly"])
        if kind == "cancel":
            self.shop.cancel(order)
        else:
            self.shop.refund(order, "5.00" if kind == "partly" else None)

    def _account(self, number: int) -> Account:
        return self.shop.confirm_account(self.shop.register_account(f"customer.{number}@example.com"))

    def _some_days(self) -> list[datetime]:
        today = datetime.now(tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0)
        ago = self._random.sample(range(1, OLDEST), self._random.randint(1, MOST_DAYS))
        return [today - timedelta(days=days) for days in ago]


def due(orders: list[Order]) -> str | None:
    """Tell the tier by the number of days with a purchase that stands: paid, not cancelled, not wholly refunded."""
    days = {_day(order) for order in orders if _stands(order)}
    return TIERS[min(len(days), len(TIERS) - 1)]


def _stands(order: Order) -> bool:
    paid = order.charged + order.refunded >= order.total
    return paid and order.status != "CANCELED" and order.refunded < order.total


def _day(order: Order) -> date:
    return max(event.date for event in order.events if event.type in PAID).astimezone(ZONE).date()


def _tiers(target: Account | Order) -> tuple[str | None, str | None]:
    private = target.private_metadata.get("herkend.standing")
    return target.metadata.get("herkend.tier"), json.loads(private)["tier"] if private else None
