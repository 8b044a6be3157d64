"""Job: reads from the shop the whole history of persons of whom we know only a part."""

from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection
from structlog.contextvars import bound_contextvars

from plugin.customers import store
from plugin.customers.facts import AccountSnapshot, Facts, OrderSnapshot
from plugin.customers.identity import counts_as_confirmed, normalise
from plugin.customers.store import Person
from plugin.customers.take_in import take_in
from plugin.errors import HerkendError, Permanent, Refused, Transient
from plugin.installation import Installation
from plugin.saleor.calls import person_history
from plugin.saleor.client import Saleor
from plugin.shops import store as shops
from plugin.shops.calling import Line
from plugin.shops.policy import Policy
from plugin.trace import Trace, named, parse

log = structlog.get_logger()
AT_ONCE = 50
LONGEST_WAIT = timedelta(hours=6)


def read_histories(installation: Installation, shop_id: int) -> None:
    """Read the orders of persons who are due, one person a request.

    1. list who is due (no transaction stays open)
    2. ask the shop, page by page
    3. take in what it answers and mark the person read; he is reviewed next
    """
    line = Line.to(installation, shop_id)
    while line.free():
        with installation.db.begin() as connection:
            due = store.to_read(connection, shop_id, now=installation.clock(), limit=AT_ONCE)
            traces = store.traces_of(connection, [person.id for person in due])
        if not due:
            return
        for person in due:
            trace = parse(traces.get(person.id))
            if not line.free() or not line.call(partial(_read_under, trace, installation, line, person)):
                return


def _read_under(trace: Trace | None, installation: Installation, line: Line, person: Person) -> None:
    """Read a person's history as what follows from the delivery that told of this person last."""
    said = {"shop": person.shop_id, "person": person.id}
    span = installation.spans.span("read history", after=trace, **said)
    with bound_contextvars(**said, **named(trace)), span as here:
        _read(installation, line, person, here=here)


def _read(installation: Installation, line: Line, person: Person, *, here: Trace | None) -> None:
    started = installation.clock()
    with installation.db.begin() as connection:
        policy = shops.policy(connection, person.shop_id)
        account = _account(connection, person)
        emails = _addresses(connection, person, account=account, policy=policy)
    try:
        saleor = line.saleor.following(here)
        account, orders = _ask(installation, saleor, user_id=_user_id(person), emails=emails)
    except Permanent as error:
        _not_read(installation, person, error)
        return
    except (Transient, Refused):
        with installation.db.begin() as connection:
            store.read_last(connection, person, now=installation.clock())
        raise
    facts = Facts(orders=orders, accounts=(account,) if account else ())
    with installation.db.begin() as connection:
        store.one_at_a_time(connection, person.shop_id)
        if not shops.still_installed(connection, person.shop_id):
            return
        now = installation.clock()
        store.was_read(connection, person, started=started, emails=emails, now=now)
        take_in(connection, person.shop_id, [facts], policy=policy, now=now)
        if _addresses(connection, person, account=_account(connection, person), policy=policy) - emails:
            store.read_soon(connection, person.shop_id, keys=[person.key], now=now)
    log.info("history read", orders=len(orders))


def _account(connection: Connection, person: Person) -> AccountSnapshot | None:
    user_id = _user_id(person)
    found = store.accounts_of(connection, person.shop_id, ids=[user_id], email_keys=[]) if user_id else []
    return found[0] if found else None


def _addresses(
    connection: Connection, person: Person, *, account: AccountSnapshot | None, policy: Policy
) -> set[str]:
    """Return every form of the person's address under which the shop may know guest orders of hers.

    The shop compares letter by letter, so each form ever typed is asked for. For an account that does not count as
    confirmed: none. For one we have not met: the addresses on its orders, to learn all in one request.
    """
    shop_id, user_id = person.shop_id, _user_id(person)
    if account and not counts_as_confirmed(account, policy=policy):
        return set()
    if user_id and not account:
        orders = store.orders_of(connection, shop_id, user_ids=[user_id], email_keys=[])
        typed = {order.email for order in orders if order.email}
        return typed | {email.lower() for email in typed}
    email_key = normalise(account.email) if account else person.key.removeprefix("guest:")
    typed = store.typed_emails(connection, shop_id, {email_key}).get(email_key, set())
    return (typed | ({account.email} if account else {email.lower() for email in typed})) - {""}


def _user_id(person: Person) -> str | None:
    return person.key.removeprefix("user:") if person.key.startswith("user:") else None


def _ask(
    installation: Installation, saleor: Saleor, *, user_id: str | None, emails: set[str]
) -> tuple[AccountSnapshot | None, tuple[OrderSnapshot, ...]]:
    orders: list[OrderSnapshot] = []
    after = None
    while True:
        page = person_history(
            saleor, user_id=user_id, emails=sorted(emails), clock=installation.clock, after=after
        )
        orders += page.orders
        if page.unreadable:
            log.warning("orders cannot be read", orders=page.unreadable)
        if page.next is None:
            return page.account, tuple(orders)
        after = page.next


def _not_read(installation: Installation, person: Person, error: HerkendError) -> None:
    """Go on with the others and try this one again later and later."""
    wait = min(timedelta(seconds=10 * 4 ** min(person.read_failures, 8)), LONGEST_WAIT)
    again: datetime = installation.clock() + wait
    with installation.db.begin() as connection:
        store.was_not_read(connection, person, problem=str(error), again=again)
    log.warning("history not read", problem=str(error), again=again)
