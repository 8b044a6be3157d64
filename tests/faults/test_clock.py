"""The machine's clock jumps under load: nothing waits for the hour or the day to come again."""

import pytest

import plugin.worker
from tests.faults.conftest import crowd, more
from tests.faults.invariants import assert_all_is_well, settle
from tests.journeys.conftest import World, served, wait_until, working

soak = pytest.mark.soak


@pytest.fixture
def world(installation, make_shop):
    """As the others' world, but the shop's own clock runs evenly: what it says of its orders stays in order."""
    with served(installation) as there, working(there):
        world = World(there, make_shop(), f"{there.settings.url}/api/manifest")
        world.install()
        yield world


@pytest.fixture
def rows(world):
    def rows(query: str) -> list[tuple]:
        with world.installation.db.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    return rows


@pytest.fixture
def quick_sweeps(monkeypatch):
    monkeypatch.setattr(plugin.worker, "SWEEP_SECONDS", 0.05)


@pytest.mark.parametrize(
    "jumps",
    [
        pytest.param((24,), id="a day on", marks=soak),
        pytest.param((-1,), id="an hour back", marks=soak),
        pytest.param((48, -48), id="two days on and back", marks=soak),
    ],
)
def test_a_clock_that_jumps_holds_up_nothing(quick_sweeps, world, clock, rows, jumps):
    customers = crowd(world)
    world.settle()
    with customers.busy():
        more(customers, 10)
        for hours in jumps:
            clock.move(hours=hours)
            more(customers, 10)
    settle(rows, world.shop)
    assert_all_is_well(rows, customers, answers=(202,))


def test_a_shop_that_was_to_be_waited_for_is_not_waited_for_longer_when_the_clock_goes_back(
    quick_sweeps, world, clock, rows
):
    customers = crowd(world)
    world.settle()
    world.shop.faults.add("status", status=429, retry_after=3600, times=1)
    with customers.busy():
        more(customers, 10)
        wait_until(lambda: world.shop.faults.active() == [], what="it asked to be left alone")
    clock.move(hours=-24)
    settle(rows, world.shop)
    assert_all_is_well(rows, customers, answers=(202,))
