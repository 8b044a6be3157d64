"""Many deliveries, one commit; each request is told what became of its own."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from plugin.db import Database
from plugin.errors import Transient
from plugin.inbox import keeper as keepers
from plugin.inbox import store as inbox
from plugin.inbox.keeper import Keeper
from plugin.inbox.store import Arrival
from plugin.secret import Secret
from plugin.shops import store as shops
from tests.journeys.conftest import wait_until
from tests.told import register

APP = "QXBwOjE="


@pytest.fixture
def shop(installation):
    return register(installation, app_id=APP)


@pytest.fixture
def arrival(installation, shop):
    def arrival(body="{}", **changes):
        told = Arrival(
            shop_id=shop.id,
            app_id=shop.app_id,
            event="order_created",
            body=body.encode(),
            issued_at=None,
            traceparent=None,
            received_at=installation.clock(),
        )
        return replace(told, **changes)

    return arrival


@pytest.fixture
def threads():
    with ThreadPoolExecutor(64) as pool:
        yield pool


def kept(installation) -> list[str]:
    with installation.db.begin() as connection:
        return sorted(
            bytes(body).decode() for body in connection.execute(text("SELECT body FROM deliveries")).scalars()
        )


@contextmanager
def the_first_held_up(installation, keeper, threads, arrival, *, others):
    """Have one delivery's commit wait for a lock of ours until as many others as are named wait behind it."""
    with installation.db.begin() as blocker:
        blocker.execute(text("LOCK TABLE deliveries IN EXCLUSIVE MODE"))
        first = threads.submit(keeper.keep, arrival("first"))
        wait_until(lambda: waiting_for_lock(installation) == 1, what="the first waits for the lock")
        futures = [threads.submit(keeper.keep, other) for other in others]
        wait_until(lambda: len(keeper._waiting) == len(others), what="the others wait for the first")  # noqa: SLF001
        yield [first, *futures]


def waiting_for_lock(installation) -> int:
    with installation.db.begin() as connection:
        return connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'"
            )
        ).scalar_one()


def commits(installation) -> list:
    seen = []
    event.listen(installation.db.engine, "commit", seen.append)
    return seen


def outcome(future):
    error = future.exception(timeout=20)
    return future.result() if error is None else type(error)


def test_a_delivery_is_durable_when_the_call_returns(installation, arrival):
    assert Keeper(installation.db).keep(arrival("one")) is True
    assert kept(installation) == ["one"]


def test_a_delivery_keeps_all_that_was_known_of_it(installation, arrival):
    trace, now = "00-1c3e74e2ed0737188346629f632ca7f6-a290b668d2bbee26-01", installation.clock()
    Keeper(installation.db).keep(arrival("one", issued_at=now, traceparent=trace, received_at=now))
    with installation.db.begin() as connection:
        row = connection.execute(
            text("SELECT issued_at, traceparent, received_at, state FROM deliveries")
        ).one()
    assert tuple(row) == (now, trace, now, "new")


def test_of_many_at_once_each_is_kept_once_and_told_so(installation, arrival, threads):
    keeper = Keeper(installation.db)
    bodies = [str(number % 150) for number in range(600)]
    told = list(threads.map(lambda body: keeper.keep(arrival(body)), bodies))
    assert (told, kept(installation)) == ([True] * 600, sorted(set(bodies)))


def test_what_waits_together_is_kept_with_one_commit(installation, arrival, threads):
    keeper = Keeper(installation.db)
    with the_first_held_up(
        installation, keeper, threads, arrival, others=[arrival(str(n)) for n in range(20)]
    ) as futures:
        seen = commits(installation)
    wait(futures)
    assert (len(seen), len(kept(installation))) == (1 + 2, 21)  # the lock's own, the first's, the others'


def test_the_same_delivery_twice_in_one_batch_is_one_row_and_two_good_answers(installation, arrival, threads):
    keeper = Keeper(installation.db)
    twice = [arrival("same"), arrival("same"), arrival("other")]
    with the_first_held_up(installation, keeper, threads, arrival, others=twice) as futures:
        pass
    assert ([outcome(it) for it in futures], kept(installation)) == ([True] * 4, ["first", "other", "same"])


def test_a_delivery_kept_before_is_as_good_as_kept(installation, arrival):
    keeper = Keeper(installation.db)
    assert [keeper.keep(arrival("one")), keeper.keep(arrival("one"))] == [True, True]
    assert kept(installation) == ["one"]


def test_a_shop_that_left_since_it_was_looked_up_keeps_nothing(installation, arrival, shop):
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=APP, now=installation.clock())
    assert Keeper(installation.db).keep(arrival("one")) is False
    assert kept(installation) == []


def test_a_repetition_from_a_shop_that_left_is_not_as_good_as_kept(installation, arrival, shop):
    keeper = Keeper(installation.db)
    keeper.keep(arrival("one"))
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=APP, now=installation.clock())
    assert keeper.keep(arrival("one")) is False


def test_a_shop_installed_anew_keeps_nothing_for_its_former_installation(installation, arrival):
    register(installation, app_id="QXBwOjI=")
    assert Keeper(installation.db).keep(arrival("one")) is False


def test_one_shops_leaving_is_not_anothers_in_the_same_batch(installation, arrival, threads):
    keeper = Keeper(installation.db)
    gone = register(installation, api_url="https://gone.example/graphql/", app_id="QXBwOjc=")
    with installation.db.begin() as connection:
        shops.uninstall(connection, gone.id, app_id="QXBwOjc=", now=installation.clock())
    others = [arrival("here"), arrival("gone", shop_id=gone.id, app_id="QXBwOjc=")]
    with the_first_held_up(installation, keeper, threads, arrival, others=others) as futures:
        pass
    assert [outcome(it) for it in futures] == [True, True, False]


@pytest.fixture
def refuses_poison(installation):
    """Have the database refuse one body, whatever the reason may once be."""
    trigger = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.body = 'poison' THEN RAISE check_violation; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse()
    """
    with installation.db.begin() as connection:
        connection.execute(text(trigger))
    yield
    with installation.db.begin() as connection:
        connection.execute(text("DROP TRIGGER refuse ON deliveries; DROP FUNCTION refuse()"))


def test_a_row_that_the_database_refuses_takes_no_other_with_it(
    installation, arrival, threads, refuses_poison
):
    keeper = Keeper(installation.db)
    others = [arrival("good"), arrival("poison"), arrival("better")]
    with the_first_held_up(installation, keeper, threads, arrival, others=others) as futures:
        pass
    told = [outcome(it) for it in futures]
    assert (told[0], told[1], told[3], issubclass(told[2], DBAPIError)) == (True, True, True, True)
    assert kept(installation) == ["better", "first", "good"]


def test_after_a_refused_row_the_next_is_kept(installation, arrival, refuses_poison):
    keeper = Keeper(installation.db)
    with pytest.raises(DBAPIError):
        keeper.keep(arrival("poison"))
    assert keeper.keep(arrival("good")) is True


def test_while_the_database_is_away_everybody_is_told_to_come_again(arrival, threads):
    keeper = Keeper(Database(Secret("postgresql://nobody@127.0.0.1:9/none")))
    futures = [threads.submit(keeper.keep, arrival(str(number))) for number in range(20)]
    assert {outcome(future) for future in futures} == {Transient}


def test_whoever_waits_too_long_is_told_so_and_the_others_go_on(installation, arrival, threads):
    keeper = Keeper(installation.db, patience=0.3)
    with the_first_held_up(installation, keeper, threads, arrival, others=[arrival("late")]) as futures:
        assert outcome(futures[1]) is Transient
    assert outcome(futures[0]) is True
    assert keeper.keep(arrival("next")) is True
    assert kept(installation) == ["first", "next"]


def test_however_many_give_up_the_next_is_kept(installation, arrival, threads):
    keeper = Keeper(installation.db, patience=0.002)
    wait([threads.submit(keeper.keep, arrival(str(number))) for number in range(400)])
    assert keeper.keep(arrival("next")) is True


@contextmanager
def stopped(installation):
    """Have the only idle connection be one whose other side does not answer; give the threads time to see it."""
    with installation.db.begin() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_writer_whose_connection_never_answers_holds_up_no_later_one_nor_when_it_answers_after_all(
    installation, arrival, threads
):
    keeper = Keeper(installation.db, patience=0.2)
    with stopped(installation):
        hung = threads.submit(keeper.keep, arrival("hung"))
        wait_until(lambda: keeper._writer is not None, what="it writes")  # noqa: SLF001
        assert outcome(threads.submit(keeper.keep, arrival("patient"))) is Transient
        assert [keeper.keep(arrival(body)) for body in ("next", "later")] == [True, True]
        assert not hung.done()
    assert [outcome(hung), keeper.keep(arrival("last"))] == [True, True]
    assert (kept(installation), keeper._hung) == (["hung", "last", "later", "next"], 0)  # noqa: SLF001


def test_of_writers_that_hang_there_are_only_a_few(installation, arrival, threads):
    class Hanging(Database):
        def begin(self):
            begun.append(1)
            go_on.wait(20)
            return super().begin()

    begun, go_on = [], threading.Event()
    keeper = Keeper(Hanging(installation.db.url), patience=0.02)
    futures = []
    for number in range(4 * keepers.HUNG):
        before, future = len(begun), threads.submit(keeper.keep, arrival(str(number)))
        futures.append(future)
        wait_until(partial(hangs_or_gave_up, future, begun, before), what="it hangs too, or gives up")
    assert len(begun) == keepers.HUNG + 1
    go_on.set()
    wait(futures)
    assert (keeper.keep(arrival("next")), keeper._hung) == (True, 0)  # noqa: SLF001
    keeper._database.close()  # noqa: SLF001


def hangs_or_gave_up(future, begun, before) -> bool:
    return future.done() or len(begun) > before


def test_a_repetition_of_what_a_worker_is_just_finishing_waits_for_nobody(installation, arrival):
    keeper = Keeper(installation.db, limit=1.0)
    keeper.keep(arrival("one"))
    with installation.db.begin() as worker:
        inbox.finish(
            worker, [it.id for it in inbox.claim(worker, per_shop=9, most=9)], now=installation.clock()
        )
        assert keeper.keep(arrival("one")) is True


def test_what_the_database_does_not_get_done_in_time_is_put_off(installation, arrival):
    with installation.db.begin() as blocker:
        blocker.execute(text("LOCK TABLE deliveries IN EXCLUSIVE MODE"))
        with pytest.raises(Transient, match="too busy"):
            Keeper(installation.db, limit=0.05).keep(arrival("late"))


def test_a_writer_that_dies_leaves_nobody_waiting(installation, arrival, threads):
    class Dying(Database):
        def begin(self):
            entered.set()
            go_on.wait(20)
            raise SystemExit

    entered, go_on = threading.Event(), threading.Event()
    keeper = Keeper(Dying(installation.db.url))
    first = threads.submit(keeper.keep, arrival("first"))
    entered.wait(20)
    second = threads.submit(keeper.keep, arrival("second"))
    wait_until(lambda: len(keeper._waiting) == 1, what="the second waits")  # noqa: SLF001
    go_on.set()
    assert [outcome(first), outcome(second)] == [SystemExit, SystemExit]


def test_a_batch_is_no_larger_than_is_good_for_the_database(installation, arrival, threads, monkeypatch):
    monkeypatch.setattr(keepers, "MOST_BYTES", 100)
    keeper = Keeper(installation.db)
    others = [arrival(json.dumps([number] * 20)) for number in range(6)]
    with the_first_held_up(installation, keeper, threads, arrival, others=others) as futures:
        seen = commits(installation)
    wait(futures)
    assert (len(seen), len(kept(installation))) == (1 + 1 + 3, 7)
