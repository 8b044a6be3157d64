"""The key of the tokens is lost: the shop's work stops with a clear sentence, and installing again is the way back."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from plugin.secret import Vault, new_key
from plugin.shops import store
from tests.journeys.conftest import served, wait_until, working


@pytest.fixture
def restarted(idle_world):
    """The same installation started again, with another key; what the shop knows of it still works."""
    other = replace(idle_world.installation, vault=Vault([new_key()]))
    with served(other) as there:
        yield there


def buy(world, buyer):
    return world.shop.place_order(buyer, total="25.00")


def failures(world) -> int:
    return world.count("SELECT failures FROM shops")


def test_work_stops_with_one_clear_sentence_and_goes_on_once_the_app_is_installed_again(
    idle_world, restarted, clock
):
    world = idle_world
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.shop.requests.clear()

    def tried_again() -> bool:
        clock.move(seconds=2)
        return failures(world) > 3

    with capture_logs() as logs, working(restarted):
        wait_until(tried_again, what="it was tried several times")
    said = [entry["problem"] for entry in logs if entry["log_level"] in {"error", "critical"}]
    assert (len(said), "install the app again" in said[0]) == (1, True)
    assert (world.shop.requests.all(), world.tier(ada)) == ([], None)

    with working(restarted):
        world.shop.delete_app()
        world.shop.deliveries.settle()
        wait_until(lambda: world.count("SELECT count(*) FROM shops WHERE token IS NULL") == 1, what="it left")
        world.shop.install(f"{restarted.settings.url}/api/manifest")
        world.settle()
    with world.installation.db.begin() as connection:
        shop = store.named(connection, world.shop.api_url)
        kept = store.policy(connection, shop.id).publish
    assert (shop.state, kept, world.tier(ada)) == ("active", True, "one-time")


def test_the_key_put_back_is_enough_too(idle_world, restarted, clock):
    world = idle_world
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    with working(restarted):
        wait_until(lambda: failures(world) > 0, what="it was tried in vain")
    clock.move(minutes=5)
    with working(world.installation):
        world.settle()
    assert (world.tier(ada), failures(world)) == ("one-time", 0)


def test_a_lost_key_of_one_shop_holds_up_no_other(idle_world, restarted, make_shop, clock):
    world = idle_world
    other = make_shop(clock=clock)
    other.install(f"{restarted.settings.url}/api/manifest")
    with restarted.db.begin() as connection:
        store.release(connection, store.named(connection, other.api_url).id, by="test", now=restarted.clock())
    buy(world, world.confirmed("ada@example.com"))
    twin = other.confirm_account(other.register_account("ada@example.com"))
    other.place_order(twin, total="25.00")
    with working(restarted):
        wait_until(
            lambda: other.account(twin.id).metadata.get("herkend.tier") == "one-time", what="it is told"
        )
