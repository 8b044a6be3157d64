"""Webhooks travel as Saleor's do: kept, signed, retried only where that may help, the same bytes every time."""

import base64
import json
from itertools import pairwise

import jwt
import pytest
from jwt import PyJWK

from sandbox.deliveries import DELAYS
from sandbox.server import running
from sandbox.shop import Refusal, shuffled
from tests.sandbox.sandbox_app import captured, subscription


def test_a_delivery_has_exactly_the_headers_of_a_real_one_and_its_signature_holds(shop, app):
    real = set(captured("deliveries.jsonl")[0]["headers"])
    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()
    _, body, headers = next(one for one in app.heard if one[0] == "/ORDER_CREATED")
    key = PyJWK(shop.signer.jwks()["keys"][0]).key

    checked = jwt.api_jws.decode_complete(
        headers["Saleor-Signature"], key, algorithms=["RS256"], detached_payload=body
    )

    assert real - {"Accept", "Connection", "Host"} <= set(headers)
    assert headers["Saleor-Event"] == headers["X-Saleor-Event"] == "order_created"
    assert headers["Saleor-Api-Url"] == shop.api_url
    assert checked["payload"] == body


def test_the_body_is_the_events_own_fields_at_top_level(shop, app):
    order = shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()

    told = app.bodies("ORDER_CREATED")[0]

    assert list(told) == ["__typename", "issuedAt", "version", "issuingPrincipal", "recipient", "order"]
    assert (told["__typename"], told["version"], told["order"]["id"]) == (
        "OrderCreated",
        "3.23.28",
        order.gid,
    )
    assert told["recipient"] == {"id": shop.app.gid}


def test_a_field_that_fails_nulls_its_parent_and_shows_in_errors_as_in_the_captures(make_shop, app):
    real = next(
        body
        for one in captured("deliveries.jsonl")
        if one["event"] == "customer_deleted" and "errors" in (body := _body(one))
    )
    query = subscription("CUSTOMER_DELETED", "id privateMetadata { key }")
    hook = {"name": "x", "targetUrl": f"{app.url}/x", "asyncEvents": ["CUSTOMER_DELETED"], "query": query}
    app.manifest_changes = {"webhooks": [hook]}
    shop = make_shop()
    with running(shop):
        shop.install(app.manifest_url)
        shop.delete_customer(shop.register_account("jan@example.com"))
        shop.deliveries.settle()

    told = app.bodies("x")[0]
    assert told["user"] is real["user"] is None
    for side in (told, real):
        del side["errors"][0]["locations"]
    assert told["errors"] == real["errors"]


def _body(one: dict) -> dict:
    return json.loads(base64.b64decode(one["body_b64"]))


@pytest.mark.parametrize("trouble", [500, 503, "cut"])
def test_network_errors_and_5xx_are_tried_again_with_identical_bytes(shop, app, trouble):
    app.answers["ORDER_CREATED"] = [trouble, trouble]

    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()

    sent = [
        (body, headers["Saleor-Signature"]) for path, body, headers in app.heard if path == "/ORDER_CREATED"
    ]
    assert (len(sent), len(set(sent))) == (3, 1)
    assert shop.deliveries.all(event="ORDER_CREATED")[0].status == "success"


def test_a_time_out_is_tried_again(make_shop, app):
    app.answers["ORDER_CREATED"] = ["slow"]
    shop = make_shop(delivery_timeout=0.3)
    with running(shop):
        shop.install(app.manifest_url)
        shop.place_order(email="jan@example.com", paid=False)
        shop.deliveries.settle()

    assert [one.status for one in shop.deliveries.all(event="ORDER_CREATED")[0].attempts] == [None, 202]


@pytest.mark.parametrize("answer", [301, 302, 400, 401, 404, 410, 429])
def test_3xx_and_4xx_are_lost_for_good(shop, app, answer):
    app.answers["ORDER_CREATED"] = [answer]

    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()

    lost = shop.deliveries.all(event="ORDER_CREATED")[0]
    assert (lost.status, [one.status for one in lost.attempts]) == ("failed", [answer])


def test_after_six_attempts_at_saleors_times_a_delivery_is_lost(make_shop, app):
    app.answers["ORDER_CREATED"] = [500] * 9
    shop = make_shop(retry_scale=0.002)
    with running(shop):
        shop.install(app.manifest_url)
        shop.place_order(email="jan@example.com", paid=False)
        shop.deliveries.settle()
    lost = shop.deliveries.all(event="ORDER_CREATED")[0]

    gaps = [later.ended - earlier.ended for earlier, later in pairwise(lost.attempts)]
    assert (lost.status, len(lost.attempts)) == ("failed", 6)
    assert all(gap >= wait * 0.002 for gap, wait in zip(gaps, DELAYS, strict=True))


def test_held_deliveries_go_out_shuffled_and_repeated(shop, app):
    shop.deliveries.hold()
    for _ in range(3):
        shop.place_order(email="jan@example.com")
    held = shop.deliveries.held()
    shop.deliveries.settle()
    before = app.names()

    shop.deliveries.release(lambda waiting: [*shuffled(7)(waiting), *waiting])

    expected = [one.event.upper() for one in [*shuffled(7)(held), *held]]
    assert (before, app.names()) == ([], expected)
    assert len(held) == 15


def test_a_delivery_can_be_sent_again_as_it_was(shop, app):
    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()
    first = shop.deliveries.all(event="ORDER_CREATED")[0]

    assert shop.deliveries.resend(first).status == 202

    sent = [
        (body, headers["Saleor-Signature"]) for path, body, headers in app.heard if path == "/ORDER_CREATED"
    ]
    assert (len(sent), len(set(sent))) == (2, 1)


def test_an_undone_change_sends_nothing(shop, app):
    with pytest.raises(Refusal), shop.store.writing():
        shop.refund(shop.place_order(email="jan@example.com"), "99")
    shop.place_order(email="piet@example.com", paid=False)
    shop.deliveries.settle()

    assert [one["order"]["userEmail"] for one in app.bodies("ORDER_CREATED")] == ["piet@example.com"]
    assert [order.user_email for order in shop.store.orders.values()] == ["piet@example.com"]


def test_waiting_for_what_cannot_arrive_ends_in_a_time_out(make_shop, app):
    app.answers["ORDER_CREATED"] = [500]
    shop = make_shop(retry_scale=1)
    with running(shop):
        shop.install(app.manifest_url)
        shop.place_order(email="jan@example.com", paid=False)
        with pytest.raises(TimeoutError):
            shop.deliveries.settle(timeout=0.3)
