"""What a shop has kept is there after a restart, also after a kill in the middle of its work."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.server import running
from sandbox.shop import Refusal, Shop
from tests.sandbox.sandbox_app import FakeApp, serving

BUSY = """
import sys
from pathlib import Path
from sandbox.shop import Refusal, Shop

shop = Shop(folder=Path(sys.argv[1]))
while True:
    order = shop.place_order(email="jan@example.com")
    shop.refund(order)
    print(order.number, flush=True)
"""


def everything(shop: Shop):
    return (shop.store.accounts, shop.store.orders, shop.store.apps, shop.signer.kid)


def test_a_second_start_finds_people_orders_app_and_key(make_shop, app, tmp_path):
    shop = make_shop(folder=tmp_path)
    with running(shop):
        shop.install(app.manifest_url)
        order = shop.place_order(shop.register_account("jan@example.com"), voucher_code="X", gift_card="1")
        shop.refund(order, "2.00")
        shop.mark_paid(shop.place_order(email="Piet@example.com", paid=False), flow="payment")
        shop.write_metadata(shop.order(order), {"a": "1"}, private=True, principal=None)
        shop.delete_customer(shop.register_account("weg@example.com"))
        shop.deliveries.settle()
    shop.close()

    again = make_shop(folder=tmp_path)

    assert everything(again) == everything(shop)
    assert again.deliveries.all() == shop.deliveries.all()
    assert again.place_order(email="new@example.com").number == 3


def test_a_killed_shop_has_everything_it_said_it_had(tmp_path, make_shop):
    child = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", BUSY, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        said = [int(child.stdout.readline()) for _ in range(30)]
    finally:
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in child.communicate()[0].split() if line.isdecimal()]

    shop = make_shop(folder=tmp_path)

    refunded = {order.number for order in shop.store.orders.values() if order.refunded == order.total}
    assert set(said) <= refunded
    assert {order.number for order in shop.store.orders.values()} - refunded <= {max(said) + 1}


def test_what_was_pending_goes_out_after_the_next_start_with_the_same_bytes(make_shop, tmp_path):
    with serving(FakeApp(events=("ORDER_CREATED",), answers={"ORDER_CREATED": [500, 500, 500]})) as app:
        first = make_shop(folder=tmp_path, retry_scale=1)
        with running(first) as url:
            first.install(app.manifest_url)
            first.place_order(email="jan@example.com", paid=False)
            with pytest.raises(TimeoutError):
                first.deliveries.settle(timeout=0.2)
        first.close()
        app.answers.clear()
        second = make_shop(folder=tmp_path, url=url)
        with running(second):
            second.deliveries.settle()

    sent = [body for path, body, _ in app.heard if path == "/ORDER_CREATED"]
    assert (len(sent), len(set(sent))) == (2, 1)
    assert json.loads(sent[0])["order"]["userEmail"] == "jan@example.com"


def test_a_change_that_fails_leaves_neither_memory_nor_file_changed(make_shop, tmp_path):
    shop = make_shop(folder=tmp_path)
    shop.place_order(email="jan@example.com")
    before = dict(shop.store.orders)

    with pytest.raises(Refusal), shop.store.writing():
        shop.refund(shop.cancel(shop.place_order(shop.register_account("piet@example.com"))), "99")
    shop.close()

    assert (shop.store.orders, len(shop.store.accounts)) == (before, 1)
    again = make_shop(folder=tmp_path)
    assert (again.store.orders, len(again.store.accounts)) == (before, 1)
