"""Deliveries come twice, late, shuffled, and to two workers; the result is the same, and the shop is asked no more."""

import json
import random

from tests.journeys.conftest import wait_until, working


def buy(world, buyer=None, **details):
    return world.shop.place_order(buyer, total="25.00", **details)


def of_the_app(world, event: str | None = None):
    return [
        delivery for delivery in world.shop.deliveries.all(event=event) if b"OrderCreated" in delivery.body
    ]


def test_the_same_delivery_ten_times_changes_nothing_and_costs_nothing(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    world.shop.requests.clear()
    delivery = world.shop.deliveries.all(event="ORDER_CREATED")[0]
    answers = [world.shop.deliveries.resend(delivery).status for _ in range(10)]
    world.settle()
    assert (answers, world.shop.requests.all(), world.tier(ada)) == ([202] * 10, [], "one-time")


def test_shuffled_and_repeated_deliveries_to_two_workers_come_to_the_same_and_cost_no_more(world):
    world.shop.deliveries.hold()
    ada = world.confirmed("ada@example.com")
    for _ in range(3):
        order = buy(world, ada)
    world.shop.cancel(order)
    world.shop.refund(buy(world, ada))
    world.shop.requests.clear()
    with working(world.installation):
        draw = random.Random(7)
        world.shop.deliveries.release(lambda held: draw.sample(held * 10, k=len(held) * 10))
        world.settle()
    statuses = "SELECT count(*) FROM orders WHERE status = 'CANCELED' OR refunded = gross"
    assert (world.tier(ada), world.count(statuses)) == ("one-time", 2)
    assert {change.kind for change in world.shop.requests.mutations()} == {
        "updateMetadata",
        "updatePrivateMetadata",
    }
    assert len(world.shop.requests.mutations()) == 2


def test_ten_events_of_one_person_that_wait_together_cost_one_read_and_one_write(idle_world):
    world = idle_world
    world.shop.deliveries.hold()
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.shop.fulfil(buy(world, ada))
    assert len(world.shop.deliveries.held()) >= 10
    world.shop.requests.clear()
    world.shop.deliveries.release()
    with working(world.installation):
        world.settle()
    assert [request.operation for request in world.shop.requests.all()] == ["query", "mutation"]


def test_our_own_writes_come_back_as_events_and_are_not_kept(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    echoes = [
        one for one in world.shop.deliveries.all(event="CUSTOMER_METADATA_UPDATED") if _by_us(world, one)
    ]
    assert len(echoes) > 0
    assert {one.attempts[-1].status for one in echoes} == {202}
    assert world.count("SELECT count(*) FROM deliveries WHERE event = 'customer_metadata_updated'") == 0


def _by_us(world, delivery) -> bool:
    principal = json.loads(delivery.body)["issuingPrincipal"]
    return principal is not None and principal["id"] == world.shop.app.gid


def test_an_outage_of_the_app_is_outlived_by_the_shops_own_retries(world):
    from plugin.errors import Transient

    ada = world.confirmed("ada@example.com")
    world.settle()
    begin, world.installation.db.begin = world.installation.db.begin, None
    try:
        world.installation.db.begin = _away(Transient("The database cannot be reached."))
        buy(world, ada)
        wait_until(
            lambda: any(len(one.attempts) > 1 for one in world.shop.deliveries.all(event="ORDER_CREATED")),
            what="the shop tries again",
        )
        tried = world.shop.deliveries.all(event="ORDER_CREATED")[0].attempts[0].status
    finally:
        world.installation.db.begin = begin
    world.settle()
    assert (tried, world.tier(ada)) == (503, "one-time")


def _away(error):
    def begin():
        raise error

    return begin
