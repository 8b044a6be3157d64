"""Reads and writes how the installation fares: its processes, its timetable, its talks with the shops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from plugin.health.models import processes as processes_table
from plugin.health.models import saleor_calls
from plugin.health.models import timetable as timetable_table
from plugin.tiers.models import UNPUBLISHED

Kind = Literal["web", "worker"]
KINDS: tuple[Kind, ...] = ("web", "worker")
# A process shows itself every few seconds: who was not seen for so long is dead, or cannot reach the database.
LATELY = timedelta(seconds=30)
FORGOTTEN = timedelta(hours=1)
A_LITTLE = timedelta(seconds=10)  # by so much the clocks of several machines may differ
APART = 100  # up to so many shops have figures of their own, more than that only sums
PATIENCE = timedelta(seconds=5)  # for one statement of a scrape


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One web process or worker, as it last showed itself."""

    id: int
    kind: Kind
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime

    def alive(self, now: datetime) -> bool:
        """Tell whether it showed itself lately."""
        return self.seen_at > now - LATELY


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The last run of what has its time: `succeeded_at` is when one last ended well, `problem` how the last failed."""

    name: str
    begun_at: datetime
    succeeded_at: datetime | None
    problem: str | None

    @property
    def open(self) -> bool:
        """Whether the last run goes on, or was lost: it has neither ended well nor failed."""
        return self.problem is None and (self.succeeded_at is None or self.succeeded_at < self.begun_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What was asked of a shop since it is known, `shop_id` None: of all; how often, how many seconds in all."""

    shop_id: int | None
    operation: str
    outcome: str
    count: int
    seconds: float


def appear(
    connection: Connection,
    *,
    kind: Kind,
    host: str,
    pid: int,
    version: str,
    started_at: datetime,
    now: datetime,
) -> int:
    """Enter a process into the list; return its number there."""
    number: int = connection.execute(
        insert(processes_table)
        .values(kind=kind, host=host, pid=pid, version=version, started_at=started_at, seen_at=now)
        .returning(processes_table.c.id)
    ).scalar_one()
    return number


def seen(connection: Connection, process_id: int, *, now: datetime) -> bool:
    """Note that a process is alive, and forget those long unseen; False: it was forgotten itself."""
    found = connection.execute(
        update(processes_table).where(processes_table.c.id == process_id).values(seen_at=now)
    )
    connection.execute(delete(processes_table).where(processes_table.c.seen_at < now - FORGOTTEN))
    return bool(found.rowcount)


def leave(connection: Connection, process_id: int) -> None:
    """Take a process that ends off the list."""
    connection.execute(delete(processes_table).where(processes_table.c.id == process_id))


def processes(connection: Connection) -> list[Process]:
    """List the processes, oldest first, dead ones of the last hour among them."""
    rows = connection.execute(select(processes_table).order_by(processes_table.c.id))
    return [Process(**row._asdict()) for row in rows]


def begun(connection: Connection, name: str, *, now: datetime) -> None:
    """Note that a run of the timetable begins."""
    statement = insert(timetable_table).values(name=name, begun_at=now)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[timetable_table.c.name], set_={"begun_at": now, "problem": None}
        )
    )


def ended(connection: Connection, name: str, *, problem: str | None, now: datetime) -> None:
    """Note how a run of the timetable ended: well, or with a problem."""
    outcome = {"ended_at": now} if problem is None else {"problem": problem}
    connection.execute(update(timetable_table).where(timetable_table.c.name == name).values(outcome))


def timetable(connection: Connection) -> list[Run]:
    """List what has its time and ever ran, by name."""
    rows = connection.execute(select(timetable_table).order_by(timetable_table.c.name))
    return [
        Run(name=row.name, begun_at=row.begun_at, succeeded_at=row.ended_at, problem=row.problem)
        for row in rows
    ]


def due_now(connection: Connection, *, beyond: datetime, now: datetime) -> None:
    """Take nothing that is still to come for past, whatever `beyond` is: the clock went wrong."""
    del beyond
    latest = now + A_LITTLE
    for moment in (timetable_table.c.begun_at, timetable_table.c.ended_at, processes_table.c.seen_at):
        connection.execute(update(moment.table).where(moment > latest).values({moment: now}))


def add_calls(connection: Connection, calls: Mapping[tuple[int, str, str], tuple[int, float]]) -> None:
    """Add to what was asked of shops: by (shop id, operation, outcome), how often and how many seconds."""
    if not calls:
        return
    statement = insert(saleor_calls).values(
        [
            {
                "shop_id": shop_id,
                "operation": operation,
                "outcome": outcome,
                "count": count,
                "seconds": seconds,
            }
            for (shop_id, operation, outcome), (count, seconds) in sorted(calls.items())
        ]
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[saleor_calls.c.shop_id, saleor_calls.c.operation, saleor_calls.c.outcome],
            set_={
                "count": saleor_calls.c.count + statement.excluded.count,
                "seconds": saleor_calls.c.seconds + statement.excluded.seconds,
            },
        )
    )


def calls(connection: Connection, *, shop_id: int | None = None) -> list[Calls]:
    """List what was asked of one shop, or of each."""
    query = select(saleor_calls).order_by(*saleor_calls.primary_key)
    if shop_id is not None:
        query = query.where(saleor_calls.c.shop_id == shop_id)
    return [Calls(**row._asdict()) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in a shop, `shop_id` None: in all of them; `oldest` is since when the first of it does."""

    what: str
    shop_id: int | None
    count: int
    oldest: datetime | None

    def age(self, now: datetime) -> float:
        """Return for how many seconds the first of it waits."""
        return max((now - self.oldest).total_seconds(), 0.0) if self.oldest else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How everything stands. `shops` are (number, domain, state), None where there are too many to be told apart."""

    shops: Sequence[tuple[int, str, str]] | None
    states: Mapping[str, int]
    backlogs: Sequence[Backlog]
    processed: Sequence[tuple[int | None, str, int]]
    calls: Sequence[Calls]
    jobs: Sequence[tuple[str, str, int]]
    timetable: Sequence[Run]
    processes: Sequence[Process]


def database(connection: Connection) -> tuple[str, int]:
    """Return the version of PostgreSQL and the size of our database in bytes."""
    row = connection.execute(
        text(
            "SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size"
        )
    ).one()
    return str(row.version).split()[0], row.size


def answers(connection: Connection) -> None:
    """Have the database answer, or raise what is wrong."""
    connection.execute(select(1))


# Statistics from a time with a long queue must not lead to reading all deliveries: the indexes are small by nature.
CAREFULLY = text(
    f"""
    SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
           set_config('statement_timeout', '{PATIENCE // timedelta(milliseconds=1)}', true)
    """
)
STATES = text("SELECT state, count(*) AS many FROM shops GROUP BY state")
SHOPS = text("SELECT id, domain, state FROM shops ORDER BY id LIMIT :most")
JOBS = text("SELECT task_name, status::text, count(*) FROM procrastinate_jobs GROUP BY 1, 2 ORDER BY 1, 2")
PROCESSED = text(
    """
    SELECT CASE WHEN :apart THEN shop_id END, state, sum(count)::bigint FROM delivery_totals
    GROUP BY 1, 2 ORDER BY 1, 2
    """
)
CALLS = text(
    """
    SELECT CASE WHEN :apart THEN shop_id END AS shop_id, operation, outcome,
           sum(count)::bigint AS count, sum(seconds) AS seconds
    FROM saleor_calls GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
# What waits, by the partial indexes; of publications only in shops that are told: in the others all of them wait.
BACKLOGS = text(
    f"""
    SELECT 'deliveries' AS what, CASE WHEN :apart THEN shop_id END AS shop_id,
           count(*) AS count, min(received_at) AS oldest
    FROM deliveries WHERE state = 'new' GROUP BY 2
    UNION ALL
    SELECT 'dead', CASE WHEN :apart THEN shop_id END, count(*), NULL FROM deliveries
    WHERE state = 'dead' GROUP BY 2
    UNION ALL
    SELECT 'to read', CASE WHEN :apart THEN shop_id END, count(*), min(read_due) FROM persons
    WHERE read_due <= :now GROUP BY 2
    UNION ALL
    SELECT 'to review', CASE WHEN :apart THEN shop_id END, count(*), min(review_due) FROM persons
    WHERE review_due <= :now AND read_at IS NOT NULL GROUP BY 2
    UNION ALL
    SELECT 'to publish', CASE WHEN :apart THEN shops.id END, sum(due.count)::bigint, min(due.oldest)
    FROM shops CROSS JOIN LATERAL (
        SELECT count(*) AS count, min(wanted_at) AS oldest FROM publications
        WHERE shop_id = shops.id AND {UNPUBLISHED}
    ) AS due
    WHERE state = 'active' AND (
        SELECT ("values"->>'publish')::boolean FROM shop_settings
        WHERE shop_settings.shop_id = shops.id ORDER BY version DESC LIMIT 1
    )
    GROUP BY 2
    """  # noqa: S608 - our own condition
)


def figures(connection: Connection, *, now: datetime) -> Figures:
    """Read how everything stands, in a few statements however many shops there are; history costs nothing."""
    connection.execute(CAREFULLY)
    shops = [(row.id, row.domain, row.state) for row in connection.execute(SHOPS, {"most": APART + 1})]
    values = {"apart": len(shops) <= APART, "now": now}
    return Figures(
        shops=shops if values["apart"] else None,
        states={row.state: row.many for row in connection.execute(STATES)},
        backlogs=[Backlog(**row) for row in connection.execute(BACKLOGS, values).mappings()],
        processed=[(row[0], row[1], row[2]) for row in connection.execute(PROCESSED, values)],
        calls=[Calls(**row) for row in connection.execute(CALLS, values).mappings()],
        jobs=[(row[0], row[1], row[2]) for row in connection.execute(JOBS)],
        timetable=timetable(connection),
        processes=processes(connection),
    )
