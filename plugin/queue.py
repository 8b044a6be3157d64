"""Jobs that talk to the outside, and the timetable: procrastinate on our own PostgreSQL.

Rows say what is to be done and jobs do it: a job is named for a shop, finds its rows itself, and may run at any time,
twice, or too often. So a lost wake-up is no loss: the worker's sweep asks again.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import procrastinate
import procrastinate.worker
import structlog
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection

from plugin.installation import Installation

NAMESPACE = "herkend"
READ = f"{NAMESPACE}:read"
PUBLISH = f"{NAMESPACE}:publish"
HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 20.0

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
    for shop_id in sorted(set(shop_ids)):
        lane = f"{task}:{shop_id}"
        try:
            with connection.begin_nested():
                _in_transaction.configure_task(
                    task, lock=lane, queueing_lock=lane, connection=_driver(connection)
                ).defer(shop_id=shop_id)
        except AlreadyEnqueued:
            continue


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
        self._stopping = threading.Event()
        self._worker: procrastinate.worker.Worker | None = None
        self._concurrency = concurrency
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=installation.db.url.reveal(), min_size=1, max_size=concurrency + 2
            )
        )
        self._app.add_tasks_from(_tasks(installation, jobs=jobs, timetable=timetable), namespace=NAMESPACE)

    def run(self) -> None:
        """Work until `stop`; a lost database is waited for."""
        while not self._stopping.is_set():
            try:
                asyncio.run(self._work())
            except (procrastinate.exceptions.ConnectorException, OSError) as error:
                log.warning("the queue lost its database", error=type(error).__name__)
                self._stopping.wait(1)

    def stop(self) -> None:
        """Finish the jobs that run and return from `run`; may be called from any thread."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped

    async def _work(self) -> None:
        async with self._app.open_async():
            self._worker = procrastinate.worker.Worker(
                self._app,
                concurrency=self._concurrency,
                fetch_job_polling_interval=1,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
            )
            recovering = asyncio.create_task(self._recover())
            try:
                if not self._stopping.is_set():
                    await self._worker.run()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
            finally:
                recovering.cancel()

    async def _recover(self) -> None:
        """Take up the jobs of killed workers: the queue does not do that by itself."""
        while True:
            jobs = self._app.job_manager
            for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
                log.warning("taking up the job of a lost worker", task=job.task_name, lane=job.lock)
                await jobs.retry_job(job)
            await asyncio.sleep(HEARTBEAT_SECONDS)


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
