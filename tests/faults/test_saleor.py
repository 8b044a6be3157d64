"""The shop's API is down for a day, or stops in the middle of its answers: it is told all in the end."""

from datetime import timedelta
from functools import partial

import pytest

import plugin.worker
from plugin.shops.store import LONGEST_HOLD
from sandbox.shop import Shop
from tests.conftest import Clock
from tests.faults.conftest import crowd, more
from tests.faults.invariants import assert_all_is_well, settle
from tests.journeys.conftest import wait_until

soak = pytest.mark.soak
DAY = timedelta(days=1)
# 1 + 2 + 4 ... seconds until it is the longest wait; reading and publishing take turns at finding out.
FIRST_CALLS = 9
LANES = 2
UNDER_WAY = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'"
HELD = "SELECT count(*) FROM shops WHERE hold_until > '{}'"


@pytest.fixture
def quick_sweeps(monkeypatch):
    monkeypatch.setattr(plugin.worker, "SWEEP_SECONDS", 0.05)


@pytest.fixture
def rows(world):
    def rows(query: str) -> list[tuple]:
        with world.installation.db.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    return rows


@pytest.mark.parametrize(
    "steps", [pytest.param(8, id="seldom"), pytest.param(24 * 12 * 2, id="often", marks=soak)]
)
def test_a_shop_that_is_down_for_a_day_is_asked_seldom_and_told_all_when_it_is_back(
    quick_sweeps, world, clock, rows, steps
):
    customers = crowd(world)
    world.settle()
    world.shop.requests.clear()
    world.shop.faults.add("status", status=503)
    with customers.busy():
        more(customers, 20)
    for _ in range(steps):
        clock.move(seconds=DAY.total_seconds() / steps)
        wait_until(
            lambda: rows(HELD.format(clock().isoformat())) == [(1,)], what="it was asked again, in vain"
        )
    # One lane has found out; the other may be at it, and would have the shop left alone from the later time on.
    wait_until(lambda: rows(UNDER_WAY) == [(0,)], what="whoever asked has noticed")
    asked = len(world.shop.requests.all())
    assert asked <= LANES * (FIRST_CALLS + min(steps, DAY / LONGEST_HOLD))
    world.shop.faults.clear()
    clock.move(seconds=LONGEST_HOLD.total_seconds())
    settle(rows, world.shop)
    assert_all_is_well(rows, customers, answers=(202,))


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("half", 1),
        pytest.param("drop", 1, marks=soak),
        pytest.param("half", 20, marks=soak),
        pytest.param("drop", 20, marks=soak),
    ],
    ids=["half", "drop", "half, often", "drop, often"],
)
def test_answers_that_stop_half_way_or_never_come_are_asked_for_again(  # noqa: PLR0917 - fixtures
    quick_sweeps, world, clock, rows, kind, times
):
    customers = crowd(world)
    world.settle()
    with customers.busy():
        for _ in range(times):
            more(customers, 4)
            world.shop.faults.add(kind, times=1)
            wait_until(partial(lost, world.shop, clock), what="an answer was lost")
    # The wait for the shop begins when the asker notices: only then may the clock leave it behind.
    wait_until(lambda: rows(UNDER_WAY) == [(0,)], what="whoever asked has noticed")
    clock.move(seconds=LONGEST_HOLD.total_seconds())
    settle(rows, world.shop)
    assert_all_is_well(rows, customers, answers=(202,))


def lost(shop: Shop, clock: Clock) -> bool:
    """Tell whether the answer was lost; time flies until then, as the shop is left alone for a while each time."""
    clock.move(seconds=2)
    return shop.faults.active() == []
