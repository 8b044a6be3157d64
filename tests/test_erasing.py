"""What a shop left behind is erased when its time is over, and not under the hands of one that came back."""

import pytest
from sqlalchemy import event, text

from plugin.db import Database
from plugin.installation import install
from plugin.shops import store as shops
from plugin.worker import erase_left_shops
from tests.told import keep, register


@pytest.fixture
def other(installation, clock):
    """Another process of the same installation."""
    other = install(installation.settings, database_url=installation.db.url, clock=clock)
    yield other
    other.db.close()


def leave(installation, shop) -> None:
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())


def deliveries_of(db: Database) -> list[int]:
    with db.begin() as connection:
        return list(connection.execute(text("SELECT shop_id FROM deliveries")).scalars())


def test_what_a_shop_left_behind_is_erased_after_thirty_days_and_not_before(installation, clock):
    first, second = register(installation), register(installation, name="later")
    for shop in (first, second):
        keep(installation, shop, "order_created", b"{}")
    leave(installation, first)
    clock.move(days=1)
    leave(installation, second)
    clock.move(days=29, seconds=1)
    erase_left_shops(installation)
    assert deliveries_of(installation.db) == [second.id]


@pytest.mark.parametrize("leaves_again", [False, True])
def test_a_shop_that_came_back_since_it_was_listed_is_not_erased(installation, clock, other, leaves_again):
    leave(installation, register(installation))
    clock.move(days=31)

    def come_back(*_) -> None:
        shop = register(other)
        keep(other, shop, "order_created", b"{}")
        if leaves_again:
            leave(other, shop)

    event.listen(installation.db.engine, "after_cursor_execute", come_back, once=True)
    erase_left_shops(installation)
    assert deliveries_of(installation.db) == [1]
