"""What `herkend doctor` makes of the facts: pure rules, each finding with what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from plugin.health.store import Backlog, Process, Run
from plugin.settings import LOOPBACK, Settings
from plugin.shops.problems.words import LOST, MANY_UNDELIVERED, deaf, lately
from plugin.shops.webhooks.rules import Change, differences

Level = Literal["ok", "warning", "error"]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Waiting for longer than this the inbox is not drained as it should be; so late may a run of the timetable be.
SLOW, STUCK, LATE = timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=10)
LITTLE, NEXT_TO_NOTHING = 2 * 1024**3, 256 * 1024**2  # bytes
GIGA, MEGA = 1024**3, 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `todo` is empty where nothing needs to be done. `shop` is its API address."""

    level: Level
    area: str
    words: str
    todo: str = ""
    shop: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a shop answered when it was asked: our app there, and what did not arrive, by webhook."""

    missing: frozenset[str]
    active: bool
    changes: tuple[Change, ...]
    failed: Mapping[str, Sequence[datetime]]
    webhooks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """One shop: what stands in our tables, and its `answer`, else why there is none (`refused`: it has spoken)."""

    address: str
    state: str
    publishes: bool
    hold_until: datetime | None
    failures: int
    key: Literal["newest", "older", "lost", "none"]
    answer: Answer | None
    silence: str
    refused: bool


def of_settings(settings: Settings) -> list[Finding]:
    """They could be read, or nobody would be here; what remains is what only a person can know to be wrong."""
    found = [
        _open_address(name, address)
        for name, address in (("HERKEND_URL", settings.url), ("HERKEND_API_URL", settings.api_url))
        if urlsplit(address).scheme != "https" and urlsplit(address).hostname not in LOOPBACK
    ]
    return found or [Finding(level="ok", area="settings", words=f"Served at {settings.url}.")]


def _open_address(name: str, address: str) -> Finding:
    return Finding(
        level="warning",
        area="settings",
        words=f"{name} is {address}: without https tokens travel in the open, and a Dashboard on https shows no page.",
        todo=f"Put a proxy with a certificate in front, and set {name} to its https address.",
    )


def of_database(*, version: str, size: int) -> Finding:
    """It answers."""
    return Finding(
        level="ok", area="database", words=f"PostgreSQL {version} answers; {size / MEGA:.0f} MB are in use."
    )


def no_database(problem: str) -> Finding:
    """It does not; what else there is to know stands in it."""
    todo = (
        "Nothing else can be looked at until it answers: see whether PostgreSQL runs, and what its log says."
    )
    return Finding(level="error", area="database", words=problem, todo=todo)


def of_migrations(problem: str | None) -> Finding:
    """`problem` says what to do as well."""
    if problem is None:
        return Finding(level="ok", area="migrations", words="The database fits this version.")
    return Finding(
        level="error", area="migrations", words=problem, todo="Nothing else can be looked at until then."
    )


def of_disk(*, free: int | None) -> list[Finding]:
    """Bytes left for the embedded database; None where the operator has a PostgreSQL of his own."""
    if free is None:
        return []
    words = f"{free / GIGA:.1f} GB are free in HERKEND_DATA."
    if free >= LITTLE:
        return [Finding(level="ok", area="disk", words=words)]
    todo = "Make room before the disk is full: then nothing more is taken in, and shops repeat for five minutes only."
    level: Level = "error" if free < NEXT_TO_NOTHING else "warning"
    return [Finding(level=level, area="disk", words=words, todo=todo)]


def of_keys(shops: Sequence[ShopFacts], *, way_back: str) -> list[Finding]:
    """Every token opens, and under the newest key."""
    older = sum(shop.key == "older" for shop in shops)
    found = [
        Finding(
            level="error", area="keys", shop=shop.address, words="Its token cannot be read.", todo=way_back
        )
        for shop in shops
        if shop.key == "lost"
    ]
    if older:
        words = f"{older} tokens are still encrypted with an older key."
        found.append(Finding(level="warning", area="keys", words=words, todo="Run `herkend keys rotate`."))
    count = sum(shop.key != "none" for shop in shops)
    return found or [
        Finding(level="ok", area="keys", words=f"All tokens ({count}) open with the newest key.")
    ]


def of_processes(processes: Sequence[Process], *, version: str, now: datetime) -> list[Finding]:
    """Somebody answers and somebody works, all of one version."""
    alive = [process for process in processes if process.alive(now)]
    found = []
    for kind, todo in (
        ("web", "Start `herkend serve` (or `herkend run`): shops cannot deliver now."),
        ("worker", "Start `herkend worker` (or `herkend run`): what comes in is kept and waits."),
    ):
        count = sum(process.kind == kind for process in alive)
        if count:
            found.append(Finding(level="ok", area="processes", words=f"{kind}: {count} alive."))
        else:
            words = f"No {kind} process showed itself within half a minute."
            found.append(Finding(level="error", area="processes", words=words, todo=todo))
    others = sorted({process.version for process in alive} - {version})
    if others:
        words = f"Processes of another version than {version} run: {', '.join(others)}."
        todo = "In the middle of an upgrade that is as it should be; else restart them."
        found.append(Finding(level="warning", area="processes", words=words, todo=todo))
    return found


def of_timetable(
    runs: Sequence[Run], crons: Mapping[str, str], processes: Sequence[Process], *, now: datetime
) -> list[Finding]:
    """What has its time ran, in time and well. Without a worker that has been said already."""
    workers = [process.started_at for process in processes if process.kind == "worker" and process.alive(now)]
    known = {run.name: run for run in runs}
    found = []
    for name, cron in crons.items():
        run = known.get(name)
        if run is not None and run.problem is not None:
            words = f"{name} failed at {run.begun_at:%Y-%m-%d %H:%M} UTC: {run.problem}"
            found.append(
                Finding(level="error", area="timetable", words=words, todo="See the worker's log of then.")
            )
        elif workers and _late(run, cron, since=min(workers), now=now):
            last = f"{run.succeeded_at:%Y-%m-%d %H:%M} UTC" if run and run.succeeded_at else "never"
            words = f"{name} is late; it last ended well: {last}."
            found.append(
                Finding(level="error", area="timetable", words=words, todo="Restart the worker, see its log.")
            )
    return found or [
        Finding(level="ok", area="timetable", words="All that has its time ran, or its time is to come.")
    ]


def _late(run: Run | None, cron: str, *, since: datetime, now: datetime) -> bool:
    done = run.succeeded_at if run and run.succeeded_at else since
    return now > max(done, since) + _period(cron) + LATE


def _period(cron: str) -> timedelta:
    """Ours are of three kinds: every minute, once an hour, once a day."""
    minute, hour = cron.split()[:2]
    return MINUTE if minute == "*" else HOUR if hour == "*" else DAY


def of_backlogs(backlogs: Sequence[Backlog], addresses: Mapping[int, str], *, now: datetime) -> list[Finding]:
    """What came in is processed, and understood."""
    found = []
    for backlog in backlogs:
        shop = None if backlog.shop_id is None else addresses.get(backlog.shop_id)
        age = timedelta(seconds=backlog.age(now))
        if backlog.what == "deliveries" and age > SLOW:
            words = f"{backlog.count} deliveries wait, the first for {_long(age)}."
            todo = (
                "See whether the worker runs and what it logs; start more of them if it only cannot keep up."
            )
            level: Level = "error" if age > STUCK else "warning"
            found.append(Finding(level=level, area="deliveries", shop=shop, words=words, todo=todo))
        if backlog.what == "dead" and backlog.count:
            words = f"{backlog.count} deliveries could not be understood."
            todo = (
                "`herkend deliveries list --state dead` names them; after an upgrade "
                "`herkend deliveries replay --dead` tries them once more."
            )
            found.append(Finding(level="warning", area="deliveries", shop=shop, words=words, todo=todo))
    return found or [
        Finding(level="ok", area="deliveries", words="Nothing waits for long, and all was understood.")
    ]


def of_shop(shop: ShopFacts, *, now: datetime) -> list[Finding]:
    """How one shop fares."""
    if shop.state == "uninstalled":
        return [_shop(shop, "ok", "It uninstalled the app.")]
    return [*_reached(shop, now=now), *(_answered(shop, shop.answer, now=now) if shop.answer else ())]


def _reached(shop: ShopFacts, *, now: datetime) -> Iterator[Finding]:
    if shop.answer is None:
        if shop.key != "lost":  # then nobody asked, and it was said under keys
            yield _silent(shop)
        return
    released = "it publishes" if shop.publishes else "it shows only, until `herkend shops publish`"
    yield _shop(shop, "ok", f"It answers, and takes our token; {released}.")
    if shop.state != "active":
        words = f"It counts as {shop.state}, though it takes our token again."
        yield _shop(shop, "warning", words, "The worker takes it up within the hour.")
    if shop.hold_until is not None and shop.hold_until > now and not shop.answer.missing:
        words = (
            f"It is left alone until {shop.hold_until:%H:%M:%S} UTC, after {shop.failures} failures in a row."
        )
        yield _shop(
            shop, "warning", words, "It goes on by itself; the worker's log says what the shop answered."
        )


def _silent(shop: ShopFacts) -> Finding:
    if shop.state == "paused":
        return _shop(shop, "ok", "Its merchant switched the app off; work waits until it is on again.")
    if shop.refused:
        words = "It refuses our token: the app is switched off or deleted there."
        todo = "Ask its merchant to switch the app on, or to install it again: its settings and history are kept."
        return _shop(shop, "error", words, todo)
    todo = "See whether the shop is up, and whether it can be reached from here. Work waits until it answers."
    return _shop(shop, "error", f"It cannot be asked: {shop.silence}", todo)


def _answered(shop: ShopFacts, answer: Answer, *, now: datetime) -> Iterator[Finding]:
    if not answer.active:
        yield _shop(shop, "warning", "The app is switched off there.", "Its merchant can switch it on.")
    for code in sorted(answer.missing):
        words = f"The permission {code} is missing: {LOST.get(code, 'a part of it does not work')}."
        yield _shop(shop, "error", words, "Its merchant grants it on the page of the app under Extensions.")
    yield from _webhooks(shop, answer.changes, count=answer.webhooks)
    yield from _undelivered(shop, answer.failed, now=now)


def _webhooks(shop: ShopFacts, changes: Sequence[Change], *, count: int) -> Iterator[Finding]:
    sync = f"Run `herkend webhooks sync {urlsplit(shop.address).netloc}`."
    for change in changes:
        if change.before is None:
            words = f"The webhook {change.name} is missing."
        elif change.after is None:
            words = f"The webhook {change.name} is there once too often, or no longer of use."
        else:
            words = f"The webhook {change.name} is not as it should be: {', '.join(differences(change))}."
        yield _shop(shop, "error" if deaf(change) else "warning", words, sync)
    if not changes:
        yield _shop(shop, "ok", f"Its webhooks ({count}) are as they should be.")


def _undelivered(
    shop: ShopFacts, failed: Mapping[str, Sequence[datetime]], *, now: datetime
) -> Iterator[Finding]:
    count, last = lately(failed, now=now), max((each[0] for each in failed.values() if each), default=None)
    if not count or last is None:
        return
    words = f"{count} deliveries did not arrive within a day, the last of {last:%Y-%m-%d %H:%M} UTC."
    todo = "See whether HERKEND_API_URL can be reached from the shop, and what the proxy and the web processes logged."
    yield _shop(shop, "error" if count >= MANY_UNDELIVERED else "warning", words, todo)


def _shop(shop: ShopFacts, level: Level, words: str, todo: str = "") -> Finding:
    return Finding(level=level, area="shops", shop=shop.address, words=words, todo=todo)


def _long(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004 - two hours
