"""The figures tell what waits, since when, and what was done; and cost the same whatever the history."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from plugin.customers import store as customers
from plugin.health import store
from plugin.health.beat import Beat
from plugin.inbox import store as inbox
from plugin.shops import store as shops
from plugin.tiers import store as tiers
from plugin.tiers.contract import Published
from plugin.tiers.store import Wanted
from tests.health.scraping import scrape
from tests.told import event as told
from tests.told import keep, order, register
from webhooks.process import process_batch

ONE, OTHER = ("1",), ("2",)


@pytest.fixture
def shop(installation):
    return register(installation)


def run(installation, statement: str, **values) -> None:
    with installation.db.begin() as connection:
        connection.execute(text(statement), values)


def person(installation, shop, key: str):
    with installation.db.begin() as connection:
        customers.touch(connection, shop.id, owners=[key], perhaps=[], reread=[], now=installation.clock())
        return customers.by_keys(connection, shop.id, [key])[0]


def want(installation, shop, *targets: str) -> None:
    for target in targets:
        whom = person(installation, shop, f"user:{target}")
        content = Published(public="regular", private="{}")
        wanted = [Wanted(person_id=whom.id, target_id=target, kind="user", content=content)]
        with installation.db.begin() as connection:
            tiers.want(connection, shop.id, wanted, now=installation.clock())


def release(installation, shop) -> None:
    with installation.db.begin() as connection:
        shops.release(connection, shop.id, by="test", now=installation.clock())


@contextmanager
def statements(installation):
    """The statements that the block sends to the database."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    event.listen(installation.db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(installation.db.engine, "before_cursor_execute", note)


def test_deliveries_that_wait_are_counted_for_each_shop_and_the_first_tells_since_when(
    installation, shop, clock
):
    register(installation, name="other")
    keep(installation, shop, "order_created", b"1")
    clock.move(seconds=90)
    keep(installation, shop, "order_created", b"2")
    found = scrape(installation)
    assert found["herkend_deliveries_waiting"] == {ONE: 2, OTHER: 0}
    ages = found["herkend_oldest_delivery_age_seconds"]
    assert (90 <= ages[ONE] < 120, ages[OTHER]) == (True, 0)


def test_processed_and_dead_deliveries_are_counted_and_a_replayed_one_once_more(installation, shop):
    keep(installation, shop, "order_created", told("OrderCreated", order=order()))
    keep(installation, shop, "order_created", b"nonsense")
    process_batch(installation)
    before = scrape(installation)
    with installation.db.begin() as connection:
        inbox.replay(
            connection, [it.id for it in inbox.listed(connection, state=None, shop_id=None, limit=9)]
        )
    process_batch(installation)
    after = scrape(installation)
    assert before["herkend_deliveries_dead"] == after["herkend_deliveries_dead"] == {ONE: 1}
    assert before["herkend_deliveries_processed_total"] == {("1", "done"): 1, ("1", "dead"): 1}
    assert after["herkend_deliveries_processed_total"] == {("1", "done"): 2, ("1", "dead"): 2}


def test_what_is_rolled_back_was_not_processed(installation, shop, monkeypatch):
    from webhooks import process

    keep(installation, shop, "order_created", told("OrderCreated", order=order()))
    monkeypatch.setattr(process, "ask", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        process_batch(installation)
    found = scrape(installation)
    assert (found["herkend_deliveries_waiting"], "herkend_deliveries_processed_total" in found) == (
        {ONE: 1},
        False,
    )


def test_persons_to_read_and_reviews_that_are_due_are_counted(installation, shop, clock):
    for key in ("user:1", "user:2", "user:3"):
        whom = person(installation, shop, key)
    moment = installation.clock()
    with installation.db.begin() as connection:
        customers.was_read(connection, whom, started=moment, emails=[], now=moment)
    found = scrape(installation)
    assert (found["herkend_persons_to_read"], found["herkend_reviews_due"]) == ({ONE: 2}, {ONE: 1})


def test_publishing_lags_in_shops_that_are_active_and_released(installation, shop, clock):
    looking_on, switched_off = (register(installation, name=name) for name in ("looking-on", "off"))
    for each in (shop, looking_on, switched_off):
        want(installation, each, "user-1", "user-2")
    for each in (shop, switched_off):
        release(installation, each)
    with installation.db.begin() as connection:
        shops.pause(connection, switched_off.id, app_id=switched_off.app_id, said_at=installation.clock())
    clock.move(seconds=60)
    found = scrape(installation)
    lag = found["herkend_publishing_lag_seconds"]
    assert (found["herkend_publications_due"], list(lag), 60 <= lag[ONE] < 90) == ({ONE: 2}, [ONE], True)


def test_publishing_does_not_lag_where_all_is_told(installation, shop):
    release(installation, shop)
    want(installation, shop, "user-1")
    with installation.db.begin() as connection:
        (due,) = tiers.due(connection, shop.id, now=installation.clock(), limit=2)
        tiers.told(connection, due, now=installation.clock())
    found = scrape(installation)
    assert (found["herkend_publications_due"], found["herkend_publishing_lag_seconds"]) == (
        {ONE: 0},
        {ONE: 0},
    )


def test_shops_are_counted_by_state_and_each_is_named_once(installation, shop):
    other = register(installation, name="other")
    with installation.db.begin() as connection:
        shops.set_unreachable(connection, other.id, app_id=other.app_id)
    found = scrape(installation)
    assert found["herkend_shops"] == {
        ("active",): 1,
        ("paused",): 0,
        ("unreachable",): 1,
        ("uninstalled",): 0,
    }
    assert found["herkend_shop_info"] == {
        ("shop.example", "1", "active"): 1,
        ("other.example", "2", "unreachable"): 1,
    }


def test_calls_to_shops_add_up_by_operation_and_outcome(installation, shop):
    with installation.db.begin() as connection:
        for _ in range(2):
            store.add_calls(
                connection, {(shop.id, "ShopFacts", "ok"): (2, 0.5), (shop.id, "ShopFacts", "away"): (1, 3.0)}
            )
    found = scrape(installation)
    assert found["herkend_saleor_calls_total"] == {("ShopFacts", "ok", "1"): 4, ("ShopFacts", "away", "1"): 2}
    seconds = found["herkend_saleor_call_seconds_total"]
    assert seconds == {("ShopFacts", "ok", "1"): 1.0, ("ShopFacts", "away", "1"): 6.0}


def test_jobs_that_wait_are_counted(installation, shop):
    from plugin.queue import PUBLISH, READ, ask

    other = register(installation, name="other")
    with installation.db.begin() as connection:
        ask(connection, READ, [shop.id, other.id])
        ask(connection, PUBLISH, [shop.id])
    found = scrape(installation)
    assert found["herkend_jobs"] == {("todo", "herkend:read"): 2, ("todo", "herkend:publish"): 1}


def test_the_timetable_tells_when_it_last_ended_well_and_whether_it_failed_since(installation):
    now = installation.clock()
    with installation.db.begin() as connection:
        for name, problem in (("erase", None), ("forget", None), ("forget", "It failed.")):
            store.begun(connection, name, now=now)
            store.ended(connection, name, problem=problem, now=now)
        store.begun(connection, "grow-older", now=now)
    found = scrape(installation)
    ended_well = found["herkend_timetable_last_success_timestamp_seconds"]
    assert ended_well == {(name,): pytest.approx(now.timestamp()) for name in ("erase", "forget")}
    failed = found["herkend_timetable_last_run_failed"]
    assert failed == {("erase",): 0, ("forget",): 1, ("grow-older",): 0}


def test_beyond_a_hundred_shops_there_are_only_sums(installation):
    many = [register(installation, name=f"shop-{number}") for number in range(store.APART)]
    keep(installation, many[0], "order_created", b"1")
    apart = scrape(installation)["herkend_deliveries_waiting"]
    keep(installation, register(installation, name="one-more"), "order_created", b"1")
    with installation.db.begin() as connection:
        store.add_calls(connection, {(shop.id, "ShopFacts", "ok"): (1, 0.5) for shop in many})
    found = scrape(installation)
    assert (len(apart), apart[ONE]) == (store.APART, 1)
    assert (found["herkend_deliveries_waiting"], found["herkend_publications_due"]) == ({(): 2}, {(): 0})
    assert found["herkend_saleor_calls_total"] == {("ShopFacts", "ok"): 100}
    assert "herkend_shop_info" not in found


def test_a_scrape_sends_the_same_few_statements_however_many_shops_there_are(installation):
    def sent() -> list[str]:
        with statements(installation) as seen:
            scrape(installation)
        return [it for it in seen if "alembic" not in it]

    register(installation)
    one = sent()
    for number in range(3):
        want(installation, register(installation, name=f"shop-{number}"), "user-1")
    assert sent() == one
    assert len(one) <= 10


OLD = """
    INSERT INTO deliveries (shop_id, event, body_sha256, body, received_at, state)
    SELECT :id, 'order_created', int4send(n), '{}', now(), :state FROM generate_series(CAST(:first AS int), :last) n
"""


def test_a_scrape_does_not_read_the_deliveries_that_are_done(installation, shop):
    """Even when the statistics are from a time with a long queue."""
    run(installation, OLD, id=shop.id, state="new", first=1, last=5000)
    run(installation, "ANALYZE deliveries")
    run(installation, "UPDATE deliveries SET state = 'done'")
    with installation.db.begin() as connection:
        connection.execute(store.CAREFULLY)
        values = {"apart": True, "now": installation.clock()}
        plan = "\n".join(connection.execute(text(f"EXPLAIN {store.BACKLOGS.text}"), values).scalars())
    assert ("ix_deliveries_new" in plan, "Seq Scan on deliveries" in plan) == (True, False)
    assert "Seq Scan on persons" not in plan
    assert "Seq Scan on publications" not in plan


def test_a_dead_worker_shows(installation, clock):
    Beat(installation, kind="worker").perhaps()
    alive = scrape(installation)["herkend_processes"]
    clock.move(seconds=store.LATELY / timedelta(seconds=1) + 1)
    dead = scrape(installation)["herkend_processes"]
    assert (alive, dead) == ({("web",): 0, ("worker",): 1}, {("web",): 0, ("worker",): 0})
