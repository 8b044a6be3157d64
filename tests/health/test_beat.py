"""Processes show that they live, and what they asked of shops adds up in the database, whatever comes between."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from plugin.db import Database
from plugin.errors import Permanent, Transient
from plugin.health import beat as beats
from plugin.health import store
from plugin.health.beat import Beat, beating
from plugin.queue import NAMESPACE
from plugin.secret import Secret
from plugin.tally import Tally
from plugin.worker import TIMETABLE, Worker, noted
from tests.told import register

ASKED = {"operation": "ShopFacts", "outcome": "ok"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(beats, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(beats, "LOOK_SECONDS", 0.01)


@pytest.fixture
def shop(installation):
    return register(installation)


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def processes(installation) -> list[store.Process]:
    with installation.db.begin() as connection:
        return store.processes(connection)


def calls(installation) -> list[tuple]:
    with installation.db.begin() as connection:
        return [(it.operation, it.outcome, it.count, it.seconds) for it in store.calls(connection)]


def another(installation):
    """The same installation as another process of it has it."""
    return replace(installation, tally=Tally())


def test_a_process_is_on_the_list_until_it_ends(installation, clock):
    beat = Beat(installation, kind="web")
    beat.perhaps()
    (first,) = processes(installation)
    clock.move(seconds=10)
    beat.perhaps()
    (later,) = processes(installation)
    beat.end()
    assert (first.kind, first.version, later.id, processes(installation)) == ("web", "0.1.0", first.id, [])
    assert (later.started_at, later.seen_at > first.seen_at) == (first.started_at, True)


def test_a_process_that_died_is_taken_off_the_list_by_another_after_an_hour(installation, clock):
    Beat(installation, kind="worker").perhaps()
    living = Beat(installation, kind="web")
    living.perhaps()
    clock.move(minutes=59)
    living.perhaps()
    before = [it.kind for it in processes(installation)]
    clock.move(minutes=2)
    living.perhaps()
    assert (before, [it.kind for it in processes(installation)]) == (["worker", "web"], ["web"])


def test_one_that_was_taken_for_dead_enters_again(installation, clock):
    beat = Beat(installation, kind="worker")
    beat.perhaps()
    (first,) = processes(installation)
    clock.move(hours=2)
    other = Beat(installation, kind="web")
    other.perhaps()
    other.perhaps()
    beat.perhaps()
    assert [it.kind for it in processes(installation)] == ["web", "worker"]
    assert processes(installation)[1].started_at == first.started_at


def test_what_two_processes_asked_of_a_shop_adds_up(installation, shop):
    other = another(installation)
    for process, seconds in ((installation, 0.5), (other, 0.25), (other, 0.25)):
        process.tally.add(shop.id, **ASKED, seconds=seconds)
    for process in (installation, other):
        Beat(process, kind="worker").perhaps()
    assert calls(installation) == [("ShopFacts", "ok", 3, 1.0)]


def test_nothing_is_counted_twice_and_what_is_left_is_kept_at_the_end(installation, shop):
    beat = Beat(installation, kind="worker")
    installation.tally.add(shop.id, **ASKED, seconds=0.5)
    beat.perhaps()
    beat.perhaps()
    installation.tally.add(shop.id, **ASKED, seconds=0.5)
    beat.end()
    assert calls(installation) == [("ShopFacts", "ok", 2, 1.0)]


def test_a_database_that_is_away_loses_no_count(installation, shop, folder):
    nowhere = Database(Secret(f"postgresql://herkend@/herkend?host={folder}/nowhere"))
    installation.tally.add(shop.id, **ASKED, seconds=0.5)
    beat = Beat(replace(installation, db=nowhere), kind="worker")
    with pytest.raises(Transient):
        beat.perhaps()
    beat.end()
    nowhere.close()
    installation.tally.add(shop.id, **ASKED, seconds=0.5)
    Beat(installation, kind="worker").perhaps()
    assert calls(installation) == [("ShopFacts", "ok", 2, 1.0)]


def test_threads_that_count_at_once_lose_nothing():
    tally, taken = Tally(), []

    def count() -> None:
        for _ in range(1000):
            tally.add(7, **ASKED, seconds=1.0)
            taken.append(tally.take())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sums = [found for each in (*taken, tally.take()) for found in each.values()]
    assert (sum(count for count, _ in sums), sum(seconds for _, seconds in sums)) == (4000, 4000.0)


def test_a_web_process_beats_by_itself_through_an_outage_until_it_ends(installation, folder, shop):
    nowhere = Database(Secret(f"postgresql://herkend@/herkend?host={folder}/nowhere"))
    engine, installation.db.engine = installation.db.engine, nowhere.engine
    try:
        end = beating(installation, kind="web")
    finally:
        installation.db.engine = engine
    wait_until(lambda: [it.kind for it in processes(installation)] == ["web"])
    installation.tally.add(shop.id, **ASKED, seconds=0.5)
    end()
    assert (processes(installation), calls(installation)) == ([], [("ShopFacts", "ok", 1, 0.5)])
    nowhere.close()


def test_a_worker_is_on_the_list_while_it_works(installation):
    worker = Worker(installation)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: [it.kind for it in processes(installation)] == ["worker"])
    worker.stop()
    thread.join(20)
    assert (thread.is_alive(), processes(installation)) == (False, [])


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (None, None),
        (Permanent("The disk is full."), "The disk is full."),
        (ValueError("ada@example.com"), "ValueError"),
    ],
)
def test_a_run_of_the_timetable_is_noted_with_how_it_ended(installation, error, problem):
    seen: list[bool] = []

    def call(_installation) -> None:
        seen.extend(it.open for it in timetable(installation))
        if error:
            raise error

    noted("erase", call, installation)
    (run,) = timetable(installation)
    assert (seen, run.open, run.problem) == ([True], False, problem)
    assert (run.succeeded_at is None) == (error is not None)


def test_a_run_that_failed_leaves_when_one_last_ended_well(installation, clock):
    noted("erase", lambda _: None, installation)
    (well,) = timetable(installation)
    clock.move(days=1)
    noted("erase", lambda _: 1 / 0, installation)
    (failed,) = timetable(installation)
    assert (failed.succeeded_at, failed.begun_at > well.begun_at) == (well.succeeded_at, True)
    assert failed.problem == "ZeroDivisionError"


def test_all_that_has_its_time_is_noted(installation):
    due = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, '{\"timestamp\": 0}')"
    with installation.db.begin() as connection:
        for name in TIMETABLE:
            connection.exec_driver_sql(due, (f"{NAMESPACE}:{name}",))
    worker = Worker(installation)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: {it.name for it in timetable(installation) if it.succeeded_at} == set(TIMETABLE))
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()


def timetable(installation) -> list[store.Run]:
    with installation.db.begin() as connection:
        return store.timetable(connection)
