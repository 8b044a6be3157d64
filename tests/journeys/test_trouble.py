"""The shop does not answer well: trouble is waited out, nothing counts as done, and one customer holds up no other."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from plugin import log
from tests.journeys.conftest import wait_until


def buy(world, buyer=None, **details):
    return world.shop.place_order(buyer, total="25.00", **details)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "status", "status": 500},
        {"kind": "nonsense"},
        {"kind": "close"},
    ],
    ids=["429", "500", "nonsense", "closed"],
)
def test_trouble_is_waited_out_and_nothing_counts_as_done(world, fault):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.faults.add(**fault, times=2)
    buy(world, ada)
    world.settle()
    assert world.tier(ada) == "one-time"


def test_an_answer_that_is_lost_is_asked_for_again_and_comes_to_the_same(world):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.faults.add("drop", times=2)
    buy(world, ada)
    world.settle()
    assert world.tier(ada) == "one-time"


def test_retry_after_is_honoured(world):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.faults.add("status", status=429, retry_after=3, times=1)
    world.shop.requests.clear()
    buy(world, ada)
    world.settle()
    refused, asked_again = world.shop.requests.all()[:2]
    assert (asked_again.at - refused.at).total_seconds() >= 3


def test_one_customer_the_shop_does_not_take_holds_up_nobody(world):
    people = [world.confirmed(f"{name}@example.com") for name in ("ada", "bob", "cas", "dee")]
    world.settle()
    world.shop.faults.add("target", target=people[1].gid)
    for person in people:
        buy(world, person)
    wait_until(
        lambda: [world.tier(person) for person in people] == ["one-time", None, "one-time", "one-time"],
        what="the others are told",
    )
    problem = "SELECT count(*) FROM publications WHERE problem IS NOT NULL AND retry_at IS NOT NULL"
    wait_until(lambda: world.count(problem) == 1, what="the refusal is noted")


def test_a_customer_deleted_meanwhile_is_given_up_and_holds_up_nobody(world):
    ada, bob = (world.confirmed(f"{name}@example.com") for name in ("ada", "bob"))
    world.settle()
    world.shop.faults.add("status", status=500, times=1)
    for person in (ada, bob):
        buy(world, person)
    world.shop.deliveries.hold()
    world.shop.delete_customer(ada)
    wait_until(lambda: world.tier(bob) == "one-time", what="the other is told")
    world.shop.deliveries.release()
    world.settle()
    assert world.count("SELECT count(*) FROM publications WHERE failures > 3") == 0


def test_a_missing_permission_is_waited_for_and_does_not_make_the_shop_unreachable(world, clock):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.grant("MANAGE_ORDERS")
    buy(world, ada)
    world.shop.deliveries.settle()
    wait_until(
        lambda: world.count("SELECT count(*) FROM deliveries WHERE state <> 'done'") >= 1,
        what="it is noticed",
    )
    world.shop.grant("MANAGE_ORDERS", "MANAGE_USERS")
    with world.installation.db.begin() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'new' WHERE state = 'dead'")
    world.shop.rename(ada, first_name="Ada", last_name="Lab")
    clock.move(seconds=70)
    world.settle()
    assert (world.tier(ada), world.count("SELECT count(*) FROM shops WHERE state = 'active'")) == (
        "one-time",
        1,
    )


@pytest.fixture
def own_log():
    """Log as a process of its own would, libraries too, and leave the log as it was."""
    loggers = {name: logging.getLogger(name) for name in (None, *log.TALKATIVE)}
    before = {name: (logger.handlers, logger.level) for name, logger in loggers.items()}
    yield log.configure
    for name, logger in loggers.items():
        logger.handlers = before[name][0]
        logger.setLevel(before[name][1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_no_token_and_no_body_ever_stand_in_the_log(world, own_log, capfd):
    own_log(replace(world.installation.settings, log_level="debug"))
    ada = world.confirmed("ada.lovelace@example.com")
    world.shop.faults.add("status", status=500, times=1)
    buy(world, ada)
    world.settle()
    written = "".join(capfd.readouterr())
    assert "standing published" in written
    assert not [secret for secret in (world.shop.app.token, "lovelace", "OrderCreated") if secret in written]


def test_an_order_with_one_unreadable_field_is_no_dead_letter(world):
    """As in Saleor's own sample shops: an empty `origin` takes the whole order of a delivery with it."""
    ada = world.confirmed("ada@example.com")
    world.settle()
    buy(world, ada, origin="")
    world.settle()
    assert world.count("SELECT count(*) FROM deliveries WHERE state = 'dead'") == 0
    assert world.tier(ada) == "one-time"


def test_a_known_customers_order_costs_one_write_though_it_is_paid_a_moment_later(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada, created=world.installation.clock() - timedelta(days=30))
    world.settle()
    world.shop.requests.clear()
    order = world.shop.place_order(ada, total="25.00", paid=False)
    world.settle()
    unpaid = world.shop.requests.mutations()
    world.shop.mark_paid(order)
    world.settle()
    assert (unpaid, world.tier(ada), len(world.shop.requests.mutations())) == ([], "returning", 2)


def test_customers_the_shop_refuses_to_have_written_on_do_not_keep_a_guest_waiting_for_ever(
    empty_world, clock
):
    """Without MANAGE_USERS no account can be written on; a guest's order needs MANAGE_ORDERS only."""
    world = empty_world
    world.install(publish=False)
    people = [world.confirmed(f"{name}@example.com") for name in ("ada", "bob")]
    guest = buy(world, email="guest@example.com")
    world.settle()
    for person in people:
        buy(world, person)
    world.settle()
    world.shop.grant("MANAGE_ORDERS")
    world.publish()

    def told() -> bool:
        clock.move(seconds=30)  # a refusal is waited out for a minute
        return world.standing(guest) is not None

    wait_until(told, what="the guest is told")
    assert [world.tier(person) for person in people] == [None, None]
