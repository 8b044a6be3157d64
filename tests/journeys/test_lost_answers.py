"""What the shop made of a request whose answer never came is not known; in the end it holds what is right."""

from tests.journeys.conftest import wait_until


def test_a_tier_written_without_our_knowing_is_taken_back_when_the_customer_is_where_he_was(world):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.faults.add("drop", times=1)
    order = world.shop.place_order(ada)
    wait_until(lambda: world.tier(ada) == "one-time", what="it is written and the answer lost")
    world.shop.cancel(order)
    world.settle()
    assert (world.tier(ada), world.standing(ada)) == (None, None)
