"""Facts become known: snapshots are kept, and whoever they concern is marked `review due`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from plugin.customers import store
from plugin.customers.facts import AccountSnapshot, Facts, OrderSnapshot, latest
from plugin.customers.identity import guest_key, normalise, owner, user_key
from plugin.shops.policy import Policy


def take_in(
    connection: Connection,
    shop_id: int,
    facts: Iterable[Facts],
    *,
    policy: Policy,
    now: datetime,
    traces: Sequence[tuple[str, str]] = (),
) -> None:
    """Keep what is newer than what is known and mark the persons concerned.

    1. of each order and account the latest state, kept only where it is newer than ours
    2. whose are these orders, and whose were they before
    3. those persons are marked; unknown ones are made, to be read from the shop first
    4. what follows for them goes on under the last trace (`traces`: of which order or account which was told)
    """
    store.one_at_a_time(connection, shop_id)
    facts = list(facts)
    accounts = store.save_accounts(
        connection, shop_id, latest(account for fact in facts for account in fact.accounts).values()
    )
    orders = store.save_orders(
        connection, shop_id, latest(order for fact in facts for order in fact.orders).values()
    )
    reread = {user_key(user_id) for fact in facts for user_id in fact.reread}
    concerned = _concerned(connection, shop_id, accounts=accounts, orders=orders, policy=policy)
    store.touch(
        connection,
        shop_id,
        owners=concerned.owners | reread,
        perhaps=concerned.perhaps,
        reread=reread,
        now=now,
    )
    _read_new_addresses(connection, shop_id, concerned.addresses, now=now)
    whose = concerned.whose | {user_id: {user_key(user_id)} for fact in facts for user_id in fact.reread}
    last = {key: traceparent for subject, traceparent in traces for key in whose.get(subject, ())}
    store.trace(connection, shop_id, last)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """Keys of persons, by why they are concerned; `whose` is by the id of the order or account."""

    owners: set[str]
    perhaps: set[str]
    addresses: dict[str, set[str]]
    whose: dict[str, set[str]]


def _concerned(
    connection: Connection,
    shop_id: int,
    *,
    accounts: list[tuple[AccountSnapshot | None, AccountSnapshot]],
    orders: list[tuple[OrderSnapshot | None, OrderSnapshot]],
    policy: Policy,
) -> _Concerned:
    states = [account for pair in accounts for account in pair if account]
    snapshots = [order for pair in orders for order in pair if order]
    emails = [account.email for account in states] + [order.email for order in snapshots]
    email_keys = {normalise(email) for email in emails} - {""}
    user_ids = {order.user_id for order in snapshots if order.user_id} | {account.id for account in states}
    near = store.accounts_of(connection, shop_id, ids=user_ids, email_keys=email_keys)
    owners = {user_key(after.id) for _, after in accounts}
    owners |= _owners_of_moved(connection, shop_id, accounts, policy=policy)
    perhaps = {guest_key(account.email) for account in states if account.email}
    if accounts:
        perhaps |= {user_key(account.id) for account in near}
    addresses: dict[str, set[str]] = {}
    whose = {after.id: {user_key(after.id)} for _, after in accounts}
    for before, after in orders:
        key = owner(after, accounts=near, policy=policy)
        owners.add(key)
        whose[after.id] = {key}
        if after.user_id is None and after.email:
            addresses.setdefault(key, set()).add(after.email)
        if before is not None:
            former = owner(before, accounts=near, policy=policy)
            perhaps.add(former)
            whose[after.id].add(former)
    return _Concerned(owners, perhaps, addresses, whose)


def _owners_of_moved(
    connection: Connection,
    shop_id: int,
    accounts: list[tuple[AccountSnapshot | None, AccountSnapshot]],
    *,
    policy: Policy,
) -> set[str]:
    """Say whose the orders are now that may have moved: a changed address, a confirmation, a deletion moves them."""
    moved = [
        one
        for before, after in accounts
        if before is None or _claims(before) != _claims(after)
        for one in (before, after)
        if one
    ]
    if not moved:
        return set()
    email_keys = {normalise(account.email) for account in moved} - {""}
    ids = {account.id for account in moved}
    orders = store.orders_of(connection, shop_id, user_ids=ids, email_keys=email_keys)
    ids |= {order.user_id for order in orders if order.user_id}
    email_keys |= {normalise(order.email) for order in orders} - {""}
    near = store.accounts_of(connection, shop_id, ids=ids, email_keys=email_keys)
    return {owner(order, accounts=near, policy=policy) for order in orders}


def _claims(account: AccountSnapshot) -> tuple[str, bool, bool]:
    """Return what decides which orders are an account's."""
    return (normalise(account.email), account.is_confirmed, account.deleted)


def _read_new_addresses(
    connection: Connection, shop_id: int, addresses: dict[str, set[str]], *, now: datetime
) -> None:
    known = store.by_keys(connection, shop_id, addresses)
    new = [
        person.key for person in known if person.read_at and addresses[person.key] - set(person.read_emails)
    ]
    store.read_soon(connection, shop_id, keys=new, now=now)
