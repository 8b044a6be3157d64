"""Reads and writes what is known of customers: accounts, orders, persons."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Table,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.customers.identity import normalise
from plugin.customers.models import accounts, orders, persons, traces
from plugin.shops.models import shops

Snapshot = TypeVar("Snapshot", AccountSnapshot, OrderSnapshot)

# A person may have changed again while his orders were being read: any later wish for a reading shows by this much.
A_MOMENT = timedelta(microseconds=1)
BURST = timedelta(seconds=2)
# PostgreSQL takes 65,535 parameters a statement, and a till account has thousands of orders.
ROWS_A_STATEMENT = 1000
TAKING_IN = 2061  # the space of advisory locks for `one_at_a_time`


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person of one shop, by the key that `plugin.customers.identity` gives."""

    id: int
    shop_id: int
    key: str
    read_due: datetime | None
    read_at: datetime | None
    read_emails: Sequence[str]
    read_failures: int
    read_problem: str | None
    review_due: datetime | None


def one_at_a_time(connection: Connection, shop_id: int) -> None:
    """Wait until nobody else takes in facts of this shop, and keep it so until the transaction ends.

    Whose an order is depends on other rows than its own: two transactions that do not see each other's would both
    decide wrongly. Take this lock before any other.
    """
    connection.execute(select(func.pg_advisory_xact_lock(TAKING_IN, cast(shop_id, Integer))))


def save_accounts(
    connection: Connection, shop_id: int, snapshots: Iterable[AccountSnapshot]
) -> list[tuple[AccountSnapshot | None, AccountSnapshot]]:
    """Keep those that are newer than what is known; return each with what it replaces."""
    return _save(connection, accounts, shop_id, list(snapshots), read=_account)


def save_orders(
    connection: Connection, shop_id: int, snapshots: Iterable[OrderSnapshot]
) -> list[tuple[OrderSnapshot | None, OrderSnapshot]]:
    """Keep those that are newer than what is known; return each with what it replaces."""
    return _save(connection, orders, shop_id, list(snapshots), read=_order)


def accounts_of(
    connection: Connection, shop_id: int, *, ids: Collection[str], email_keys: Collection[str]
) -> list[AccountSnapshot]:
    """Find the accounts with one of these ids, or an address that counts as one of these."""
    rows = connection.execute(
        select(accounts).where(
            accounts.c.shop_id == shop_id,
            or_(accounts.c.id == any_(_texts(ids)), accounts.c.email_key == any_(_texts(email_keys))),
        )
    )
    return [_account(row) for row in rows]


def orders_of(
    connection: Connection, shop_id: int, *, user_ids: Collection[str], email_keys: Collection[str]
) -> list[OrderSnapshot]:
    """Find the orders linked to one of these accounts, or with an address that counts as one of these."""
    rows = connection.execute(
        select(orders).where(
            orders.c.shop_id == shop_id,
            or_(orders.c.user_id == any_(_texts(user_ids)), orders.c.email_key == any_(_texts(email_keys))),
        )
    )
    return [_order(row) for row in rows]


def typed_emails(connection: Connection, shop_id: int, email_keys: Collection[str]) -> Mapping[str, set[str]]:
    """For each address, the forms in which it was typed on orders."""
    rows = connection.execute(
        select(orders.c.email_key, orders.c.email)
        .where(orders.c.shop_id == shop_id, orders.c.email_key == any_(_texts(email_keys)))
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for key, email in rows:
        found.setdefault(key, set()).add(email)
    return found


def touch(
    connection: Connection,
    shop_id: int,
    *,
    owners: Collection[str],
    perhaps: Collection[str],
    reread: Collection[str],
    now: datetime,
) -> None:
    """Mark persons `review due`.

    `owners` are made when they are not known yet, and then their orders are to be read from the shop first; so are
    those of persons read before the shop last stopped telling us things. `perhaps` are marked only if known.
    `reread` (some of the others) have their orders read again, bursts together.
    """
    if owners:
        listening_since = select(shops.c.listening_since).where(shops.c.id == shop_id).scalar_subquery()
        values = [
            {"shop_id": shop_id, "key": key, "read_due": now, "review_due": now}
            for key in sorted(set(owners))
        ]
        connection.execute(
            insert(persons)
            .values(values)
            .on_conflict_do_update(
                index_elements=[persons.c.shop_id, persons.c.key],
                set_={
                    "review_due": func.coalesce(persons.c.review_due, now),
                    "read_due": case(
                        (persons.c.read_at < listening_since, func.coalesce(persons.c.read_due, now)),
                        else_=persons.c.read_due,
                    ),
                },
            )
        )
    connection.execute(
        update(persons)
        .where(persons.c.shop_id == shop_id, persons.c.key == any_(_texts(perhaps)))
        .values(review_due=func.coalesce(persons.c.review_due, now))
    )
    known_before = and_(persons.c.read_at.is_not(None), persons.c.read_at < now)
    connection.execute(
        update(persons)
        .where(persons.c.shop_id == shop_id, persons.c.key == any_(_texts(reread)))
        .where(or_(known_before, persons.c.read_due < now))
        .values(read_due=func.coalesce(persons.c.read_due + A_MOMENT, now + BURST))
    )


TRACE = text(
    """
    INSERT INTO traces (person_id, traceparent)
    SELECT persons.id, told.traceparent
    FROM unnest(CAST(:keys AS text[]), CAST(:traceparents AS text[])) AS told (key, traceparent)
    JOIN persons ON persons.shop_id = :shop_id AND persons.key = told.key
    ORDER BY persons.id
    ON CONFLICT (person_id) DO UPDATE SET traceparent = excluded.traceparent
    """
)


def trace(connection: Connection, shop_id: int, last: Mapping[str, str]) -> None:
    """Note for persons, by key, the trace of what was told of them last."""
    if last:
        values = {"shop_id": shop_id, "keys": list(last), "traceparents": list(last.values())}
        connection.execute(TRACE, values)


def traces_of(connection: Connection, ids: Collection[int]) -> Mapping[int, str]:
    """For those of these persons whom something was told of under a trace, which that was."""
    found = connection.execute(select(traces).where(traces.c.person_id.in_(ids)))
    return {row.person_id: row.traceparent for row in found}


def read_soon(connection: Connection, shop_id: int, *, keys: Collection[str], now: datetime) -> None:
    """Have these persons' orders read now: an address turned up that was not asked for yet."""
    connection.execute(
        update(persons)
        .where(persons.c.shop_id == shop_id, persons.c.key == any_(_texts(keys)))
        .values(read_due=func.coalesce(persons.c.read_due + A_MOMENT, now))
    )


def by_keys(connection: Connection, shop_id: int, keys: Collection[str]) -> list[Person]:
    """Find the persons with these keys."""
    query = select(persons).where(persons.c.shop_id == shop_id, persons.c.key == any_(_texts(keys)))
    return [_person(row) for row in connection.execute(query)]


def to_read(connection: Connection, shop_id: int, *, now: datetime, limit: int) -> list[Person]:
    """List persons whose orders are to be read now, longest waiting first."""
    query = (
        select(persons)
        .where(persons.c.shop_id == shop_id, persons.c.read_due <= now)
        .order_by(persons.c.read_due)
        .limit(limit)
    )
    return [_person(row) for row in connection.execute(query)]


def shops_to_read(
    connection: Connection, *, now: datetime, among: Collection[int] | None = None
) -> list[int]:
    """List the shops (`among` these) that have persons to be read now and may be asked."""
    waiting = select(persons.c.id).where(persons.c.shop_id == shops.c.id, persons.c.read_due <= now).exists()
    free = or_(shops.c.hold_until.is_(None), shops.c.hold_until <= now)
    query = select(shops.c.id).where(shops.c.state == "active", free, waiting)
    if among is not None:
        query = query.where(shops.c.id.in_(among))
    return list(connection.execute(query).scalars())


def was_read(
    connection: Connection, person: Person, *, started: datetime, emails: Collection[str], now: datetime
) -> None:
    """This person's orders are all here, as of `started`; a wish that came meanwhile stays."""
    nothing_new = or_(persons.c.read_due.is_(None), persons.c.read_due == person.read_due)
    connection.execute(
        update(persons)
        .where(persons.c.id == person.id)
        .values(
            read_at=started,
            read_due=case((nothing_new, None), else_=func.greatest(persons.c.read_due, now + BURST)),
            read_emails=sorted(emails),
            read_failures=0,
            read_problem=None,
            review_due=func.coalesce(persons.c.review_due, now),
        )
    )


def read_last(connection: Connection, person: Person, *, now: datetime) -> None:
    """The shop gave no answer about this person, or refused: the others first, once it may be called again."""
    connection.execute(update(persons).where(persons.c.id == person.id).values(read_due=now))


def was_not_read(connection: Connection, person: Person, *, problem: str, again: datetime) -> None:
    """This person's orders could not be read; the others go on."""
    connection.execute(
        update(persons)
        .where(persons.c.id == person.id)
        .values(read_due=again, read_failures=persons.c.read_failures + 1, read_problem=problem)
    )


TO_REVIEW = text(
    """
    SELECT due.* FROM (SELECT id FROM shops ORDER BY random()) AS shops CROSS JOIN LATERAL (
        SELECT * FROM persons
        WHERE persons.shop_id = shops.id AND review_due <= :now AND read_at IS NOT NULL
          AND (read_due IS NULL OR read_due > :now OR read_failures > 0)
        ORDER BY review_due LIMIT :per_shop FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT :most
    """
)


def to_review(connection: Connection, *, now: datetime, per_shop: int, most: int) -> list[Person]:
    """Take persons of all shops in turn who are due and whose history is known.

    They are ours until this transaction ends.
    """
    found = connection.execute(TO_REVIEW, {"now": now, "per_shop": per_shop, "most": most})
    return [_person(row) for row in found]


def reviewed(connection: Connection, ids: Collection[int]) -> None:
    """These stand as their facts say."""
    connection.execute(update(persons).where(persons.c.id.in_(ids)).values(review_due=None))


def review_later(connection: Connection, ids: Collection[int], *, at: datetime) -> None:
    """These could not be decided; the others go on."""
    connection.execute(update(persons).where(persons.c.id.in_(ids)).values(review_due=at))


def due_now(connection: Connection, *, beyond: datetime, now: datetime) -> None:
    """Let nobody wait until after `beyond`, nor take what is still to come for past: the clock went wrong."""
    for moment, latest in (
        (persons.c.read_due, beyond),
        (persons.c.review_due, beyond),
        (persons.c.read_at, now),
    ):
        connection.execute(update(persons).where(moment > latest).values({moment: now}))


def count(connection: Connection, shop_id: int) -> int:
    """Count the persons of a shop."""
    return connection.execute(
        select(func.count()).select_from(persons).where(persons.c.shop_id == shop_id)
    ).scalar_one()


def _save(
    connection: Connection,
    table: Table,
    shop_id: int,
    snapshots: list[Snapshot],
    *,
    read: Any,  # noqa: ANN401 - row -> Snapshot, for either kind
) -> list[tuple[Snapshot | None, Snapshot]]:
    if not snapshots:
        return []
    ids = [snapshot.id for snapshot in snapshots]
    locked = select(table).where(table.c.shop_id == shop_id, table.c.id == any_(_texts(ids)))
    before = {row.id: read(row) for row in connection.execute(locked.order_by(table.c.id).with_for_update())}
    rows = [
        {**asdict(snapshot), "shop_id": shop_id, "email_key": email_key(snapshot)}
        for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.id)
    ]
    saved = [
        id_
        for start in range(0, len(rows), ROWS_A_STATEMENT)
        for id_ in _upserted(connection, table, rows[start : start + ROWS_A_STATEMENT])
    ]
    by_id = {snapshot.id: snapshot for snapshot in snapshots}
    return [(before.get(id_), by_id[id_]) for id_ in saved]


def _upserted(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> list[str]:
    """Return the ids of those rows that were newer than what stood there; a deleted account never comes back."""
    statement = insert(table).values(rows)
    columns = [column for column in table.c if not column.primary_key]
    newer = tuple_(statement.excluded.updated_at, statement.excluded.seen_at) > tuple_(
        table.c.updated_at, table.c.seen_at
    )
    saved = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.shop_id, table.c.id],
            set_={column.name: statement.excluded[column.name] for column in columns},
            where=and_(newer, ~accounts.c.deleted) if table is accounts else newer,
        ).returning(table.c.id)
    )
    return list(saved.scalars())


def email_key(snapshot: AccountSnapshot | OrderSnapshot) -> str:
    """Return what stands behind "guest:" in the key of the person this would be as a guest."""
    return normalise(snapshot.email) if "@" in snapshot.email else f"order:{snapshot.id}"


def _texts(values: Collection[str]) -> Any:  # noqa: ANN401 - an SQL array, whose type SQLAlchemy does not export
    return literal(sorted(set(values)), type_=persons.c.read_emails.type)


def _person(row: Row[Any]) -> Person:
    return Person(**row._asdict())


def _account(row: Row[Any]) -> AccountSnapshot:
    values = row._asdict()
    del values["shop_id"], values["email_key"]
    return AccountSnapshot(**values)


def _order(row: Row[Any]) -> OrderSnapshot:
    values = row._asdict()
    del values["shop_id"], values["email_key"]
    return OrderSnapshot(**values)
