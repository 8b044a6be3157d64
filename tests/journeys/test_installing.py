"""Installing, switching off and on, uninstalling, and installing again; two shops that never meet."""

import pytest
from click.testing import CliRunner

from plugin.cli import main
from tests.journeys.conftest import wait_until


def buy(world, buyer=None, **details):
    return world.shop.place_order(buyer, total="25.00", **details)


def state(world) -> str:
    with world.installation.db.begin() as connection:
        from plugin.shops import store

        return store.named(connection, world.shop.api_url).state


@pytest.mark.parametrize("version", ["3.22", "3.23"])
def test_it_installs_in_either_version_and_hears_of_every_event_that_version_knows(
    empty_world, make_shop, clock, version
):
    empty_world.shop = make_shop(version=version, clock=clock)
    empty_world.install()
    hooks = {name.upper() for hook in empty_world.shop.app.webhooks for name in hook.events}
    assert (len(hooks), "CUSTOMER_DELETED" in hooks) == ((17, False) if version == "3.22" else (18, True))
    assert state(empty_world) == "active"
    ada = empty_world.confirmed("ada@example.com")
    buy(empty_world, ada)
    empty_world.settle()
    assert empty_world.tier(ada) == "one-time"


def test_until_it_is_released_it_decides_and_shows_and_writes_nothing(empty_world):
    world = empty_world
    world.install(publish=False)
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    assert (world.count("SELECT count(*) FROM standings WHERE tier = 'one-time'"), world.tier(ada)) == (
        1,
        None,
    )
    assert world.shop.requests.mutations(done=False) == []
    world.publish()
    world.settle()
    assert world.tier(ada) == "one-time"


def test_releasing_by_command_publishes_what_was_decided(empty_world, folder, monkeypatch):
    world = empty_world
    world.install(publish=False)
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    monkeypatch.setenv("HERKEND_DATA", str(folder / "db"))
    monkeypatch.setenv("HERKEND_KEYS", world.installation.settings.keys[0].reveal())
    assert CliRunner().invoke(main, ["shops", "publish", world.shop.domain]).exit_code == 0
    world.settle()
    assert world.tier(ada) == "one-time"


def test_uninstalling_ends_the_token_and_installing_again_finds_everything_as_it_was(world):
    ada = world.confirmed("ada@example.com")
    buy(world, ada)
    world.settle()
    world.shop.delete_app()
    world.settle()
    assert (state(world), world.count("SELECT count(*) FROM shops WHERE token IS NULL")) == ("uninstalled", 1)
    world.install(publish=False)
    buy(world, ada, created=world.installation.clock().replace(year=world.installation.clock().year - 1))
    world.settle()
    assert (state(world), world.tier(ada)) == ("active", "returning")


def test_a_delivery_for_a_former_installation_changes_nothing(world):
    world.shop.deliveries.hold()
    world.shop.delete_app()
    farewell = world.shop.deliveries.held()[0]
    world.shop.install(world.manifest_url)
    assert world.shop.deliveries.resend(farewell).status == 403
    world.settle()
    assert state(world) == "active"


def test_while_the_app_is_switched_off_work_waits_and_nothing_is_asked(world):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.deliveries.hold()
    buy(world, ada)
    world.shop.deactivate_app()
    world.shop.requests.clear()
    world.shop.deliveries.release(lambda held: held[::-1])
    wait_until(lambda: state(world) == "paused", what="the shop is paused")
    wait_until(
        lambda: world.count("SELECT count(*) FROM deliveries WHERE state = 'new'") == 0,
        what="all is processed",
    )
    waiting = world.shop.requests.all()
    world.shop.activate_app()
    world.settle()
    assert (waiting, state(world), world.tier(ada)) == ([], "active", "one-time")


def test_a_shop_whose_token_is_refused_is_left_alone_until_it_speaks_again(world):
    ada = world.confirmed("ada@example.com")
    world.settle()
    world.shop.deliveries.hold()
    world.shop.deactivate_app()  # nobody tells us: as on a 3.22
    buy(world, ada)
    with world.installation.db.begin() as connection:
        connection.exec_driver_sql("UPDATE persons SET read_due = 'epoch'")
    wait_until(lambda: state(world) == "unreachable", what="the refusal is noticed")
    world.shop.activate_app()
    world.shop.deliveries.release()
    world.settle()
    buy(world, ada)
    world.settle()
    assert (state(world), world.tier(ada)) == ("active", "one-time")


def test_another_shops_customers_are_never_touched(world, make_shop, clock):
    ada = world.confirmed("ada@example.com")
    other = make_shop(clock=clock)
    world.more.append(other)
    twin = other.confirm_account(other.register_account("ada@example.com"))
    assert twin.gid == ada.gid
    other.install(world.manifest_url)
    buy(world, ada)
    world.settle()
    assert (world.tier(ada), other.account(twin.id).metadata, other.requests.mutations(done=False)) == (
        "one-time",
        {},
        [],
    )


def test_a_delivery_signed_by_one_shop_is_refused_in_the_name_of_another(world, make_shop, clock):
    import requests

    other = make_shop(clock=clock)
    other.install(world.manifest_url)
    buy(world, email="ada@example.com")
    world.settle()
    delivery = world.shop.deliveries.all(event="ORDER_CREATED")[0]
    before = world.count("SELECT count(*) FROM deliveries")
    answer = requests.post(
        delivery.url,
        data=delivery.body,
        headers={
            "Saleor-Api-Url": other.api_url,
            "Saleor-Event": "order_created",
            "Saleor-Signature": delivery.signature,
        },
        timeout=5,
    )
    assert (answer.status_code, world.count("SELECT count(*) FROM deliveries")) == (401, before)


def test_what_was_bought_while_the_app_was_switched_off_counts_once_the_customer_is_heard_of_again(world):
    ada = world.confirmed("ada@example.com")
    clock = world.installation.clock
    buy(world, ada, created=clock().replace(year=clock().year - 1))
    world.settle()
    world.shop.deactivate_app()
    wait_until(lambda: state(world) == "paused", what="the shop is paused")
    for month in (2, 3):
        buy(world, ada, created=clock().replace(year=clock().year - 1, month=month, day=3))
    world.shop.activate_app()
    buy(world, ada)
    world.settle()
    assert world.tier(ada) == "regular"
