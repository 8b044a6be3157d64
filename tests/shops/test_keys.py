"""Keys change while everything runs: no token is lost, whoever writes one meanwhile, and wherever it is cut off."""

import threading
from dataclasses import replace

import pytest

from plugin import keyfile
from plugin.errors import Invalid
from plugin.installation import install
from plugin.secret import NoKeyFits, Secret, Vault, new_key
from plugin.shops import keys, store


@pytest.fixture
def key_file(tmp_path):
    keyfile.read_or_make(tmp_path)
    return tmp_path / keyfile.NAME


@pytest.fixture
def process(installation, settings, database_url, clock, key_file):
    """Start a process of an installation with its own key file: it has read the file as it is now."""
    opened = []

    def start():
        own = replace(settings, key_file=key_file, keys=keyfile.read(key_file))
        opened.append(install(own, database_url=database_url, clock=clock))
        return opened[-1]

    yield start
    for each in opened:
        each.db.close()


def shop_at(installation, name):
    """Take a shop in as its registration does."""
    with installation.db.begin() as connection:
        store.encrypting(connection)
        return store.register(
            connection,
            api_url=f"https://{name}.example/graphql/",
            domain=f"{name}.example",
            app_id="QXBwOjE=",
            token=installation.vault.lock(Secret("token")),
            saleor_version="3.23.28",
            jwks={"keys": []},
            main_currency=None,
            now=installation.clock(),
        )


def tokens(installation):
    with installation.db.begin() as connection:
        return [shop.token for shop in store.all_shops(connection)]


def numbers(rotation):
    return rotation.renewed, rotation.already, [shop.domain for shop in rotation.lost]


def test_every_token_moves_to_a_new_key_and_the_one_before_stays(process, key_file):
    web = process()
    (before,) = keyfile.read(key_file)
    for name in ("one", "two"):
        shop_at(web, name)
    done = keys.rotate(process())
    newest, previous = keyfile.read(key_file)
    assert (numbers(done), previous) == ((2, 0, []), before)
    assert [Vault([newest]).unlock(token) for token in tokens(web)] == [Secret("token")] * 2


def test_what_runs_goes_on_with_the_keys_it_read_at_its_start(process):
    web, worker = process(), process()
    shop_at(web, "one")
    keys.rotate(process())
    assert [worker.vault.unlock(token) for token in tokens(web)] == [Secret("token")]


def test_what_is_encrypted_after_a_rotation_rests_under_the_new_key_without_a_restart(process, key_file):
    web = process()
    keys.rotate(process())
    shop_at(web, "late")
    newest, _ = keyfile.read(key_file)
    assert Vault([newest]).unlock(*tokens(web)) == Secret("token")


def test_the_oldest_key_leaves_the_file_when_nothing_rests_under_it(process, key_file):
    web = process()
    (first,) = keyfile.read(key_file)
    shop_at(web, "one")
    for _ in range(3):
        keys.rotate(process())
    left = keyfile.read(key_file)
    assert (len(left), first in left, web.vault.unlock(*tokens(web))) == (2, False, Secret("token"))


def test_a_key_that_something_rests_under_never_leaves_the_file(process, key_file, monkeypatch):
    web = process()
    (first,) = keyfile.read(key_file)
    shop_at(web, "one")
    monkeypatch.setattr(store, "replace_token", lambda *_, **__: False)  # as if cut off each time
    for _ in range(3):
        keys.rotate(process())
    assert (first in keyfile.read(key_file), web.vault.unlock(*tokens(web))) == (True, Secret("token"))


def test_a_rotation_that_was_cut_off_is_ended_by_the_next(process, key_file, monkeypatch):
    web = process()
    for name in ("one", "two", "three"):
        shop_at(web, name)
    whole, calls = store.replace_token, []

    def cut_off(*arguments, **options):
        calls.append(options)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(store, "replace_token", cut_off)
        with pytest.raises(KeyboardInterrupt):
            keys.rotate(process())
    between = [web.vault.unlock(token) for token in tokens(web)]
    done = keys.rotate(process())
    newest = keyfile.read(key_file)[0]
    assert (between, numbers(done)) == ([Secret("token")] * 3, (3, 0, []))
    assert [Vault([newest]).unlock(token) for token in tokens(web)] == [Secret("token")] * 3


def test_shops_that_register_while_keys_change_again_and_again_are_never_lost(process):
    web = process()
    stop = threading.Event()

    def install_for_ever():
        number = 0
        while not stop.is_set():
            shop_at(web, f"shop{number % 5}")
            number += 1

    registering = threading.Thread(target=install_for_ever)
    registering.start()
    for _ in range(15):
        keys.rotate(process())
    stop.set()
    registering.join()
    assert keys.unopened(process()) == []


def test_two_rotations_at_once_lose_no_key(process):
    web = process()
    for number in range(5):
        shop_at(web, f"shop{number}")
    threads = [threading.Thread(target=keys.rotate, args=(process(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys.unopened(process()) == []


def test_with_keys_of_the_environment_the_first_takes_over_and_the_old_may_go(
    settings, database_url, clock, installation
):
    shop_at(installation, "one")
    keys_now = (new_key(), *settings.keys)
    both = install(replace(settings, keys=keys_now), database_url=database_url, clock=clock)
    first, again = keys.rotate(both), keys.rotate(both)
    both.db.close()
    assert (numbers(first), numbers(again)) == ((1, 0, []), (0, 1, []))
    assert Vault(keys_now[:1]).unlock(*tokens(installation)) == Secret("token")


def test_a_shop_whose_key_is_lost_is_named_and_the_others_go_on(settings, database_url, clock, installation):
    shop_at(installation, "lost")
    other = install(replace(settings, keys=(new_key(),)), database_url=database_url, clock=clock)
    shop_at(other, "kept")
    done, named = keys.rotate(other), [shop.domain for shop in keys.unopened(other)]
    other.db.close()
    assert (numbers(done), named) == ((0, 1, ["lost.example"]), ["lost.example"])


def test_an_uninstalled_shop_has_no_token_to_be_lost(installation, settings, database_url, clock):
    shop = shop_at(installation, "gone")
    with installation.db.begin() as connection:
        store.uninstall(connection, shop.id, app_id=shop.app_id, now=clock())
    other = install(replace(settings, keys=(new_key(),)), database_url=database_url, clock=clock)
    assert (keys.unopened(other), numbers(keys.rotate(other))) == ([], (0, 0, []))
    other.db.close()


def test_without_the_file_nothing_is_encrypted_and_what_was_read_still_opens(process, key_file):
    web = process()
    shop_at(web, "one")
    key_file.unlink()
    with pytest.raises(Invalid):
        web.vault.lock(Secret("another"))
    assert web.vault.unlock(*tokens(web)) == Secret("token")
    with pytest.raises(NoKeyFits, match=str(key_file)):
        web.vault.unlock(Vault([new_key()]).lock(Secret("token")))
