"""Reads and writes standings, and what the shop was told of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, any_, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from plugin.customers.models import persons, traces
from plugin.shops.models import shop_settings, shops
from plugin.tiers import reasons
from plugin.tiers.contract import Published
from plugin.tiers.models import UNPUBLISHED, publications, standings
from plugin.tiers.rules import Standing

Kind = Literal["user", "order"]
# A person who moves several times within a burst is told to the shop once.
SPACING = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=6)
_released = (
    select(shop_settings.c["values"]["publish"].as_boolean())
    .where(shop_settings.c.shop_id == shops.c.id)
    .order_by(shop_settings.c.version.desc())
    .limit(1)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the shop is to be told of one target (a user, or a guest's newest order), and what it was told.

    `traceparent` is that of the delivery from which it follows, if that came under one.
    """

    id: int
    person_id: int
    target_id: str
    kind: Kind
    wanted: Published
    failures: int
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A decision of a review: tell the shop this of that target."""

    person_id: int
    target_id: str
    kind: Kind
    content: Published


def save(
    connection: Connection, decided: Mapping[int, Standing], *, policy_version: int, now: datetime
) -> None:
    """Keep the standing of each person (by id)."""
    if not decided:
        return
    statement = insert(standings).values(
        [
            {
                "person_id": person_id,
                "tier": standing.tier,
                "since": standing.since,
                "until": standing.until,
                "quiet_since": standing.quiet_since,
                "next_change": standing.next_change,
                "reasons": reasons.dump(standing.reasons),
                "policy_version": policy_version,
                "decided_at": now,
            }
            for person_id, standing in sorted(decided.items())
        ]
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[standings.c.person_id],
            set_={
                column.name: statement.excluded[column.name]
                for column in standings.c
                if not column.primary_key
            },
        )
    )


def find(connection: Connection, person_id: int) -> tuple[Standing, datetime] | None:
    """Return a person's standing and when it was decided."""
    row = connection.execute(select(standings).where(standings.c.person_id == person_id)).one_or_none()
    if row is None:
        return None
    standing = Standing(
        tier=row.tier,
        since=row.since,
        until=row.until,
        quiet_since=row.quiet_since,
        next_change=row.next_change,
        reasons=reasons.load(row.reasons),
    )
    return standing, row.decided_at


def withdraw(connection: Connection, person_ids: Sequence[int], *, but: Sequence[str]) -> None:
    """Leave these persons' targets, `but` these, as the shop was told them: what else it was to be told is over.

    A guest's older orders, and those of a guest who joined an account, are not written again.
    """
    connection.execute(
        update(publications)
        .where(
            publications.c.person_id.in_(person_ids),
            publications.c.target_id.not_in(but),
            text(UNPUBLISHED),
        )
        .values(wanted_public=publications.c.told_public, wanted_private=publications.c.told_private)
    )


def want(connection: Connection, shop_id: int, wanted: Sequence[Wanted], *, now: datetime) -> None:
    """Note what the shop is to be told; nothing moves where it was told just that."""
    if not wanted:
        return
    statement = insert(publications).values(
        [
            {
                "shop_id": shop_id,
                "person_id": it.person_id,
                "target_id": it.target_id,
                "kind": it.kind,
                "wanted_public": it.content.public,
                "wanted_private": it.content.private,
                "wanted_at": now,
            }
            for it in sorted(wanted, key=lambda it: it.target_id)
        ]
    )
    excluded = statement.excluded
    different = or_(
        publications.c.wanted_public.is_distinct_from(excluded.wanted_public),
        publications.c.wanted_private.is_distinct_from(excluded.wanted_private),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[publications.c.shop_id, publications.c.target_id],
            set_={
                "person_id": excluded.person_id,
                "wanted_public": excluded.wanted_public,
                "wanted_private": excluded.wanted_private,
                "wanted_at": now,
                "retry_at": None,
                "failures": 0,
                "problem": None,
            },
            where=or_(different, publications.c.person_id != excluded.person_id),
        )
    )


def due(connection: Connection, shop_id: int, *, now: datetime, limit: int) -> list[Publication]:
    """List what the shop is to be told now: what it would not take last, else the newest decisions first."""
    query = (
        select(publications, traces.c.traceparent)
        .outerjoin(traces, traces.c.person_id == publications.c.person_id)
        .where(publications.c.shop_id == shop_id, *_due(now))
        .order_by(publications.c.failures, publications.c.wanted_at.desc(), publications.c.id)
        .limit(limit)
    )
    return [
        Publication(
            id=row.id,
            person_id=row.person_id,
            target_id=row.target_id,
            kind=row.kind,
            wanted=Published(public=row.wanted_public, private=row.wanted_private),
            failures=row.failures,
            traceparent=row.traceparent,
        )
        for row in connection.execute(query)
    ]


def shops_to_tell(
    connection: Connection, *, now: datetime, among: Collection[int] | None = None
) -> list[int]:
    """List the shops (`among` these) that are to be told something now and may be called."""
    waiting = select(publications.c.id).where(publications.c.shop_id == shops.c.id, *_due(now)).exists()
    free = or_(shops.c.hold_until.is_(None), shops.c.hold_until <= now)
    query = select(shops.c.id).where(shops.c.state == "active", free, _released, waiting)
    if among is not None:
        query = query.where(shops.c.id.in_(among))
    return list(connection.execute(query).scalars())


def telling(connection: Connection, told: Sequence[Publication]) -> None:
    """The shop is about to be told these: until it answers, what it holds is not known, and they stay due."""
    ids = [publication.id for publication in told]
    connection.execute(update(publications).where(publications.c.id.in_(ids)).values(telling=True))


def told(connection: Connection, publication: Publication, *, now: datetime) -> None:
    """The shop has it; what was decided meanwhile stays due."""
    connection.execute(
        update(publications)
        .where(publications.c.id == publication.id)
        .values(
            told_public=publication.wanted.public,
            told_private=publication.wanted.private,
            told_at=now,
            telling=False,
            failures=0,
            retry_at=None,
            problem=None,
        )
    )


def unanswered(connection: Connection, asked: Sequence[Publication]) -> None:
    """The shop gave no answer about these, or refused: the others first, once it may be called again."""
    ids = [publication.id for publication in asked]
    connection.execute(
        update(publications).where(publications.c.id.in_(ids)).values(failures=publications.c.failures + 1)
    )


def due_by_time(connection: Connection, shop_id: int, *, today: date, now: datetime) -> int:
    """Mark for review whom time alone moves by `today`, which follows from no delivery; return how many those are."""
    marked = connection.execute(
        update(persons)
        .where(persons.c.shop_id == shop_id, persons.c.id == standings.c.person_id)
        .where(standings.c.next_change <= today, persons.c.review_due.is_(None))
        .values(review_due=now)
        .returning(persons.c.id)
    )
    ids = list(marked.scalars())
    connection.execute(
        delete(traces).where(traces.c.person_id == any_(literal(ids, type_=ARRAY(BigInteger))))
    )
    return len(ids)


def not_told(
    connection: Connection, publication: Publication, *, problem: str, gone: bool, now: datetime
) -> None:
    """The shop did not take this one; the others go on, this one waits longer each time."""
    wait = min(timedelta(seconds=10 * 4 ** min(publication.failures, 8)), LONGEST_WAIT)
    connection.execute(
        update(publications)
        .where(publications.c.id == publication.id)
        .values(problem=problem, gone=gone, failures=publications.c.failures + 1, retry_at=now + wait)
    )


def due_now(connection: Connection, *, beyond: datetime, now: datetime) -> None:
    """Let nothing wait until after `beyond`, nor take what is still to come for past: the clock went wrong."""
    for moment, latest in ((publications.c.retry_at, beyond), (publications.c.told_at, now)):
        connection.execute(update(publications).where(moment > latest).values({moment: now}))


def pending(connection: Connection, person_id: int) -> bool:
    """Tell whether something decided about this person has not reached the shop."""
    query = select(publications.c.id).where(publications.c.person_id == person_id, text(UNPUBLISHED)).limit(1)
    return connection.execute(query).first() is not None


def tiers(connection: Connection, shop_id: int) -> Mapping[str, int]:
    """Count the persons of a shop by tier."""
    rows = connection.execute(
        select(standings.c.tier, func.count())
        .join(persons, persons.c.id == standings.c.person_id)
        .where(persons.c.shop_id == shop_id)
        .group_by(standings.c.tier)
    )
    return dict(iter(rows))


def _due(now: datetime) -> tuple[Any, ...]:
    rested = or_(publications.c.told_at.is_(None), publications.c.told_at <= now - SPACING)
    ready = or_(publications.c.retry_at.is_(None), publications.c.retry_at <= now)
    return (text(UNPUBLISHED), rested, ready)
