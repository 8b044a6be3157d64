"""Gathers what `herkend doctor` looks at; it asks and reads, starts nothing and changes nothing."""

import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from plugin import migrate, postgres
from plugin.db import Database
from plugin.errors import HerkendError, Invalid, Permanent, Refused
from plugin.health import findings, shop_findings, store
from plugin.health.findings import Finding
from plugin.health.shop_findings import Answer, ShopFacts
from plugin.installation import Installation, install
from plugin.saleor.webhooks import failed_deliveries
from plugin.secret import NoKeyFits, Secret, Vault
from plugin.settings import Settings
from plugin.shops import manifest
from plugin.shops import store as shops
from plugin.shops.calling import connected
from plugin.shops.store import Shop
from plugin.shops.webhooks.sync import ask
from plugin.version import version

AT_ONCE = 8
PATIENCE_SECONDS = 60.0  # for all shops together
Crons = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What came of asking a shop: an answer, or why there is none."""

    answer: Answer | None = None
    silence: str = "there was no time left to ask it."
    refused: bool = False
    surprise: str = ""


def examine(settings: Settings, *, crons: Crons) -> Iterator[Finding]:
    """Yield what there is to say, in the order of what stands on what; `crons` is the timetable.

    Where the database is away nothing more can be said, and where it does not fit this version nothing more is safe.
    """
    yield from findings.of_settings(settings)
    kept = _kept(settings)
    yield from findings.of_key_file(settings.key_file, count=len(settings.keys), needed=kept)
    yield from findings.of_disk(free=_free(settings))
    if not kept:
        yield findings.never_ran(settings.data)
        return
    try:
        url = postgres.found(settings)
        if url is None:
            yield findings.stopped(settings.data)
        else:
            yield from _stored(settings, url, crons=crons)
    except HerkendError as error:
        yield findings.no_database(str(error))


def _stored(settings: Settings, url: Secret, *, crons: Crons) -> Iterator[Finding]:
    installation = install(settings, database_url=url)
    try:
        with installation.db.begin() as connection:
            number, size = store.database(connection)
        yield findings.of_database(version=number, size=size)
        misfit = _misfit(installation.db)
        yield findings.of_migrations(misfit)
        if misfit is None:
            yield from _running(installation, crons=crons)
    finally:
        installation.outbound.close()
        installation.db.close()


def _misfit(db: Database) -> str | None:
    try:
        migrate.check(db)
    except Permanent as error:
        return str(error)
    return None


def _running(installation: Installation, *, crons: Crons) -> Iterator[Finding]:
    now = installation.clock()
    with installation.db.begin() as connection:
        figures = store.figures(connection, now=now)
        known = shops.all_shops(connection)
        publishing = {shop.id for shop in known if shops.policy(connection, shop.id).publish}
    yield from findings.of_processes(figures.processes, version=version(), now=now)
    yield from findings.of_timetable(figures.timetable, crons, figures.processes, now=now)
    addresses = {shop.id: shop.api_url for shop in known}
    yield from findings.of_backlogs(figures.backlogs, addresses, now=now)
    asked = _ask_all(installation, [shop for shop in known if shop.token is not None])
    seen = [
        _facts(shop, asked.get(shop.id, _Asked()), vault=installation.vault, publishes=shop.id in publishing)
        for shop in known
    ]
    yield from shop_findings.of_keys(seen, way_back=installation.vault.way_back)
    for shop in seen:
        yield from shop_findings.of_shop(shop, now=now)


def _facts(shop: Shop, asked: _Asked, *, vault: Vault, publishes: bool) -> ShopFacts:
    return ShopFacts(
        address=shop.api_url,
        state=shop.state,
        publishes=publishes,
        hold_until=shop.hold_until,
        failures=shop.failures,
        key=_key(shop, vault),
        answer=asked.answer,
        silence=asked.silence,
        refused=asked.refused,
        surprise=asked.surprise,
    )


def _key(shop: Shop, vault: Vault) -> Literal["newest", "older", "lost", "none"]:
    if shop.token is None:
        return "none"
    try:
        return "newest" if vault.key_of(shop.token) == vault.keys()[0] else "older"
    except (NoKeyFits, Invalid):  # Invalid: the file they stand in cannot be read any more
        return "lost"


def _ask_all(installation: Installation, meant: Sequence[Shop]) -> dict[int, _Asked]:
    """Ask a few shops at a time, and take what there is when the time is over.

    The threads are such as no process waits for when it ends: a pool's own ones would keep it for as long as a shop.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    left, heard = deque(meant), dict[int, _Asked]()

    def work() -> None:
        while left and time.monotonic() < deadline:
            with suppress(IndexError):  # another took the last one
                shop = left.popleft()
                heard[shop.id] = _ask(installation, shop)

    threads = [
        threading.Thread(target=work, name="doctor", daemon=True) for _ in range(min(AT_ONCE, len(meant)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return dict(heard)


def _ask(installation: Installation, shop: Shop) -> _Asked:
    try:
        return _asked(installation, shop)
    except Exception as error:  # noqa: BLE001 - one shop that surprises must not hide the others
        return _Asked(surprise=type(error).__name__)


def _asked(installation: Installation, shop: Shop) -> _Asked:
    try:
        saleor = connected(installation, shop)
        there = ask(installation.settings, saleor)
        failed = failed_deliveries(saleor)
    except HerkendError as error:
        return _Asked(silence=str(error), refused=isinstance(error, Refused))
    if there.app.id != shop.app_id:
        return _Asked(silence=f"it knows our token as another app ({there.app.id}, not {shop.app_id}).")
    return _Asked(
        answer=Answer(
            missing=manifest.permissions() - there.app.permissions,
            active=there.app.active,
            changes=there.changes,
            failed=failed,
            webhooks=len(there.app.webhooks),
        )
    )


def _kept(settings: Settings) -> bool:
    """Tell whether there is a database to be looked at; one in a folder that is closed to us is there as well."""
    try:
        return settings.database_url is not None or (settings.data / "postgres" / "PG_VERSION").exists()
    except OSError:
        return True


def _free(settings: Settings) -> int | None:
    if settings.database_url is not None:
        return None
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    return shutil.disk_usage(folder).free
