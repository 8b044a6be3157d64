"""Jobs that talk to the outside, and the timetable: procrastinate on our own PostgreSQL.

Rows say what is to be done and jobs do it: a job is named for a shop, finds its rows itself, and may run at any time,
twice, or too often. So a lost wake-up is no loss: the worker's sweep asks again.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import procrastinate
import procrastinate.worker
import structlog
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text
from structlog.contextvars import bound_contextvars

from plugin.installation import Installation

NAMESPACE = "herkend"
READ = f"{NAMESPACE}:read"
PUBLISH = f"{NAMESPACE}:publish"
PROBLEMS = f"{NAMESPACE}:problems"
CHECK = f"{NAMESPACE}:check"
HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 20.0  # as long as an answer is waited for: what a lost worker said last has arrived by then
PATIENCE_SECONDS = 3.0  # for a connection
PAUSE_SECONDS = 0.5  # before the database is looked for again
LOOK_SECONDS = 0.1

WAITING = text(
    "SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(:lanes)"
)
STILL_TO_COME = text("DELETE FROM procrastinate_periodic_defers WHERE defer_timestamp > :now")

log = structlog.get_logger()

# Handing a job in needs no connection of its own: it travels in the caller's transaction.
_in_transaction = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())

Job = Callable[[Installation, int], None]
Timetable = Mapping[str, tuple[str, Callable[[Installation], None]]]


def make_tables(connection: Connection) -> None:
    """Make the queue's own tables: the migration's part."""
    _driver(connection).execute(SchemaManager.get_schema())


def ask(connection: Connection, task: str, shop_ids: Iterable[int]) -> None:
    """Have `task` run for these shops once this transaction commits; one that already waits is enough."""
    lanes = {f"{task}:{shop_id}": shop_id for shop_id in sorted(set(shop_ids))}
    waiting = connection.execute(WAITING, {"lanes": list(lanes)}).scalars()
    for lane in set(waiting):
        del lanes[lane]
    for lane, shop_id in lanes.items():
        try:
            with connection.begin_nested():
                _in_transaction.configure_task(
                    task, lock=lane, queueing_lock=lane, connection=_driver(connection)
                ).defer(shop_id=shop_id)
        except AlreadyEnqueued:
            continue


def due_now(connection: Connection, *, beyond: datetime, now: datetime) -> None:
    """Take no date of the timetable that is still to come for kept, whatever `beyond` is: the clock went wrong."""
    del beyond
    connection.execute(STILL_TO_COME, {"now": now.timestamp()})


class Lanes:
    """Runs the jobs of many shops side by side, and each job of one shop one at a time over all workers.

    `jobs` names what to call for a task with (installation, shop id); `timetable` maps a name to (cron, what to call).
    """

    def __init__(
        self,
        installation: Installation,
        *,
        jobs: Mapping[str, Job],
        timetable: Timetable,
        concurrency: int = 4,
    ) -> None:
        self._url = installation.db.url
        self._tasks = partial(_tasks, installation, jobs=jobs, timetable=timetable)
        self._concurrency = concurrency
        self._stopping = threading.Event()
        self._anew = threading.Event()

    def run(self) -> None:
        """Work until `stop`; a lost database is waited for."""
        while not self._stopping.is_set():
            self._anew.clear()
            try:
                asyncio.run(self._work())
            except Exception as error:  # noqa: BLE001 - each library has its own errors for a database that is away
                log.warning("the queue lost its database", error=type(error).__name__)
            self._stopping.wait(PAUSE_SECONDS)

    def stop(self) -> None:
        """Finish the jobs that run and return from `run`; may be called from any thread."""
        self._stopping.set()

    def begin_anew(self) -> None:
        """Finish the jobs that run and go on with a timetable that knows no date yet; from any thread."""
        self._anew.set()

    async def _work(self) -> None:
        """Work with connections of its own until told otherwise, or until the database is lost."""
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=self._url.reveal(),
                min_size=1,
                max_size=self._concurrency + 2,
                timeout=PATIENCE_SECONDS,
                kwargs={"connect_timeout": int(PATIENCE_SECONDS)},
            )
        )
        app.add_tasks_from(self._tasks(), namespace=NAMESPACE)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await app.open_async()
            await self._run_jobs(app)
        finally:
            await app.close_async()

    async def _run_jobs(self, app: procrastinate.App) -> None:
        running = _Running()
        worker = procrastinate.worker.Worker(
            app,
            concurrency=self._concurrency,
            fetch_job_polling_interval=1,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            delete_jobs="always",
            install_signal_handlers=False,
            worker_middleware=[running],
        )
        async with asyncio.TaskGroup() as together:  # when one of them fails, all are begun anew
            beside = [
                together.create_task(self._stop_when_told(worker)),
                together.create_task(running.recover(worker)),
            ]
            await worker.run()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
            for task in beside:
                task.cancel()

    async def _stop_when_told(self, worker: procrastinate.worker.Worker) -> None:
        while True:
            if self._stopping.is_set() or self._anew.is_set():
                worker.stop()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
            await asyncio.sleep(LOOK_SECONDS)


class _Running:
    """Knows which jobs run here, and takes up those that run nowhere: the queue does not do that by itself."""

    def __init__(self) -> None:
        self._here: set[int | None] = set()

    async def __call__(
        self,
        call_next: Callable[[], Awaitable[Any]],
        context: procrastinate.JobContext,
        _worker: procrastinate.worker.Worker,
    ) -> object:
        """Run a job, as the queue's middleware does; whatever it logs says which job and of which shop."""
        job = context.job
        self._here.add(job.id)
        try:
            with bound_contextvars(task=job.task_name, job=job.id, **_of_shop(job)):
                return await call_next()
        finally:
            self._here.discard(job.id)

    async def recover(self, worker: procrastinate.worker.Worker) -> None:
        """Look for lost jobs every few seconds, for ever.

        They are those of workers without a heartbeat, and our own that do not run: the database was lost just when
        one was handed to us or finished. Those are only so when they do not run at the next look either.
        """
        doubtful: set[int | None] = set()
        while True:
            try:
                jobs = worker.app.job_manager
                own = [
                    job
                    for job in await jobs.list_jobs_async(status="doing", worker_id=worker.worker_id or 0)
                    if job.id not in self._here
                ]
                lost = await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
                for job in (*lost, *(job for job in own if job.id in doubtful)):
                    log.warning("taking up a lost job", task=job.task_name, lane=job.lock)
                    await _again(jobs, job)
                doubtful = {job.id for job in own}
            except ConnectorException as error:
                log.warning("lost jobs were not looked for", error=type(error).__name__)
            await asyncio.sleep(HEARTBEAT_SECONDS)


def _of_shop(job: procrastinate.jobs.Job) -> dict[str, Any]:
    """Return what a line of the log says of the job's shop; what has its time is of none."""
    shop_id = job.task_kwargs.get("shop_id")
    return {} if shop_id is None else {"shop": shop_id}


async def _again(jobs: procrastinate.manager.JobManager, job: procrastinate.jobs.Job) -> None:
    """Have a lost job run; where the same waits in the lane already, that one does as well."""
    try:
        await jobs.retry_job(job)
    except UniqueViolation:
        await jobs.finish_job(job, status=procrastinate.jobs.Status.ABORTED, delete_job=True)


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - psycopg's connection, which SQLAlchemy does not type
    return connection.connection.driver_connection


def _tasks(
    installation: Installation, *, jobs: Mapping[str, Job], timetable: Timetable
) -> procrastinate.Blueprint:
    tasks = procrastinate.Blueprint()
    for name, job in jobs.items():
        _add_job(tasks, name=name, job=partial(job, installation))
    for name, (cron, call) in timetable.items():
        _add_date(tasks, name=name, cron=cron, call=partial(call, installation))
    return tasks


def _add_job(tasks: procrastinate.Blueprint, *, name: str, job: Callable[[int], None]) -> None:
    @tasks.task(name=name.removeprefix(f"{NAMESPACE}:"))
    def run(shop_id: int) -> None:
        job(shop_id)


def _add_date(tasks: procrastinate.Blueprint, *, name: str, cron: str, call: Callable[[], None]) -> None:
    @tasks.periodic(cron=cron)
    @tasks.task(name=name, queueing_lock=name)
    def run(timestamp: int) -> None:
        del timestamp  # the moment it was due; what is to be done stands in rows
        call()
