"""Jobs run once they are asked for, whatever became of the worker or the connection that had them before."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import procrastinate.periodic
import pytest

from plugin import queue
from plugin.db import Database
from plugin.queue import Lanes, ask
from plugin.secret import Secret
from plugin.set_back import SetBack

TASK = f"{queue.NAMESPACE}:task"
LOST = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute') RETURNING id"
DOING = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status, worker_id)
    VALUES ('default', 'herkend:task', 'herkend:task:7', 'herkend:task:7', '{"shop_id": 7}', 'doing', %(worker)s)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(queue, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(queue, "PATIENCE_SECONDS", 1.0)


@contextmanager
def working(installation, job: Callable[[int], None], *, timetable=None):
    lanes = Lanes(installation, jobs={TASK: lambda _, shop_id: job(shop_id)}, timetable=timetable or {})
    thread = threading.Thread(target=lanes.run)
    thread.start()
    try:
        yield lanes
    finally:
        lanes.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def run(installation, statement: str, **values) -> list:
    with installation.db.begin() as connection:
        result = connection.exec_driver_sql(statement, values)
        return list(result.scalars()) if result.returns_rows else []


def idle(installation) -> bool:
    return run(installation, "SELECT count(*) FROM procrastinate_jobs") == [0]


def test_a_lost_job_does_not_block_its_lane_when_the_same_is_asked_for_again(installation):
    done: list[int] = []
    (lost,) = run(installation, LOST)
    run(installation, DOING, worker=lost)
    with installation.db.begin() as connection:
        ask(connection, TASK, [7])
    with working(installation, done.append):
        wait_until(lambda: idle(installation))
    assert done == [7]


def test_a_lost_job_runs_although_nobody_asks_again(installation):
    done: list[int] = []
    (lost,) = run(installation, LOST)
    run(installation, DOING, worker=lost)
    with working(installation, done.append):
        wait_until(lambda: idle(installation))
    assert done == [7]


def test_a_job_of_a_living_worker_that_does_not_run_there_is_taken_up(installation):
    done: list[int] = []
    with working(installation, done.append):
        wait_until(lambda: run(installation, "SELECT count(*) FROM procrastinate_workers") == [1])
        run(installation, DOING, worker=run(installation, "SELECT id FROM procrastinate_workers")[0])
        wait_until(lambda: idle(installation))
    assert done == [7]


def test_a_job_that_takes_its_time_is_left_alone(installation):
    begun: list[int] = []
    over = threading.Event()

    def slow(shop_id: int) -> None:
        begun.append(shop_id)
        over.wait(20)

    with working(installation, slow):
        with installation.db.begin() as connection:
            ask(connection, TASK, [7])
        wait_until(lambda: begun == [7])
        time.sleep(1)  # ten looks for lost jobs
        over.set()
        wait_until(lambda: idle(installation))
    assert begun == [7]


def test_jobs_run_after_all_connections_were_lost(installation):
    done: list[int] = []
    with working(installation, done.append):
        wait_until(lambda: run(installation, "SELECT count(*) FROM procrastinate_workers") == [1])
        run(
            installation,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        with installation.db.begin() as connection:
            ask(connection, TASK, [7])
        wait_until(lambda: done == [7] and idle(installation))


def test_a_database_that_is_away_is_waited_for_and_stopping_does_not_wait(installation, folder):
    nowhere = Database(Secret(f"postgresql://herkend@/herkend?host={folder}/nowhere"))
    with working(replace(installation, db=nowhere), lambda _: None):
        time.sleep(3 * queue.PATIENCE_SECONDS)


def test_after_the_clock_was_set_back_the_timetable_goes_on_at_once(installation, clock, monkeypatch):
    times: list[float] = []
    moved = SimpleNamespace(time=lambda: clock().timestamp())
    monkeypatch.setattr(procrastinate.periodic, "time", moved)
    clock.move(hours=24)
    timetable = {"date": ("* * * * *", lambda installation: times.append(installation.clock().timestamp()))}
    with working(installation, lambda _: None, timetable=timetable) as lanes:
        set_back = SetBack(installation, anew=lanes.begin_anew)
        set_back.look()
        wait_until(lambda: times != [])
        clock.move(hours=-24)
        moment = clock().timestamp()
        set_back.look()
        wait_until(lambda: times[-1] < moment + 12 * 3600)
    kept = run(installation, "SELECT max(defer_timestamp) FROM procrastinate_periodic_defers")
    assert kept[0] <= clock().timestamp()


def test_a_worker_lets_go_of_a_task_of_a_later_version_and_works_on(installation):
    done: list[int] = []
    with working(installation, done.append):
        with installation.db.begin() as connection:
            ask(connection, f"{queue.NAMESPACE}:later", [7])
        wait_until(lambda: idle(installation))
        with installation.db.begin() as connection:
            ask(connection, f"{queue.NAMESPACE}:later", [7])
            ask(connection, TASK, [7])
        wait_until(lambda: done == [7] and idle(installation))
