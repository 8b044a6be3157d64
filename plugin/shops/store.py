"""Reads and writes the shops that installed us, and their settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, false, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from plugin.errors import Invalid
from plugin.shops import policy as policies
from plugin.shops.models import shop_problems, shop_settings, shops
from plugin.shops.policy import Policy

LONGEST_HOLD = timedelta(minutes=5)
KEYS = 20_610_722  # the advisory lock of whoever changes the keys that tokens are encrypted with


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One shop; `token` is encrypted, None once the app is uninstalled there.

    States: `active`; `paused` (the merchant switched the app off); `unreachable` (the token is refused: work waits);
    `uninstalled`.
    """

    id: int
    api_url: str
    domain: str
    app_id: str
    token: bytes | None
    saleor_version: str
    state: str
    jwks: Mapping[str, Any] | None
    installed_at: datetime
    uninstalled_at: datetime | None
    listening_since: datetime
    switched_at: datetime | None
    hold_until: datetime | None
    failures: int


def by_api_url(connection: Connection, api_url: str) -> Shop | None:
    """Find a shop by the canonical form of its API address."""
    row = connection.execute(select(shops).where(shops.c.api_url == api_url)).one_or_none()
    return None if row is None else _shop(row)


def by_id(connection: Connection, shop_id: int) -> Shop:
    """Find a shop that is known to be there."""
    return _shop(connection.execute(select(shops).where(shops.c.id == shop_id)).one())


def named(connection: Connection, name: str) -> Shop:
    """Find the shop a person means: its number, API address or domain; raise Invalid with those that there are."""
    known = all_shops(connection)
    meant = [
        shop for shop in known if name in {str(shop.id), shop.api_url, shop.api_url.rstrip("/"), shop.domain}
    ]
    if len(meant) != 1:
        choices = ", ".join(shop.api_url for shop in known) or "none yet: install the app in a shop first"
        raise Invalid(f"No single shop is called {name!r}. Known shops: {choices}.")
    return meant[0]


def all_shops(connection: Connection) -> list[Shop]:
    """List all shops, oldest first."""
    return [_shop(row) for row in connection.execute(select(shops).order_by(shops.c.id))]


def installed_addresses(connection: Connection) -> frozenset[str]:
    """List the addresses of all shops that have the app installed."""
    query = select(shops.c.api_url).where(shops.c.state != "uninstalled")
    return frozenset(connection.execute(query).scalars())


def register(
    connection: Connection,
    *,
    api_url: str,
    domain: str,
    app_id: str,
    token: bytes,
    saleor_version: str,
    jwks: Mapping[str, Any],
    main_currency: str | None,
    now: datetime,
) -> Shop:
    """Take a shop in, or take it in again: its settings and history are found as they were."""
    facts = {
        "domain": domain,
        "app_id": app_id,
        "token": token,
        "saleor_version": saleor_version,
        "state": "active",
        "jwks": jwks,
        "installed_at": now,
        "uninstalled_at": None,
        "listening_since": now,
        "switched_at": None,
        "hold_until": None,
        "failures": 0,
    }
    row = connection.execute(
        insert(shops)
        .values(api_url=api_url, **facts)
        .on_conflict_do_update(index_elements=[shops.c.api_url], set_=facts)
        .returning(shops)
    ).one()
    shop = _shop(row)
    connection.execute(
        delete(shop_problems).where(shop_problems.c.shop_id == shop.id)
    )  # another app has none
    if main_currency and policy(connection, shop.id).main_currency is None:
        change_settings(connection, shop.id, {"main_currency": main_currency}, by="registration", now=now)
    return shop


def encrypting(connection: Connection) -> None:
    """Have the keys stay what they are until this transaction ends: a token is encrypted and saved in it."""
    connection.execute(select(func.pg_advisory_xact_lock_shared(KEYS)))


def changing_keys(connection: Connection) -> None:
    """Wait until nobody is encrypting; nobody begins to before this transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(KEYS)))


def replace_token(connection: Connection, shop_id: int, *, old: bytes, new: bytes) -> bool:
    """Put the same token in another encryption; False, and nothing changes, when another stands there by now."""
    return _changed(
        connection, update(shops).where(shops.c.id == shop_id, shops.c.token == old).values(token=new)
    )


def save_jwks(connection: Connection, shop_id: int, *, jwks: Mapping[str, Any]) -> None:
    """Remember the shop's public keys."""
    connection.execute(update(shops).where(shops.c.id == shop_id).values(jwks=jwks))


def moved_to(connection: Connection, shop_id: int, *, saleor_version: str) -> None:
    """The shop was upgraded."""
    connection.execute(update(shops).where(shops.c.id == shop_id).values(saleor_version=saleor_version))


def found_working(connection: Connection, shop: Shop, *, now: datetime) -> bool:
    """Our token works again in a shop that was unreachable or paused: call it again.

    False, and nothing changes, when the shop said something of it since `shop` was read.
    """
    return _changed(
        connection,
        update(shops)
        .where(shops.c.id == shop.id, shops.c.app_id == shop.app_id, shops.c.state == shop.state)
        .where(shops.c.switched_at.is_not_distinct_from(shop.switched_at))
        .values(state="active", listening_since=now, hold_until=None, failures=0),
    )


def wait(connection: Connection, shop_id: int, *, until: datetime) -> None:
    """Leave a shop alone for a while that is well, but does not let us do what is to be done."""
    later = func.greatest(shops.c.hold_until, until)
    connection.execute(update(shops).where(shops.c.id == shop_id).values(hold_until=later))


def uninstall(connection: Connection, shop_id: int, *, app_id: str, now: datetime) -> bool:
    """End the installation with that app id; False, and nothing changes, when a newer one stands."""
    return _changed(
        connection,
        update(shops)
        .where(shops.c.id == shop_id, shops.c.app_id == app_id, shops.c.state != "uninstalled")
        .values(state="uninstalled", token=None, uninstalled_at=now, hold_until=None),
    )


def pause(connection: Connection, shop_id: int, *, app_id: str, said_at: datetime) -> bool:
    """The merchant switched the app off, said the shop at `said_at`: work waits. False: that is no news."""
    return _switched(connection, shop_id, app_id=app_id, said_at=said_at, becomes={"state": "paused"})


def resume(connection: Connection, shop_id: int, *, app_id: str, said_at: datetime, now: datetime) -> bool:
    """The merchant switched the app on again, said the shop at `said_at`: work goes on. False: that is no news."""
    becomes = {"state": "active", "listening_since": now, "hold_until": None, "failures": 0}
    return _switched(connection, shop_id, app_id=app_id, said_at=said_at, becomes=becomes)


def _switched(
    connection: Connection, shop_id: int, *, app_id: str, said_at: datetime, becomes: Mapping[str, Any]
) -> bool:
    """Follow the last word of a shop: words can overtake each other, and be replayed."""
    return _changed(
        connection,
        update(shops)
        .where(shops.c.id == shop_id, shops.c.app_id == app_id, shops.c.state != "uninstalled")
        .where(or_(shops.c.switched_at.is_(None), shops.c.switched_at < said_at))
        .values(switched_at=said_at, **becomes),
    )


def heard_from(connection: Connection, shop_id: int, *, said_at: datetime | None, now: datetime) -> None:
    """Call a shop again that refused our token, or said before `said_at` that we are switched off.

    A shop sends to active apps only, so what it said later is a sign.
    """
    said_since = shops.c.switched_at < said_at if said_at else false()
    connection.execute(
        update(shops)
        .where(shops.c.id == shop_id)
        .where(or_(shops.c.state == "unreachable", and_(shops.c.state == "paused", said_since)))
        .values(state="active", listening_since=now, hold_until=None, failures=0)
    )


def set_unreachable(connection: Connection, shop_id: int, *, app_id: str) -> bool:
    """The shop refuses our token: work waits, no retries burn, until it registers or activates us."""
    return _changed(
        connection,
        update(shops)
        .where(shops.c.id == shop_id, shops.c.app_id == app_id, shops.c.state == "active")
        .values(state="unreachable"),
    )


def hold(connection: Connection, shop_id: int, *, now: datetime, at_least: float | None) -> datetime:
    """The shop did not answer well: wait longer each time (1, 2, 4 ... 300 s), or as long as it asks (seconds)."""
    failures = connection.execute(
        update(shops)
        .where(shops.c.id == shop_id)
        .values(failures=shops.c.failures + 1)
        .returning(shops.c.failures)
    ).scalar_one()
    wait = min(timedelta(seconds=2 ** min(failures - 1, 9)), LONGEST_HOLD)
    until = now + max(wait, timedelta(seconds=min(at_least or 0, 3600)))
    connection.execute(update(shops).where(shops.c.id == shop_id).values(hold_until=until))
    return until


def unhold(connection: Connection, shop_id: int, *, now: datetime) -> None:
    """The shop answers: the next trouble starts counting anew. A wait that another call has just begun stays."""
    over = or_(shops.c.hold_until.is_(None), shops.c.hold_until <= now)
    connection.execute(
        update(shops)
        .where(shops.c.id == shop_id, shops.c.failures > 0, over)
        .values(failures=0, hold_until=None)
    )


def due_now(connection: Connection, *, beyond: datetime, now: datetime) -> None:
    """Wait for no shop until after `beyond`, nor take what is still to come for past: the clock went wrong."""
    connection.execute(update(shops).where(shops.c.hold_until > beyond).values(hold_until=now))
    for moment in (shops.c.listening_since, shops.c.uninstalled_at):
        connection.execute(update(shops).where(moment > now).values({moment: now}))
    connection.execute(update(shop_problems).where(shop_problems.c.since > now).values(since=now))


def still_installed(connection: Connection, shop_id: int) -> bool:
    """Keep the shop from leaving until this transaction ends; False: it left already."""
    there = select(shops.c.id).where(shops.c.id == shop_id, shops.c.state != "uninstalled")
    return connection.execute(there.with_for_update(read=True)).first() is not None


def policy(connection: Connection, shop_id: int) -> Policy:
    """Return the settings in force."""
    newest = (
        select(shop_settings)
        .where(shop_settings.c.shop_id == shop_id)
        .order_by(shop_settings.c.version.desc())
        .limit(1)
    )
    row = connection.execute(newest).mappings().one_or_none()
    if row is None:
        return Policy()
    return policies.load({**row["values"], "version": row["version"], "rules_version": row["rules_version"]})


def change_settings(
    connection: Connection, shop_id: int, changes: Mapping[str, Any], *, by: str, now: datetime
) -> Policy:
    """Save a new version of the settings with `changes` (JSON-ready) on top of those in force."""
    connection.execute(select(shops.c.id).where(shops.c.id == shop_id).with_for_update())
    before = policy(connection, shop_id)
    version = before.version + 1
    rules_version = before.rules_version if set(changes) <= {"publish"} else version
    values = {**policies.dump(before), **changes}
    after = policies.load({**values, "version": version, "rules_version": rules_version})
    del values["version"], values["rules_version"]
    connection.execute(
        insert(shop_settings).values(
            shop_id=shop_id,
            version=version,
            rules_version=rules_version,
            values=values,
            changed_at=now,
            changed_by=by,
        )
    )
    return after


def release(connection: Connection, shop_id: int, *, by: str, now: datetime) -> None:
    """Let Herkend write into the shop from now on."""
    if not policy(connection, shop_id).publish:
        change_settings(connection, shop_id, {"publish": True}, by=by, now=now)


def show_only(connection: Connection, shop_id: int, *, by: str, now: datetime) -> None:
    """Decide and show, and write nothing into the shop."""
    if policy(connection, shop_id).publish:
        change_settings(connection, shop_id, {"publish": False}, by=by, now=now)


def left_before(connection: Connection, moment: datetime) -> list[int]:
    """List the shops that uninstalled before `moment`."""
    return list(
        connection.execute(
            select(shops.c.id).where(shops.c.state == "uninstalled", shops.c.uninstalled_at < moment)
        ).scalars()
    )


# Children before parents; settings and the shop's own row stay for a reinstall.
PERSONAL = (
    "DELETE FROM publications WHERE shop_id = :shop_id",
    "DELETE FROM traces USING persons WHERE person_id = persons.id AND shop_id = :shop_id",
    "DELETE FROM standings USING persons WHERE person_id = persons.id AND shop_id = :shop_id",
    "DELETE FROM persons WHERE shop_id = :shop_id",
    "DELETE FROM orders WHERE shop_id = :shop_id",
    "DELETE FROM accounts WHERE shop_id = :shop_id",
    "DELETE FROM deliveries WHERE shop_id = :shop_id",
)


def erase(connection: Connection, shop_id: int, *, left_before: datetime | None = None) -> bool:
    """Delete every personal datum of a shop that uninstalled, before that moment where one is named.

    False, and nothing changes: it came back meanwhile.
    """
    left = select(shops.c.id).where(shops.c.id == shop_id, shops.c.state == "uninstalled")
    if left_before is not None:
        left = left.where(shops.c.uninstalled_at < left_before)
    if connection.execute(left.with_for_update()).first() is None:
        return False
    for statement in PERSONAL:
        connection.execute(text(statement), {"shop_id": shop_id})
    return True


def _changed(connection: Connection, statement: Any) -> bool:  # noqa: ANN401 - any UPDATE
    return bool(connection.execute(statement).rowcount)


def _shop(row: Row[Any]) -> Shop:
    return Shop(**row._asdict())
