"""Job: profile -> standing -> what the shop is to be told, saved together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from plugin.customers import store as customers
from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.customers.identity import counts_as_confirmed, is_account, owner
from plugin.customers.profile import profile
from plugin.customers.store import Person
from plugin.installation import Installation
from plugin.queue import PUBLISH, ask
from plugin.shops import store as shops
from plugin.shops.policy import Policy
from plugin.tiers import store as tiers
from plugin.tiers.contract import contract
from plugin.tiers.rules import Standing, standing
from plugin.tiers.store import Wanted

log = structlog.get_logger()
PER_SHOP = 50
MOST = 200
LATER = timedelta(hours=1)


def review_batch(installation: Installation) -> int:
    """Review persons who are due; return how many that were.

    1. claim persons whose history is known (they are ours until the transaction ends)
    2. gather the facts of a shop's persons at once
    3. decide each, purely
    4. save standings and what the shop is to be told; jobs take it from there
    """
    now = installation.clock()
    with installation.db.begin() as connection:
        due = customers.to_review(connection, now=now, per_shop=PER_SHOP, most=MOST)
        by_shop: dict[int, list[Person]] = defaultdict(list)
        for person in due:
            by_shop[person.shop_id].append(person)
        for shop_id, people in sorted(by_shop.items()):
            try:
                with connection.begin_nested():
                    _review_shop(connection, shop_id, people, now=now)
            except OperationalError:
                raise
            except Exception:
                log.exception("a shop cannot be reviewed", shop=shop_id)
                customers.review_later(connection, [person.id for person in people], at=now + LATER)
        if due:
            ask(connection, PUBLISH, tiers.shops_to_tell(connection, now=now, among=list(by_shop)))
    return len(due)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The facts about some persons of one shop."""

    accounts: Mapping[str, AccountSnapshot]
    orders: Mapping[str, Sequence[OrderSnapshot]]


def _review_shop(connection: Connection, shop_id: int, people: Sequence[Person], *, now: datetime) -> None:
    policy = shops.policy(connection, shop_id)
    known = _gather(connection, shop_id, people, policy=policy)
    decided, wanted = {}, []
    for person in people:
        try:
            orders = known.orders.get(person.key, ())
            facts = profile(orders, policy=policy, person=person.key)
            stands = standing(facts, policy=policy, today=policy.day(now))
            wanted += _to_tell(person, stands, known=known, policy=policy)
            decided[person.id] = stands
        except Exception:
            log.exception("a person cannot be reviewed", shop=shop_id, person=person.id)
    tiers.save(connection, decided, policy_version=policy.version, now=now)
    tiers.withdraw(connection, list(decided), but=[it.target_id for it in wanted])
    tiers.want(connection, shop_id, wanted, now=now)
    customers.reviewed(connection, decided)
    customers.review_later(connection, {person.id for person in people} - set(decided), at=now + LATER)


def _gather(connection: Connection, shop_id: int, people: Iterable[Person], *, policy: Policy) -> _Known:
    """Read the facts of many persons in a few queries and deal the orders out to their owners."""
    keys = {person.key for person in people}
    user_ids = {key.removeprefix("user:") for key in keys if is_account(key)}
    guests = {key.removeprefix("guest:") for key in keys if not is_account(key)}
    own = customers.accounts_of(connection, shop_id, ids=user_ids, email_keys=())
    email_keys = guests | {customers.email_key(account) for account in own}
    orders = customers.orders_of(connection, shop_id, user_ids=user_ids, email_keys=email_keys)
    linked = {order.user_id for order in orders if order.user_id}
    accounts = customers.accounts_of(connection, shop_id, ids=user_ids | linked, email_keys=email_keys)
    dealt: dict[str, list[OrderSnapshot]] = defaultdict(list)
    for order in orders:
        dealt[owner(order, accounts=accounts, policy=policy)].append(order)
    return _Known(accounts={account.id: account for account in accounts}, orders=dealt)


def _to_tell(person: Person, decided: Standing, *, known: _Known, policy: Policy) -> list[Wanted]:
    """Say where in the shop this standing is written: on the user, or on a guest's newest order."""
    if is_account(person.key):
        account = known.accounts.get(person.key.removeprefix("user:"))
        if account is None or account.deleted:
            return []
        confirmed = counts_as_confirmed(account, policy=policy)
        content = contract(decided, policy=policy, confirmed=confirmed, is_guest=False)
        return [Wanted(person_id=person.id, target_id=account.id, kind="user", content=content)]
    orders = known.orders.get(person.key, ())
    if not orders:
        return []
    newest = max(orders, key=lambda order: (order.created_at, order.id))
    content = contract(decided, policy=policy, confirmed=False, is_guest=True)
    return [Wanted(person_id=person.id, target_id=newest.id, kind="order", content=content)]
