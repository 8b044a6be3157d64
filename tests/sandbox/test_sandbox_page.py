"""The demo page's own routes: choose somebody, order in his name, and see what the app made of it."""

import json
import time

import pytest

from sandbox.page import FILES, add_page
from sandbox.server import running
from tests.sandbox.sandbox_app import fetch

STANDING = {"tier": "one-time", "since": None, "until": None, "quiet_since": None}
STANDING |= {
    "reasons": {"en": ["He bought once."], "nl": ["Hij kocht eens."]},
    "publishing": "publish",
    "pending": False,
}


@pytest.fixture
def page(make_shop, app):
    app.standing = dict(STANDING)
    shop = make_shop()
    with running(shop, add=add_page):
        shop.install(app.manifest_url)
        yield shop


def get(shop, path):
    return json.loads(fetch(shop.url + path)[2])


def post(shop, path, told, **headers):
    body = json.dumps(told).encode()
    status, _, text = fetch(shop.url + path, body, headers={"Content-Type": "application/json"} | headers)
    return status, json.loads(text)


@pytest.mark.parametrize("path", ["/", "/dashboard", *(f"/_sandbox/files/{name}" for name in FILES)])
def test_the_page_and_its_files_come_from_the_shop_alone(page, path):
    status, headers, body = fetch(page.url + path)

    assert (status, headers["Content-Security-Policy"].split(";")[0]) == (200, "default-src 'none'")
    assert b"//fonts" not in body
    assert b"https://" not in body


def test_an_unknown_file_is_a_404(page):
    assert fetch(f"{page.url}/_sandbox/files/passwd")[0] == 404


def test_an_order_shows_its_webhooks_the_decision_and_what_was_written(page, app):
    jan = page.register_account("jan@example.com", first_name="Jan", last_name="Bos")
    status, person = post(page, "/_sandbox/orders", {"userId": jan.gid, "total": "12,50"})
    page.deliveries.settle()
    query = 'mutation($i: ID!) { updateMetadata(id: $i, input: [{key: "herkend.tier", value: "one-time"}]) { errors { code } } }'  # noqa: E501 - one query
    told = json.dumps({"query": query, "variables": {"i": jan.gid}}).encode()
    fetch(page.api_url, told, headers={"Authorization": f"Bearer {page.app.token}"})

    shown = get(page, "/_sandbox/feed")[0]

    assert (status, person["list"][0]["total"], person["standing"]["tier"]) == (200, 12.5, "one-time")
    assert (shown["kind"], shown["person"]["name"], shown["details"]["total"]) == ("ordered", "Jan Bos", 12.5)
    assert {(one["event"], one["answer"]) for one in shown["deliveries"]} == {
        (event, 202)
        for event in ("ORDER_CREATED", "ORDER_PAID", "ORDER_FULLY_PAID", "ORDER_UPDATED", "ORDER_CONFIRMED")
    }
    assert shown["standing"]["reasons"] == STANDING["reasons"]
    assert [(one["key"], one["value"], one["on"]) for one in shown["writes"]] == [
        ("herkend.tier", "one-time", "account")
    ]


def test_the_app_is_asked_as_the_dashboard_asks_it(page, app):
    get(page, "/_sandbox/person?email=gast%40example.com")

    path, headers = app.asked[-1]
    assert path == "/dashboard/standing?email=gast%40example.com"
    assert headers["saleor-api-url"] == page.api_url
    assert headers["authorization-bearer"].count(".") == 2


def test_an_app_that_refuses_or_is_away_is_said_so(page, app, make_shop):
    app.standing = None
    refused = get(page, "/_sandbox/person?email=a%40example.com")["standing"]
    page.delete_app()
    none = get(page, "/_sandbox/person?email=a%40example.com")["standing"]

    assert (refused, none) == ({"error": "refused", "status": 403}, {"error": "none"})


def test_refunds_and_cancellations_are_ordered_from_the_page(page):
    post(page, "/_sandbox/orders", {"email": "gast@example.com", "total": "30"})
    part = post(page, "/_sandbox/orders/1/part", {})[1]["list"][0]
    full = post(page, "/_sandbox/orders/1/refund", {})[1]["list"][0]
    gone = post(page, "/_sandbox/orders/1/cancel", {})[1]["list"][0]

    assert (part["refunded"], full["refunded"], gone["status"]) == (10.0, 30.0, "CANCELED")
    assert [one["kind"] for one in get(page, "/_sandbox/feed")] == ["cancel", "refund", "part", "ordered"]


@pytest.mark.parametrize(
    ("path", "told", "code"),
    [
        ("/_sandbox/orders", {"email": "gast@example.com", "total": "much"}, "amount"),
        ("/_sandbox/orders", {"email": "gast@example.com", "total": "-1"}, "amount"),
        ("/_sandbox/orders", {"email": "gast", "total": "1"}, "address"),
        ("/_sandbox/orders/1/cancel", {}, ""),
        ("/_sandbox/pick", {"kind": "one-time"}, "nobody"),
        ("/_sandbox/pick", {"kind": "king"}, ""),
        ("/_sandbox/orders", [], "address"),
    ],
)
def test_what_cannot_be_done_is_a_409_with_a_reason(page, path, told, code):
    status, answer = post(page, path, told)

    assert (status, answer["code"], bool(answer["error"])) == (409, code, True)


def test_another_sites_page_can_order_nothing(page):
    told = {"email": "gast@example.com", "total": "1"}

    assert post(page, "/_sandbox/orders", told, Origin="http://evil.example")[0] == 403
    assert post(page, "/_sandbox/orders", told, Origin=page.url)[0] == 200


def test_people_are_found_by_name_and_address_and_picked_by_kind(page):
    with page.silently():
        jan = page.register_account("jan@example.com", first_name="Jan", last_name="de Boer")
        page.confirm_account(jan)
        page.clock.move(days=-30)
        page.place_order(jan)
        page.clock.move(days=30)
        page.place_order(email="gast@example.com")

    assert [one["email"] for one in get(page, "/_sandbox/people?search=boer+jan")] == ["jan@example.com"]
    assert [one["userId"] for one in get(page, "/_sandbox/people?search=gast")] == [None]
    assert post(page, "/_sandbox/pick", {"kind": "one-time"})[1]["email"] == "jan@example.com"
    assert post(page, "/_sandbox/pick", {"kind": "guest"})[1]["userId"] is None
    assert post(page, "/_sandbox/pick", {"kind": "account"})[1]["confirmed"] is True


def test_an_account_is_registered_unconfirmed_and_confirmed_from_the_page(page):
    made = post(page, "/_sandbox/accounts", {"email": "nieuw@example.com"})[1]
    confirmed = post(page, "/_sandbox/accounts/confirm", {"userId": made["userId"]})[1]

    assert (made["confirmed"], confirmed["confirmed"]) == (False, True)
    assert post(page, "/_sandbox/accounts", {"email": "nieuw@example.com"})[1]["code"] == "taken"


def test_the_summary_counts_the_shop(page):
    page.place_order(email="gast@example.com", total="10")

    found = get(page, "/_sandbox/summary")

    assert (found["accounts"], found["guests"], found["orders"], found["spent"]) == (0, 1, 1, 10.0)
    assert found["app"] == {"name": "Herkend", "version": "0.1.0", "active": True}


def test_the_page_that_plays_the_dashboard_learns_what_to_frame(page, app):
    found = get(page, "/_sandbox/frame")

    assert found["src"].startswith(f"{app.url}/?domain=")
    assert (found["saleorVersion"], found["token"].count(".")) == ("3.23.28", 2)
    page.delete_app()
    assert fetch(f"{page.url}/_sandbox/frame")[0] == 409


def test_an_action_settles_once_the_app_is_calm(page, monkeypatch):
    monkeypatch.setattr("sandbox.feed.CALM_SECONDS", 0.05)
    post(page, "/_sandbox/orders", {"email": "gast@example.com", "total": "1"})
    page.deliveries.settle()
    time.sleep(0.1)

    assert get(page, "/_sandbox/feed")[0]["settled"] is True


def test_a_second_action_takes_the_apps_word_for_its_last_word_on_the_first(page):
    for _ in range(2):
        post(page, "/_sandbox/orders", {"email": "gast@example.com", "total": "1"})

    newer, older = get(page, "/_sandbox/feed")
    assert (older["settled"], older["standing"]["tier"], newer["settled"]) == (True, "one-time", False)
