"""What is remembered of shops is a few seconds old at most, and of bounded size."""

import pytest
from sqlalchemy import event

from plugin.shops import known, store
from plugin.shops.known import KnownShops
from tests import told as shops_told

HERE = "https://shop.example/graphql/"


class Steady:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def shops(installation, steady):
    return KnownShops(installation.db, steady=steady)


def register(installation, **told):
    return shops_told.register(installation, **{"api_url": HERE, **told})


def uninstall(installation, shop) -> None:
    with installation.db.begin() as connection:
        store.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())


def test_a_shop_is_remembered_for_some_seconds_and_no_longer(installation, shops, steady):
    first = register(installation)
    assert shops.look_up(HERE) == first
    register(installation, app_id="QXBwOjI=")
    steady.now += known.REMEMBERED - 0.001
    assert shops.remembered(HERE) == first
    steady.now += 0.001
    assert shops.remembered(HERE) is None


def test_looking_it_up_tells_how_it_is_now_and_is_remembered(installation, shops):
    register(installation)
    shops.look_up(HERE)
    again = register(installation, app_id="QXBwOjI=")
    assert [shops.look_up(HERE), shops.remembered(HERE)] == [again, again]


def test_a_stranger_is_not_remembered_so_that_a_shop_is_known_as_soon_as_it_registers(installation, shops):
    assert shops.look_up(HERE) is None
    shop = register(installation)
    assert shops.look_up(HERE) == shop


def test_a_shop_that_left_is_not_remembered_as_installed(installation, shops):
    shop = register(installation)
    shops.look_up(HERE)
    uninstall(installation, shop)
    assert [shops.look_up(HERE), shops.remembered(HERE)] == [None, None]


def test_the_list_of_addresses_is_read_once_a_second_however_many_are_asked_for(installation, shops, steady):
    asked = []
    event.listen(installation.db.engine, "before_cursor_execute", lambda *it: asked.append(it[2]))
    assert [shops.listed(f"https://{number}.example/graphql/") for number in range(5)] == [False] * 5
    steady.now += known.LISTED
    shops.listed(HERE)
    assert len(asked) == 2


def test_a_shop_that_registers_is_listed_a_second_later(installation, shops, steady):
    shops.listed(HERE)
    register(installation)
    steady.now += known.LISTED
    assert shops.listed(HERE) is True


def test_no_more_shops_are_remembered_than_memory_is_meant_for(installation, shops, monkeypatch):
    monkeypatch.setattr(known, "MOST", 3)
    addresses = [f"https://{number}.example/graphql/" for number in range(5)]
    for address in addresses:
        register(installation, api_url=address)
        shops.look_up(address)
    assert [shops.remembered(address) is not None for address in addresses] == [False] * 3 + [True] * 2
