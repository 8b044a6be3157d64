"""What watches sees what really happened, and a trace goes from Saleor's delivery to what Saleor is asked for it."""

import io
import json
import logging
import sys
from collections import Counter
from dataclasses import replace

import pytest
import structlog

from plugin import log
from plugin.app import create_app
from plugin.health import beat
from plugin.trace import parse
from tests.health.scraping import scrape
from tests.health.test_spans import collecting
from tests.journeys.conftest import wait_until, working


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.05)


def calls(world) -> dict[tuple[str, str], float]:
    """How often the shop was asked, by operation and outcome."""
    found = scrape(world.installation).get("herkend_saleor_calls_total", {})
    return {(operation, outcome): count for (operation, outcome, _), count in found.items()}


def test_the_metrics_show_what_happened(world):
    for number in range(3):
        world.shop.place_order(world.confirmed(f"buyer.{number}@example.com"), total="25.00")
    world.settle()
    asked = Counter((request.name, "ok") for request in world.shop.requests.all() if request.operation)
    del asked["AppIdentity", "ok"], asked["ShopFacts", "ok"]  # registering: the shop has no number yet
    wait_until(lambda: {key: calls(world).get(key) for key in asked} == asked, what="all calls are counted")
    found = scrape(world.installation)
    done = world.count("SELECT count(*) FROM deliveries WHERE state = 'done'")
    assert found["herkend_deliveries_processed_total"] == {("1", "done"): done}
    still = {
        name: found[f"herkend_{name}"]
        for name in ("deliveries_waiting", "oldest_delivery_age_seconds", "deliveries_dead", "persons_to_read",
                     "reviews_due", "publications_due", "publishing_lag_seconds")
    }  # fmt: skip
    assert still == {name: {("1",): 0} for name in still}
    assert min(found["herkend_saleor_call_seconds_total"].values()) > 0
    assert found["herkend_processes"] == {("web",): 0, ("worker",): 1}


def test_calls_that_go_wrong_are_told_apart(world):
    faults = [("throttled", {"status": 429}), ("away", {"status": 500}), ("refused", {"status": 401})]
    for number, (outcome, fault) in enumerate(faults):
        world.shop.faults.add("status", times=1, **fault)
        world.shop.place_order(world.confirmed(f"buyer.{number}@example.com"), total="25.00")
        wait_until(lambda outcome=outcome: any(key[1] == outcome for key in calls(world)), what=outcome)


def test_what_a_shop_is_asked_goes_on_under_the_trace_of_the_delivery(idle_world):
    world = idle_world
    world.shop.requests.clear()
    buyer = world.confirmed("ada@example.com")
    world.shop.place_order(buyer, total="25.00")
    world.shop.deliveries.settle()
    (order,) = (it for it in world.shop.deliveries.all(event="ORDER_CREATED") if it.app_id)
    with working(world.installation):
        world.settle()
    came = {parse(it.traceparent).trace_id for it in world.shop.deliveries.all()}
    asked = [parse(request.traceparent) for request in world.shop.requests.all()]
    assert [request.operation for request in world.shop.requests.all()] == ["query", "mutation"]
    assert (len({it.trace_id for it in asked}), {it.trace_id for it in asked} <= came) == (1, True)
    assert {it.flags for it in asked} == {parse(order.traceparent).flags}
    spans = {parse(it.traceparent).span_id for it in world.shop.deliveries.all()}
    assert len({it.span_id for it in asked} - spans) == len(asked)


def test_what_time_alone_moves_follows_from_no_delivery(world, clock):
    from plugin.worker import grow_older

    world.shop.place_order(world.confirmed("ada@example.com"), total="25.00")
    world.settle()
    before = world.count("SELECT count(*) FROM traces")
    clock.move(days=800)
    grow_older(world.installation)
    world.settle()
    assert (before, world.count("SELECT count(*) FROM traces")) == (1, 0)


@pytest.fixture
def lines(monkeypatch, settings):
    """Log JSON as a process of its own would, read what it wrote, and leave no trace."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    monkeypatch.setattr(logging.Logger, "manager", logging.Manager(logging.root))
    log.configure(replace(settings, log_format="json"))
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)  # as it does itself, once, when it is imported
    yield lambda event: [
        line for line in map(json.loads, written.getvalue().splitlines()) if line["event"] == event
    ]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def buy_while_nobody_works(world) -> None:
    """Have all deliveries of one order wait together, and then the worker begin."""
    world.shop.place_order(world.confirmed("ada@example.com"), total="25.00")
    world.shop.deliveries.settle()
    with working(world.installation):
        world.settle()


def test_lines_of_the_log_say_of_which_shop_job_and_trace_they_are(lines, idle_world):
    buy_while_nobody_works(idle_world)
    (published,) = lines("standing published")
    shown = {name: published[name] for name in ("shop", "person", "task", "level", "logger")}
    assert shown == {
        "shop": 1, "person": 1, "task": "herkend:publish", "level": "info", "logger": "plugin.tiers.publish",
    }  # fmt: skip
    (read,) = lines("history read")
    assert (read["shop"], read["task"], read["trace_id"]) == (1, "herkend:read", published["trace_id"])
    assert (isinstance(read["job"], int), read["job"] != published["job"], "delivery" in read) == (
        True,
        True,
        False,
    )


def test_a_line_about_one_delivery_says_which_and_nothing_of_the_next(lines, idle_world, monkeypatch):
    from webhooks import process

    world = idle_world
    understand = process.understand

    def careless(delivery):
        if delivery.event == "order_paid":
            raise ValueError("ada@example.com")
        return understand(delivery)

    monkeypatch.setattr(process, "understand", careless)
    buy_while_nobody_works(world)
    (dead,) = lines("dead letter")
    (paid,) = (it for it in world.shop.deliveries.all(event="ORDER_PAID") if b"OrderPaid" in it.body)
    number = world.count("SELECT id FROM deliveries WHERE state = 'dead'")
    shown = {name: dead[name] for name in ("shop", "delivery", "webhook", "trace_id", "problem")}
    assert shown == {
        "shop": 1, "delivery": number, "webhook": "order_paid", "problem": "ValueError",
        "trace_id": parse(paid.traceparent).trace_id,
    }  # fmt: skip
    assert [line for line in lines("history read") if "delivery" in line or "webhook" in line] == []
    assert structlog.contextvars.get_contextvars() == {}


@pytest.fixture
def collector(monkeypatch):
    """A collector that the environment of the installation names."""
    with collecting() as (address, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        yield found


def test_spans_tell_of_a_delivery_and_of_what_followed_from_it(collector, idle_world):
    world = idle_world
    buy_while_nobody_works(world)
    (mutation,) = (it for it in world.shop.requests.all() if it.operation == "mutation")
    (published,) = collector.named("publish")
    assert mutation.traceparent.split("-")[1:3] == [published.trace_id.hex(), published.span_id.hex()]
    processed = {span.trace_id.hex(): span for span in collector.named("process delivery")}
    assert len(processed) == world.count("SELECT count(*) FROM deliveries")
    cause = processed[published.trace_id.hex()]
    (read,) = collector.named("read history")
    assert read.trace_id == published.trace_id == cause.trace_id
    assert cause.start_time_unix_nano < min(cause.end_time_unix_nano, read.start_time_unix_nano)
    taken_in = {span.trace_id.hex(): span for span in collector.named("take in delivery")}
    assert {parse(it.traceparent).trace_id for it in world.shop.deliveries.all()} == set(taken_in)
    assert taken_in[cause.trace_id.hex()].parent_span_id == cause.parent_span_id


def test_a_stranger_makes_no_span(collector, idle_world):
    client = create_app(idle_world.installation).test_client()
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    assert client.post("/api/webhooks/order-created", json={}, headers=trace).status_code == 400
    assert client.get("/healthz", headers=trace).status_code == 200
    idle_world.installation.spans.close()
    assert {span.trace_id.hex() for span in collector.spans} == set()
