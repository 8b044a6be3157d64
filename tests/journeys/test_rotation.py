"""The key changes while everything runs: nothing is restarted, nothing stops, and what comes later uses the new one."""

from dataclasses import replace

import pytest

from plugin import keyfile
from plugin.installation import install
from plugin.secret import Secret, Vault
from plugin.shops import keys, store
from tests.journeys.conftest import World, served, working


@pytest.fixture
def own(installation, database_url, settings, clock, tmp_path):
    """Start parts of an installation with its own key file, each as a process of its own would."""
    started = []

    def start():
        read = keyfile.read_or_make(tmp_path)
        mine = replace(settings, keys=read, key_file=tmp_path / keyfile.NAME)
        started.append(install(mine, database_url=database_url, clock=clock))
        return started[-1]

    yield start
    for each in started:
        each.db.close()


def opened_by_newest(world: World) -> Secret:
    newest = keyfile.read(world.installation.settings.key_file)[0]
    with world.installation.db.begin() as connection:
        return Vault([newest]).unlock(store.named(connection, world.shop.api_url).token)


def test_web_and_worker_go_on_through_two_rotations_and_an_installation_between(own, make_shop, clock):
    with served(own()) as web, working(own()):
        world = World(web, make_shop(clock=clock), f"{web.settings.url}/api/manifest")
        world.install()
        ada, bob, cas = (world.confirmed(f"{name}@example.com") for name in ("ada", "bob", "cas"))
        first = keys.rotate(own())
        world.shop.place_order(ada, total="25.00")
        world.settle()
        after_first = opened_by_newest(world)
        world.shop.delete_app()
        world.settle()
        world.install(publish=False)
        installed_again = opened_by_newest(world)
        world.shop.place_order(bob, total="25.00")
        second = keys.rotate(own())
        world.shop.place_order(cas, total="25.00")
        world.settle()
        told = [world.tier(person) for person in (ada, bob, cas)]
    assert (first.renewed, second.renewed, told) == (1, 1, ["one-time"] * 3)
    assert after_first != installed_again == Secret(world.shop.app.token)


def test_what_started_before_a_rotation_and_reads_only_afterwards_finds_its_way(own, make_shop, clock):
    early = own()
    with served(own()) as web:
        world = World(web, make_shop(clock=clock), f"{web.settings.url}/api/manifest")
        world.install()
        ada = world.confirmed("ada@example.com")
        world.shop.place_order(ada, total="25.00")
        for _ in range(3):
            keys.rotate(own())
        with working(early):
            world.settle()
        told = world.tier(ada)
    assert (told, len(keyfile.read(early.settings.key_file))) == ("one-time", 2)
