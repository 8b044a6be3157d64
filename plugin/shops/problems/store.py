"""What needs a shop's merchant, and what the shop was told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Update, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from plugin.shops.models import shop_problems, shops

UNTOLD = or_(
    shop_problems.c.over_at.is_not(None),
    shop_problems.c.told_message.is_distinct_from(shop_problems.c.message),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a shop; `told` is the message it shows, None: none yet. `over`: it is to show it no longer."""

    key: str
    message: str
    since: datetime
    told: str | None
    over: bool


def settle(
    connection: Connection, shop_id: int, *, prefix: str, found: Mapping[str, str], now: datetime
) -> bool:
    """Of the problems whose key begins with `prefix` these (message by key) are there and no other is.

    Return whether one of them is news. One that goes on with the same message is not told again, so that whoever
    dismissed it is left in peace; one that comes back is.
    """
    news = [raised(connection, shop_id, key=key, message=text, now=now) for key, text in found.items()]
    connection.execute(
        update(shop_problems)
        .where(shop_problems.c.shop_id == shop_id, shop_problems.c.key.startswith(prefix, autoescape=True))
        .where(shop_problems.c.key.not_in(found), shop_problems.c.over_at.is_(None))
        .values(over_at=now)
    )
    return any(news)


def raised(connection: Connection, shop_id: int, *, key: str, message: str, now: datetime) -> bool:
    """There is this problem; True when that is news."""
    statement = insert(shop_problems).values(shop_id=shop_id, key=key, message=message, since=now)
    different = or_(
        shop_problems.c.over_at.is_not(None), shop_problems.c.message != statement.excluded.message
    )
    done = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[shop_problems.c.shop_id, shop_problems.c.key],
            set_={"message": statement.excluded.message, "over_at": None},
            where=different,
        ).returning(shop_problems.c.key)
    )
    return done.first() is not None


def listed(connection: Connection, shop_id: int) -> list[Problem]:
    """List what needs the merchant now, and what is over without the shop having heard of that."""
    query = select(shop_problems).where(shop_problems.c.shop_id == shop_id).order_by(shop_problems.c.key)
    return [
        Problem(
            key=row.key,
            message=row.message,
            since=row.since,
            told=row.told_message,
            over=row.over_at is not None,
        )
        for row in connection.execute(query)
    ]


def untold(connection: Connection, shop_id: int) -> list[Problem]:
    """List what the shop is to be told."""
    return [one for one in listed(connection, shop_id) if one.over or one.told != one.message]


def shops_to_tell(connection: Connection, *, now: datetime) -> list[int]:
    """List the shops that are to be told of a problem now and may be called."""
    free = or_(shops.c.hold_until.is_(None), shops.c.hold_until <= now)
    waiting = select(shop_problems.c.key).where(shop_problems.c.shop_id == shops.c.id, UNTOLD).exists()
    return list(
        connection.execute(select(shops.c.id).where(shops.c.state == "active", free, waiting)).scalars()
    )


def told(connection: Connection, shop_id: int, *, key: str, message: str) -> None:
    """The shop shows it."""
    connection.execute(_one(shop_id, [key]).values(told_message=message))


def dismissed(connection: Connection, shop_id: int, *, keys: Sequence[str]) -> None:
    """The shop shows these no longer; what came back meanwhile is to be told again."""
    connection.execute(
        delete(shop_problems).where(
            shop_problems.c.shop_id == shop_id,
            shop_problems.c.key.in_(keys),
            shop_problems.c.over_at.is_not(None),
        )
    )
    connection.execute(_one(shop_id, keys).values(told_message=None))


def shops_to_check(connection: Connection, *, part: int, parts: int, waiting_for: str) -> list[int]:
    """List one of `parts` of the shops that have the app, and those with a problem whose key begins so."""
    open_ = select(shop_problems.c.key).where(
        shop_problems.c.shop_id == shops.c.id,
        shop_problems.c.key.startswith(waiting_for, autoescape=True),
        shop_problems.c.over_at.is_(None),
    )
    turn = or_(func.mod(shops.c.id, parts) == part, and_(shops.c.state == "active", open_.exists()))
    return list(connection.execute(select(shops.c.id).where(shops.c.state != "uninstalled", turn)).scalars())


def _one(shop_id: int, keys: Sequence[str]) -> Update:
    return update(shop_problems).where(shop_problems.c.shop_id == shop_id, shop_problems.c.key.in_(keys))
