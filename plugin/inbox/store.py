"""Keeps deliveries before they are understood, hands them out in batches, and remembers how they ended."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, any_, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from plugin.inbox.models import deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook as it came; `body` is None when its retention is over. States: new, done, dead."""

    id: int
    shop_id: int
    event: str
    body: bytes | None
    issued_at: datetime | None
    traceparent: str | None
    received_at: datetime
    state: str
    processed_at: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One webhook that is to be kept, verified against the shop as it was installed under `app_id`."""

    shop_id: int
    app_id: str
    event: str
    body: bytes
    issued_at: datetime | None
    traceparent: str | None
    received_at: datetime


COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__]

# Both statements look at the shops as they are now, whatever was known of them when the deliveries were verified.
# Sorted: two processes that keep the same deliveries at once wait for each other in one order. `%b` sends binary.
# What stands already is left out by itself: ON CONFLICT alone waits for whoever is just finishing it.
KEEP = """
    INSERT INTO deliveries (shop_id, event, body_sha256, body, issued_at, traceparent, received_at)
    SELECT shop_id, event, body_sha256, body, issued_at, traceparent, received_at
    FROM unnest(
        %(shop_ids)b::bigint[], %(app_ids)b::text[], %(events)b::text[], %(hashes)b::bytea[], %(bodies)b::bytea[],
        %(issued)b::timestamptz[], %(traces)b::text[], %(received)b::timestamptz[]
    ) AS sent (shop_id, app_id, event, body_sha256, body, issued_at, traceparent, received_at)
    JOIN shops ON shops.id = sent.shop_id AND shops.app_id = sent.app_id AND shops.state <> 'uninstalled'
    WHERE NOT EXISTS (
        SELECT FROM deliveries AS known WHERE known.shop_id = sent.shop_id
        AND known.event = sent.event AND known.body_sha256 = sent.body_sha256
    )
    ORDER BY shop_id, event, body_sha256
    ON CONFLICT DO NOTHING
"""
KEPT = """
    SELECT deliveries.shop_id, deliveries.event, deliveries.body_sha256
    FROM unnest(%(shop_ids)b::bigint[], %(app_ids)b::text[], %(events)b::text[], %(hashes)b::bytea[])
        AS sent (shop_id, app_id, event, body_sha256)
    JOIN shops ON shops.id = sent.shop_id AND shops.app_id = sent.app_id AND shops.state <> 'uninstalled'
    JOIN deliveries USING (shop_id, event, body_sha256)
"""


LIMIT = "SET LOCAL statement_timeout = {0}; SET LOCAL idle_in_transaction_session_timeout = {0}"


def limit(connection: Connection, *, seconds: float) -> None:
    """Have the database give up what takes longer in this transaction, and the transaction if we fall silent."""
    connection.exec_driver_sql(LIMIT.format(max(1, round(seconds * 1000))))


def keep(connection: Connection, arrivals: Sequence[Arrival]) -> list[bool]:
    """Keep deliveries, in one statement; tell of each whether it is kept now, be it since an earlier time.

    False: its shop is not, or no longer, installed under that app id.
    """
    hashes = [hashlib.sha256(arrival.body).digest() for arrival in arrivals]
    named = {
        "shop_ids": [arrival.shop_id for arrival in arrivals],
        "app_ids": [arrival.app_id for arrival in arrivals],
        "events": [arrival.event for arrival in arrivals],
        "hashes": hashes,
    }
    told = {
        "bodies": [arrival.body for arrival in arrivals],
        "issued": [arrival.issued_at for arrival in arrivals],
        "traces": [arrival.traceparent for arrival in arrivals],
        "received": [arrival.received_at for arrival in arrivals],
    }
    if connection.exec_driver_sql(KEEP, named | told).rowcount == len(arrivals):
        return [True] * len(arrivals)
    kept = {tuple(row) for row in connection.exec_driver_sql(KEPT, named)}
    keys = [
        (arrival.shop_id, arrival.event, body_hash)
        for arrival, body_hash in zip(arrivals, hashes, strict=True)
    ]
    return [key in kept for key in keys]


CLAIM = text(
    """
    SELECT waiting.* FROM (SELECT id FROM shops ORDER BY random()) AS shops CROSS JOIN LATERAL (
        SELECT id, shop_id, event, body, issued_at, traceparent, received_at, state, processed_at, problem
        FROM deliveries WHERE deliveries.shop_id = shops.id AND state = 'new'
        ORDER BY id LIMIT :per_shop FOR UPDATE SKIP LOCKED
    ) AS waiting
    LIMIT :most
    """
)


def claim(connection: Connection, *, per_shop: int, most: int) -> list[Delivery]:
    """Take new deliveries of all shops in turn; they are ours until this transaction ends."""
    return [
        Delivery(**row._asdict()) for row in connection.execute(CLAIM, {"per_shop": per_shop, "most": most})
    ]


def finish(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """These are understood and taken in."""
    _end(connection, ids, state="done", problem=None, now=now)


def bury(connection: Connection, delivery_id: int, *, problem: str, now: datetime) -> None:
    """This one cannot be understood: a person must look; `problem` is the traceback."""
    _end(connection, [delivery_id], state="dead", problem=problem, now=now)


# The sums are counted up in the same breath, shop by shop in their order.
END = text(
    """
    WITH ended AS (
        UPDATE deliveries SET state = :state, processed_at = :now, problem = :problem
        WHERE id = ANY(:ids) RETURNING shop_id
    )
    INSERT INTO delivery_totals (shop_id, state, count)
    SELECT shop_id, :state, count(*) FROM ended GROUP BY shop_id ORDER BY shop_id
    ON CONFLICT (shop_id, state) DO UPDATE SET count = delivery_totals.count + excluded.count
    """
)


def _end(
    connection: Connection, ids: Sequence[int], *, state: str, problem: str | None, now: datetime
) -> None:
    values = {"ids": list(ids), "state": state, "problem": problem, "now": now}
    connection.execute(END, values)


def replay(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Have these processed once more; return those whose body is still there."""
    return list(
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == any_(literal(list(ids), type_=ARRAY(BigInteger))))
            .where(deliveries.c.body.is_not(None))
            .values(state="new", processed_at=None, problem=None)
            .returning(deliveries.c.id)
        ).scalars()
    )


def forget_bodies(connection: Connection, *, state: str, before: datetime, most: int) -> int:
    """Let go of the bodies of what ended so before that moment, of the oldest first; return how many.

    Trace and problem go with them. The hash stays and still knows a repetition.
    """
    over = (
        select(deliveries.c.id)
        .where(
            deliveries.c.state == state, deliveries.c.processed_at < before, deliveries.c.body.is_not(None)
        )
        .order_by(deliveries.c.processed_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    forgotten = connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(over.scalar_subquery()))
        .values(body=None, traceparent=None, problem=None)
    )
    return forgotten.rowcount


def listed(connection: Connection, *, state: str | None, shop_id: int | None, limit: int) -> list[Delivery]:
    """List deliveries, newest first."""
    query = select(*COLUMNS).order_by(deliveries.c.id.desc()).limit(limit)
    if state:
        query = query.where(deliveries.c.state == state)
    if shop_id is not None:
        query = query.where(deliveries.c.shop_id == shop_id)
    return [_delivery(row) for row in connection.execute(query)]


def by_id(connection: Connection, delivery_id: int) -> Delivery | None:
    """Find one delivery."""
    row = connection.execute(select(*COLUMNS).where(deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else _delivery(row)


COUNTS = text(
    """
    SELECT (SELECT count(*) FROM deliveries WHERE shop_id = :shop_id AND state = 'new') AS new,
           (SELECT count(*) FROM deliveries WHERE shop_id = :shop_id AND state = 'dead') AS dead,
           (SELECT coalesce(sum(count), 0)::bigint FROM delivery_totals
            WHERE shop_id = :shop_id AND state = 'done') AS done
    """
)


def counts(connection: Connection, shop_id: int) -> Mapping[str, int]:
    """Count a shop's deliveries that wait, that lie dead, and that were ever done (once more for each replay).

    What this costs does not grow with the shop's history.
    """
    return dict(connection.execute(COUNTS, {"shop_id": shop_id}).mappings().one())


def dead_letters(connection: Connection, shop_id: int) -> int:
    """Count a shop's dead letters that can still be replayed."""
    query = select(func.count()).where(
        deliveries.c.shop_id == shop_id, deliveries.c.state == "dead", deliveries.c.body.is_not(None)
    )
    count: int = connection.execute(query).scalar_one()
    return count


def newest(connection: Connection, shop_id: int) -> datetime | None:
    """When the shop's last delivery came."""
    kept = select(deliveries.c.received_at).where(deliveries.c.shop_id == shop_id)
    last = kept.order_by(deliveries.c.id.desc()).limit(1)
    moment: datetime | None = connection.execute(last).scalar_one_or_none()
    return moment


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**row._asdict())
