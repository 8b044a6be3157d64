"""Keeps deliveries before they are understood, hands them out in batches, and remembers how they ended."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, any_, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from plugin.inbox.models import deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook as it came; `body` is None when its retention is over. States: new, done, dead."""

    id: int
    shop_id: int
    event: str
    body: bytes | None
    issued_at: datetime | None
    received_at: datetime
    state: str
    processed_at: datetime | None
    problem: str | None


COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__]


def keep(
    connection: Connection,
    *,
    shop_id: int,
    event: str,
    body: bytes,
    issued_at: datetime | None,
    traceparent: str | None,
    now: datetime,
) -> bool:
    """Keep a delivery; False when this very one was kept before."""
    kept = connection.execute(
        insert(deliveries)
        .values(
            shop_id=shop_id,
            event=event,
            body_sha256=hashlib.sha256(body).digest(),
            body=body,
            issued_at=issued_at,
            traceparent=traceparent,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(deliveries.c.id)
    )
    return kept.first() is not None


CLAIM = text(
    """
    SELECT waiting.* FROM (SELECT id FROM shops ORDER BY random()) AS shops CROSS JOIN LATERAL (
        SELECT id, shop_id, event, body, issued_at, received_at, state, processed_at, problem
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
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(state="done", processed_at=now, problem=None)
    )


def bury(connection: Connection, delivery_id: int, *, problem: str, now: datetime) -> None:
    """This one cannot be understood: a person must look; `problem` is the traceback."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state="dead", processed_at=now, problem=problem)
    )


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


def forget_bodies(connection: Connection, *, state: str, before: datetime) -> int:
    """Let go of the bodies of what ended so before that moment; the hash stays and still knows a repetition."""
    forgotten = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.state == state, deliveries.c.processed_at < before, deliveries.c.body.is_not(None)
        )
        .values(body=None)
        .returning(deliveries.c.id)
    )
    return len(forgotten.all())


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


def counts(connection: Connection, shop_id: int) -> Mapping[str, int]:
    """Count a shop's deliveries by state."""
    rows = connection.execute(
        select(deliveries.c.state, func.count())
        .where(deliveries.c.shop_id == shop_id)
        .group_by(deliveries.c.state)
    )
    return {"new": 0, "done": 0, "dead": 0} | dict(iter(rows))


def newest(connection: Connection, shop_id: int) -> datetime | None:
    """When the shop's last delivery came."""
    query = select(func.max(deliveries.c.received_at)).where(deliveries.c.shop_id == shop_id)
    moment: datetime | None = connection.execute(query).scalar_one()
    return moment


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**row._asdict())
