"""From an order in the shop to the tier on the customer, and back."""

from datetime import timedelta

import pytest

YEAR = timedelta(days=365)


def days_ago(world, *days: int):
    return [world.installation.clock() - timedelta(days=day) for day in days]


def buy(world, buyer=None, *, ago: int = 0, **details):
    (moment,) = days_ago(world, ago)
    return world.shop.place_order(buyer, total="25.00", created=moment, paid_at=moment, **details)


def test_a_first_order_makes_a_one_time_buyer(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    assert world.tier(ada) == "one-time"
    assert world.standing(ada)["tier"] == "one-time"


def test_the_fourth_purchase_day_makes_a_regular(world):
    ada = world.confirmed("ada@example.com")
    tiers = []
    for ago in (30, 20, 10, 0):
        buy(world, ada, ago=ago)
        world.settle()
        tiers.append(world.tier(ada))
    assert tiers == ["one-time", "returning", "returning", "regular"]


def test_a_customer_with_ten_old_orders_stands_right_after_the_eleventh(empty_world):
    world = empty_world
    ada = world.confirmed("ada@example.com")
    for number in range(10):
        buy(world, ada, ago=300 - number * 20)
    world.install()
    buy(world, ada)
    world.settle()
    assert world.tier(ada) == "regular"
    assert world.count("SELECT count(*) FROM orders") == 11


def test_orders_of_one_day_are_one_visit(world):
    ada = world.confirmed("ada@example.com")
    for _ in range(4):
        buy(world, ada)
    world.settle()
    assert world.tier(ada) == "one-time"


def test_an_unpaid_order_counts_once_it_is_paid(world):
    ada = world.confirmed("ada@example.com")
    order = world.shop.place_order(ada, total="25.00", paid=False)
    world.settle()
    before = world.tier(ada)
    world.shop.mark_paid(order)
    world.settle()
    assert (before, world.tier(ada)) == (None, "one-time")


def test_a_partial_refund_changes_nothing_but_spend(world):
    ada = world.confirmed("ada@example.com")
    order = buy(world, ada)
    world.settle()
    before = world.standing(ada)
    world.shop.requests.clear()
    world.shop.refund(order, "10.00")
    world.settle()
    assert (world.standing(ada), world.shop.requests.mutations()) == (before, [])
    assert world.count("SELECT gross - refunded FROM orders") == 15


@pytest.mark.parametrize("undo", ["refund", "cancel"])
def test_a_full_refund_and_a_cancellation_take_the_tier_back(world, undo):
    ada = world.confirmed("ada@example.com")
    buy(world, ada, ago=20)
    order = buy(world, ada)
    world.settle()
    before = world.tier(ada)
    getattr(world.shop, undo)(order)
    world.settle()
    assert (before, world.tier(ada)) == ("returning", "one-time")


def test_when_the_only_order_is_taken_back_nothing_stays_published(world):
    ada = world.confirmed("ada@example.com")
    order = buy(world, ada)
    world.settle()
    world.shop.cancel(order)
    world.settle()
    account = world.shop.account(ada.id)
    assert (account.metadata, account.private_metadata) == ({}, {})


def test_an_expired_order_takes_the_tier_back_although_its_updated_at_stays(world):
    ada = world.confirmed("ada@example.com")
    order = world.shop.place_order(ada, total="25.00", paid=False, confirmed=False)
    world.settle()
    world.shop.expire(order)
    world.settle()
    assert world.count("SELECT count(*) FROM orders WHERE status = 'EXPIRED'") == 1


def test_a_guest_stands_on_the_newest_order_alone(world):
    first = buy(world, email="Guest@Example.com", ago=40)
    world.settle()
    second = buy(world, email="guest@example.com")
    world.settle()
    assert (world.standing(first)["tier"], world.standing(second)["tier"]) == ("one-time", "returning")
    assert len(world.shop.requests.mutations(target_id=first.gid)) == 1


def test_guest_orders_join_a_confirmed_account_and_not_an_unconfirmed_one(world):
    world.shop.merge_on_confirm = False
    for ago in (30, 20):
        buy(world, email="ada@example.com", ago=ago)
    ada = world.shop.register_account("ada@example.com")
    world.settle()
    unconfirmed = world.standing(ada)
    world.shop.confirm_account(ada)
    world.settle()
    assert (unconfirmed, world.tier(ada)) == (None, "returning")


def test_what_saleor_links_to_an_unconfirmed_account_is_not_shown_to_it(world):
    stranger = world.shop.register_account("ada@example.com")
    buy(world, email="ada@example.com")
    world.settle()
    assert (world.tier(stranger), world.standing(stranger)["tier"]) == (None, "one-time")


def test_an_order_marked_as_paid_long_after_it_was_placed_counts_on_the_day_of_payment(world):
    ada = world.confirmed("ada@example.com")
    placed, paid = days_ago(world, 100, 3)
    order = world.shop.place_order(ada, total="25.00", created=placed, paid=False)
    world.shop.mark_paid(order, at=paid)
    world.settle()
    assert world.standing(ada)["since"] == paid.date().isoformat()


def test_a_standing_explains_itself_in_both_languages(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    reasons = world.standing(ada)["reasons"]
    assert (len(reasons["en"]) > 0, len(reasons["en"]) == len(reasons["nl"])) == (True, True)
