"""A shop is asked for its keys so often and no more, whoever makes us ask; its new key is found all the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugin.errors import Transient
from plugin.shops.jwks import KeySource


def tries(keys, shop_server, times, **how):
    taken = 0
    for _ in range(times):
        try:
            keys.fetch(shop_server.api_url, **how)
        except Transient:
            continue
        taken += 1
    return taken


@pytest.fixture
def keys(installation):
    return KeySource(installation.outbound)


def test_a_burst_is_let_through_and_then_no_more(keys, shop_server):
    assert (tries(keys, shop_server, 20), shop_server.keys_fetched) == (5, 5)


def test_for_callers_who_failed_too_often_a_shop_is_asked_once_a_minute(keys, shop_server):
    assert tries(keys, shop_server, 20, sparing=True) == 1


def test_they_do_not_use_up_what_others_may_ask(keys, shop_server):
    tries(keys, shop_server, 20, sparing=True)
    assert tries(keys, shop_server, 20) == 5


def test_shops_that_keep_us_waiting_take_a_few_threads_and_no_more(installation, shop_server):
    keys = KeySource(installation.outbound, at_once=2)
    began, let_go = threading.Barrier(3), threading.Event()

    def wait():
        began.wait(10)
        let_go.wait(10)

    shop_server.meanwhile = wait
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(keys.fetch, shop_server.api_url) for _ in range(2)]
        began.wait(10)
        with pytest.raises(Transient, match="just now"):
            keys.fetch(shop_server.api_url)
        let_go.set()
        assert [each.result() for each in held] == [shop_server.jwks] * 2
    shop_server.meanwhile = lambda: None
    assert keys.fetch(shop_server.api_url) == shop_server.jwks
