"""What `herkend doctor` makes of the facts: pure rules, each finding with what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from plugin.cluster import MAJOR
from plugin.health.store import Backlog, Process, Run
from plugin.settings import LOOPBACK, Settings

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


def of_settings(settings: Settings) -> list[Finding]:
    """They could be read, or nobody would be here; what remains is what only a person can know to be wrong."""
    found = [
        _open_address(name, address)
        for name, address in (("HERKEND_URL", settings.url), ("HERKEND_API_URL", settings.api_url))
        if urlsplit(address).scheme != "https" and urlsplit(address).hostname not in LOOPBACK
    ]
    if urlsplit(settings.url).scheme == "https" and settings.allowed_shops is None:
        found.append(_open_to_all(settings.url))
    return found or [Finding(level="ok", area="settings", words=f"Served at {settings.url}.")]


def _open_to_all(url: str) -> Finding:
    return Finding(
        level="warning",
        area="settings",
        words=f"HERKEND_ALLOWED_SHOPS is not set: anybody's shop may install the app from {url}.",
        todo=(
            "Set it to a regular expression for the whole API address of your shops, such as "
            r"https://shop\.example/graphql/ (https://.* if every shop is meant)."
        ),
    )


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


def of_key_file(path: Path | None, *, count: int, needed: bool) -> list[Finding]:
    """The file with the keys, where they stand in one; `needed` once there is a database."""
    if path is None:
        return []
    if count:
        words = f"{path} holds {many(count, 'key', 'keys')}."
        return [Finding(level="ok", area="settings", words=words)]
    if not needed:
        return [
            Finding(level="ok", area="settings", words=f"There is no {path} yet: the first start makes it.")
        ]
    return [
        Finding(
            level="error",
            area="settings",
            words=f"The keys are gone: there is no {path}, and HERKEND_KEYS is not set.",
            todo="Put the file back from where you keep a copy, before you start anything: a start makes a new key.",
        )
    ]


def no_database(problem: str) -> Finding:
    """It does not; what is to be done about that stands in the problem as well."""
    todo = "Nothing else can be looked at until then."
    return Finding(level="error", area="database", words=problem, todo=todo)


def never_ran(data: Path) -> Finding:
    """There is none, and nobody but `herkend run` makes one."""
    words = f"There is no database in {data} yet."
    return Finding(level="error", area="database", words=words, todo="Start `herkend run`: it makes one.")


def stopped(data: Path) -> Finding:
    """It is there, of our PostgreSQL and of our user, and does not run: looking does not start it."""
    words = f"The database is not running; its files (PostgreSQL {MAJOR}) stand in {data / 'postgres'}."
    todo = f"Start `herkend run`; if it was running, {data / 'postgres.log'} says how it ended."
    return Finding(level="error", area="database", words=words, todo=todo)


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
    if found:
        return found
    last = ", ".join(f"{name} {_last(known.get(name))}" for name in sorted(crons))
    words = f"All that has its time ran, or its time is to come. Last run (UTC): {last}."
    return [Finding(level="ok", area="timetable", words=words)]


def _last(run: Run | None) -> str:
    return f"{run.begun_at:%Y-%m-%d %H:%M}" if run else "not yet"


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
            waiting = many(backlog.count, "delivery waits", "deliveries wait")
            words = f"{waiting}, the first for {_long(age)}."
            todo = (
                "See whether the worker runs and what it logs; start more of them if it only cannot keep up."
            )
            level: Level = "error" if age > STUCK else "warning"
            found.append(Finding(level=level, area="deliveries", shop=shop, words=words, todo=todo))
        if backlog.what == "dead" and backlog.count:
            words = f"{many(backlog.count, 'delivery', 'deliveries')} could not be understood."
            todo = (
                "See which: `herkend deliveries list --state dead`. After an upgrade "
                "`herkend deliveries replay --dead` tries once more."
            )
            found.append(Finding(level="warning", area="deliveries", shop=shop, words=words, todo=todo))
    return found or [
        Finding(level="ok", area="deliveries", words="Nothing waits for long, and all was understood.")
    ]


def many(count: int, one: str, several: str) -> str:
    """Name so many of something."""
    return f"{count} {one if count == 1 else several}"


def _long(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004 - two hours
