"""A past for the demo shop: some thousand invented people and three years of their orders, always the same."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.shop import Order, Shop

YEARS = 3
FIRST = (
    "Anouk", "Bas", "Bram", "Daan", "Eline", "Emma", "Fleur", "Floor", "Gijs", "Hanna", "Iris", "Jan",
    "Jasmijn", "Jesse", "Joost", "Julia", "Karin", "Koen", "Lars", "Lieke", "Lotte", "Luuk", "Maaike",
    "Marit", "Mees", "Merel", "Niels", "Noor", "Pieter", "Ruben", "Sanne", "Sem", "Sofie", "Stijn",
    "Tess", "Thijs", "Tim", "Vera", "Wouter", "Yara",
)  # fmt: skip
LAST = (
    "Bakker", "de Boer", "Bos", "Brouwer", "van Dam", "Dekker", "van Dijk", "Dijkstra", "van den Berg",
    "Groen", "de Groot", "Hendriks", "van der Heijden", "Hoekstra", "Jacobs", "Jansen", "de Jong", "Kok",
    "Koster", "Kuipers", "van Leeuwen", "Maas", "van der Meer", "Meijer", "Mulder", "Peters", "Postma",
    "Prins", "Schouten", "Smit", "van der Veen", "Verhoeven", "Vermeulen", "Visser", "de Vries", "de Wit",
    "van Wijk", "Willems", "Wolters", "Zijlstra",
)  # fmt: skip
DOMAINS = ("example.com", "post.example", "thuis.example", "brievenbus.example")
PRODUCTS: tuple[tuple[str, str], ...] = (
    ("Theepot Duinroos", "34.50"),
    ("Kruidenthee Avondrust, 100 g", "7.95"),
    ("Earl Grey Kade 12, 250 g", "11.50"),
    ("Speculaaskruiden", "4.25"),
    ("Kandijstroop", "6.75"),
    ("Drop van zeezout", "5.50"),
    ("Koffiebonen Haringvliet, 500 g", "13.95"),
    ("Mok met vogels", "14.95"),
    ("Honing uit de Biesbosch", "8.95"),
    ("Cacao uit Zaandam, 200 g", "9.50"),
    ("Cadeaudoos Herfst", "42.00"),
    ("Pepermolen beuken", "29.95"),
    ("Olijfolie, halve liter", "16.50"),
    ("Stroopwafels, tien stuks", "6.95"),
    ("Theedoek Delta", "12.50"),
)
VOUCHERS = 0.06
# How many orders a person places in all: many come once, few are regulars.
COUNTS = (1,) * 60 + (2,) * 17 + (3,) * 8 + (4,) * 4 + (5, 5, 6, 6, 7, 8, 9, 11, 14, 18, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One invented customer: `kind` is confirmed, unconfirmed, late (guest first, account later) or guest."""

    kind: str
    email: str
    first_name: str
    last_name: str
    begins: datetime
    orders: tuple[datetime, ...]


Step = tuple[datetime, int, Callable[[], object]]
Progress = Callable[[int, int], None]


def seed(
    shop: Shop, *, customers: int = 2000, number: int = 20, progress: Progress = lambda _done, _all: None
) -> None:
    """Play three years that end now, with the shop's clock turned back and its apps hearing nothing.

    `progress` is called now and then with the steps done and the steps known so far.
    """
    rng = random.Random(number)  # noqa: S311 - invented people, not secrets
    real, end = shop.clock, shop.now()
    plan: list[Step] = []
    count = itertools.count()
    for person in _people(rng, customers, end):
        for moment, act in _life(shop, person, rng, end):
            heapq.heappush(plan, (moment, next(count), act))
    total = len(plan)
    try:
        with shop.silently():
            for done in range(total):
                moment, _, act = heapq.heappop(plan)
                shop.clock = lambda at=moment: at  # type: ignore[misc] # bound at once
                act()
                if done % 2000 == 0:
                    progress(done, total)
            shop.store.remember("seeded", end.isoformat())
    finally:
        shop.clock = real
    progress(total, total)


def _people(rng: random.Random, customers: int, end: datetime) -> Iterator[Person]:
    seen: dict[str, int] = {}
    for _ in range(customers):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        name = f"{first}.{last.replace(' ', '')}".lower()
        seen[name] = seen.get(name, 0) + 1
        mark = "" if seen[name] == 1 else str(seen[name])
        kind = rng.choices(("confirmed", "unconfirmed", "late", "guest"), (52, 8, 4, 36))[0]
        begins = end - timedelta(seconds=rng.triangular(3600, YEARS * 365 * 86400, YEARS * 300 * 86400))
        empty = kind in {"confirmed", "unconfirmed"} and rng.random() < 0.05  # noqa: PLR2004 - a share
        yield Person(
            kind=kind,
            email=f"{name}{mark}@{rng.choice(DOMAINS)}",
            first_name=first,
            last_name=last,
            begins=begins,
            orders=() if empty else tuple(_moments(rng, begins, end)),
        )


def _moments(rng: random.Random, begins: datetime, end: datetime) -> Iterator[datetime]:
    """Yield when a person orders: in waking hours, with his own rhythm, never after `end`."""
    rhythm = rng.uniform(20, 150)
    moment = begins
    for turn in range(rng.choice(COUNTS)):
        if turn:
            moment += timedelta(days=rhythm * rng.uniform(0.4, 1.7))
        shown = moment.replace(hour=rng.randint(6, 21), minute=rng.randint(0, 59))
        if shown < end:
            yield max(shown, begins)


def _life(
    shop: Shop, person: Person, rng: random.Random, end: datetime
) -> Iterator[tuple[datetime, Callable[[], object]]]:
    """Yield everything that happens to a person, with its moment."""
    if person.kind in {"confirmed", "unconfirmed"}:
        yield person.begins - timedelta(minutes=20), lambda: _register(shop, person)
    if person.kind == "late" and person.orders:
        later = min(person.orders[0] + timedelta(days=rng.randint(1, 60)), end - timedelta(minutes=1))
        yield max(later, person.orders[0] + timedelta(seconds=1)), lambda: _register(shop, person)
    for moment in person.orders:
        yield from _purchase(shop, person, rng, moment, end)


def _register(shop: Shop, person: Person) -> None:
    made = shop.register_account(person.email, first_name=person.first_name, last_name=person.last_name)
    if person.kind != "unconfirmed":
        shop.confirm_account(made)


def _purchase(
    shop: Shop, person: Person, rng: random.Random, moment: datetime, end: datetime
) -> Iterator[tuple[datetime, Callable[[], object]]]:
    placed: list[Order] = []
    items = _basket(rng)
    typed = _as_typed(person, rng)
    luck = rng.random()
    paid = luck >= 0.015  # noqa: PLR2004 - what follows are shares
    saved = (
        sum((price * quantity for _, quantity, price in items), Decimal(0))
        if rng.random() < VOUCHERS
        else None
    )

    def place() -> None:
        total = None if saved is None else (saved * Decimal("0.90")).quantize(Decimal("0.01"))
        placed.append(
            shop.place_order(
                email=typed,
                items=items if total is None else (),
                total=total,
                undiscounted=saved,
                voucher_code=None if saved is None else "WELKOM10",
                paid=paid,
            )
        )

    yield moment, place
    if not paid:
        yield _after(moment, 3, end), lambda: shop.cancel(placed[0])
    elif luck < 0.05:  # noqa: PLR2004
        yield _after(moment, rng.randint(4, 20), end), lambda: shop.refund(placed[0])
    elif luck < 0.08:  # noqa: PLR2004
        yield _after(moment, rng.randint(4, 20), end), lambda: _part(shop, placed[0])
    elif moment < end - timedelta(days=3):
        yield _after(moment, 2, end), lambda: shop.fulfil(placed[0])


def _basket(rng: random.Random) -> tuple[tuple[str, int, Decimal], ...]:
    chosen = rng.sample(PRODUCTS, rng.choices((1, 2, 3, 4), (46, 30, 16, 8))[0])
    return tuple((name, rng.choices((1, 2, 3), (80, 15, 5))[0], Decimal(price)) for name, price in chosen)


def _as_typed(person: Person, rng: random.Random) -> str:
    """Return the address as a guest types it now and then; accounts order signed in."""
    if person.kind in {"guest", "late"} and rng.random() < 0.1:  # noqa: PLR2004 - a share
        return person.email[0].upper() + person.email[1:]
    return person.email


def _after(moment: datetime, days: int, end: datetime) -> datetime:
    return min(moment + timedelta(days=days), max(end - timedelta(seconds=30), moment + timedelta(seconds=1)))


def _part(shop: Shop, order: Order) -> None:
    shop.refund(order, (order.total / 3).quantize(Decimal("0.01")))
