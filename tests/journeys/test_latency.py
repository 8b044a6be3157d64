"""How long it takes, when all is idle, from the answer to a webhook until the tier arrives in the shop."""

import sys
from datetime import timedelta
from math import isfinite
from statistics import median

ORDERS = 15


def test_the_tier_of_a_new_customer_arrives_soon_after_the_order(world, capsys, record_property):
    waits = sorted(seconds_until_told(world, number) for number in range(ORDERS))
    told = f"p50 from the 202 to the mutation at the shop: {median(waits):.3f} s (slowest {waits[-1]:.3f} s)"
    record_property("latency", told)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert all(isfinite(wait) for wait in waits)


def seconds_until_told(world, number: int) -> float:
    """Let somebody buy of whom the app has never heard, and nobody else."""
    with world.shop.silently():
        buyer = world.confirmed(f"buyer.{number}@example.com")
    before = len(world.shop.deliveries.all())
    world.shop.place_order(buyer, total="25.00")
    world.settle()
    taken = min(
        attempt.at + timedelta(milliseconds=attempt.ms)
        for delivery in world.shop.deliveries.all()[before:]
        for attempt in delivery.attempts
        if attempt.status == 202
    )
    arrived = min(mutation.at for mutation in world.shop.requests.mutations(target_id=buyer.gid))
    return (arrived - taken).total_seconds()
