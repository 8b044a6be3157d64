"""Strangers at the webhooks: they cost little, and whoever is genuine is taken in from the very same address."""

import json
from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from plugin.app import create_app
from plugin.guard import FAILURES_A_MINUTE
from plugin.shops import store
from tests import told
from tests.shop_server import serving
from webhooks.registry import BY_EVENT

OUR_APP = "QXBwOjE="
EVENT = BY_EVENT["order_created"]
numbers = count()


@pytest.fixture
def shop_server():
    with serving() as server:
        yield server


@pytest.fixture
def register(installation, shop_server, shop_key):
    def register(api_url: str = shop_server.api_url) -> store.Shop:
        return told.register(installation, api_url=api_url, app_id=OUR_APP, jwks=shop_key.jwks)

    return register


@pytest.fixture
def deliver(client, register, shop_key, other_key, shop_server):
    """Send a delivery that was not sent before, from one address; in the name of the shop unless another is named."""
    register()

    def send(*, key=shop_key, api_url=shop_server.api_url, address="192.0.2.1"):
        told = {
            "__typename": EVENT.typename,
            "issuedAt": "2026-11-21T20:35:05.403736+00:00",
            "issuingPrincipal": None,
            "recipient": {"id": OUR_APP},
            "number": next(numbers),
        }
        body = json.dumps(told).encode()
        headers = {"Saleor-Api-Url": api_url, "Saleor-Event": EVENT.key, "Saleor-Signature": key.sign(body)}
        return client.post(EVENT.route, data=body, headers=headers, environ_base={"REMOTE_ADDR": address})

    return send


@pytest.fixture
def forge(deliver, new_shop_key):
    """Send deliveries of a shop nobody knows, each of another, until the caller is over the limit."""

    def send(times: int = FAILURES_A_MINUTE + 5) -> list[int]:
        return [
            deliver(api_url=f"https://s{next(numbers)}.example/graphql/").status_code for _ in range(times)
        ]

    return send


@pytest.fixture
def questions(installation):
    """What the database was asked."""
    asked = []
    event.listen(installation.db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    return asked


def test_a_genuine_delivery_is_taken_in_from_an_address_where_others_fail(deliver, forge):
    forge()
    assert deliver().status_code == 202


def test_the_genuine_are_taken_in_in_the_midst_of_the_forged(deliver, forge, other_key):
    forge()
    statuses = {(deliver(key=other_key).status_code, deliver().status_code) for _ in range(10)}
    assert {genuine for _, genuine in statuses} == {202}


def test_over_the_limit_the_forged_are_said_in_no_line_each(forge, deliver, other_key):
    forge()
    with capture_logs() as logs:
        forge(20)
        deliver(key=other_key)
    assert logs == []


def test_under_the_limit_every_refusal_has_its_line_and_its_status(forge):
    with capture_logs() as logs:
        statuses = forge(5)
    assert (statuses, [entry["kind"] for entry in logs]) == ([401] * 5, ["NOT_REGISTERED"] * 5)


def test_a_refusal_says_in_the_log_who_it_was(deliver):
    with capture_logs() as logs:
        deliver(api_url="https://nobody.example/graphql/", address="192.0.2.7")
        deliver(api_url="https://nobody.example/graphql/", address="2001:db8::7")
    assert [(entry["event"], entry["address"]) for entry in logs] == [
        ("delivery refused", "192.0.2.7"),
        ("delivery refused", "2001:db8::/64"),
    ]


def test_what_is_put_off_says_in_the_log_whose_it_was(deliver, shop_server, new_shop_key):
    shop_server.jwks_status = 503
    with capture_logs() as logs:
        status = deliver(key=new_shop_key("unknown"), address="192.0.2.7").status_code
    assert (status, [(entry["event"], entry["address"]) for entry in logs]) == (
        503,
        [("delivery put off", "192.0.2.7")],
    )


def test_over_the_limit_unknown_shops_have_no_look_up_of_their_own(forge, questions):
    forge()
    forge(1)
    questions.clear()
    statuses = forge(50)
    assert (statuses, len([asked for asked in questions if "shops" in asked]) <= 2) == ([503] * 50, True)


def test_a_shop_that_registered_elsewhere_a_moment_ago_is_never_refused_for_good(deliver, forge, register):
    """Saleor sends again what was put off, and never what was refused."""
    forge()
    register("https://new.example/graphql/")
    statuses = {deliver(api_url="https://new.example/graphql/").status_code for _ in range(3)}
    assert statuses <= {202, 503}


def test_a_shop_that_registered_elsewhere_is_known_at_once_where_nobody_fails(deliver, register):
    assert deliver(api_url="https://new.example/graphql/").status_code == 401
    register("https://new.example/graphql/")
    assert deliver(api_url="https://new.example/graphql/").status_code == 202


def test_the_shops_new_key_is_found_though_others_name_keys_that_are_not_there(
    deliver, forge, shop_server, other_key, new_shop_key
):
    forge()
    shop_server.jwks = other_key.jwks
    made_up = new_shop_key("made-up")
    for _ in range(5):
        deliver(key=made_up)
    assert (deliver(key=other_key).status_code, shop_server.keys_fetched) == (202, 1)


def test_what_one_caller_does_is_not_held_against_another(forge, deliver):
    forge()
    status = deliver(api_url="https://nobody.example/graphql/", address="192.0.2.2").status_code
    assert status == 401


def test_behind_a_trusted_proxy_the_caller_is_whom_it_names(installation, register):
    behind = replace(installation, settings=replace(installation.settings, trusted_proxies=1))
    client = create_app(behind).test_client()
    statuses = [
        client.post(
            EVENT.route,
            data=b"{}",
            headers={
                "Saleor-Api-Url": "https://nobody.example/graphql/",
                "Saleor-Event": EVENT.key,
                "Saleor-Signature": "x",
                "X-Forwarded-For": f"192.0.2.{number}",
            },
        ).status_code
        for number in range(FAILURES_A_MINUTE + 5)
    ]
    assert set(statuses) == {401}
