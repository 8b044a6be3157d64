"""Remembers what was changed in a shop's webhooks, to be undone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from plugin.db import Database
from plugin.errors import Transient
from plugin.shops.models import webhook_syncs
from plugin.shops.webhooks.rules import Change, dump, load

RUNS = 20_610_723  # the advisory locks, by shop, of whoever changes the webhooks there


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change that was asked for: whether it is known to stand, and whether it was taken back since."""

    change: Change
    done: bool = False
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What one run changed, in order; each step stands here before the shop is asked for it."""

    id: int
    app_id: str
    changed_at: datetime
    changed_by: str
    steps: tuple[Step, ...]


@contextmanager
def alone(db: Database, shop_id: int) -> Iterator[None]:
    """Be the only one who changes the webhooks in a shop; no transaction is open meanwhile. Raises Transient."""
    with db.session() as connection:
        if not connection.execute(select(func.pg_try_advisory_lock(RUNS, shop_id))).scalar_one():
            raise Transient("Somebody else is just changing the webhooks there: try again when that is done.")
        try:
            yield
        finally:
            try:
                connection.execute(select(func.pg_advisory_unlock(RUNS, shop_id)))
            except DBAPIError:
                connection.invalidate()  # the lock goes with it


def begin(connection: Connection, shop_id: int, *, app_id: str, by: str, now: datetime) -> int:
    """Begin to remember; return the number under which."""
    number: int = connection.execute(
        insert(webhook_syncs)
        .values(shop_id=shop_id, app_id=app_id, changes=[], changed_at=now, changed_by=by)
        .returning(webhook_syncs.c.id)
    ).scalar_one()
    return number


def save(connection: Connection, sync_id: int, steps: Sequence[Step]) -> None:
    """Remember the steps as they stand now."""
    changes = [{**dump(step.change), "done": step.done, "undone": step.undone} for step in steps]
    connection.execute(update(webhook_syncs).where(webhook_syncs.c.id == sync_id).values(changes=changes))


def last(connection: Connection, shop_id: int) -> Sync | None:
    """Return the last run in a shop that changed something and was not undone."""
    query = (
        select(webhook_syncs)
        .where(webhook_syncs.c.shop_id == shop_id, webhook_syncs.c.undone_at.is_(None))
        .order_by(webhook_syncs.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Sync(
        id=row.id,
        app_id=row.app_id,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        steps=tuple(_step(kept) for kept in row.changes),
    )


def undone(connection: Connection, sync_id: int, *, now: datetime) -> None:
    """All of it is as it was before."""
    connection.execute(update(webhook_syncs).where(webhook_syncs.c.id == sync_id).values(undone_at=now))


def _step(kept: dict[str, Any]) -> Step:
    return Step(change=load(kept), done=kept["done"], undone=kept["undone"])
