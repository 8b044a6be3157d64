"""The part of the page that greets the merchant and says how Herkend fares in the shop."""

from datetime import UTC, datetime
from functools import partial

import pytest

from plugin.customers import store as customers
from plugin.inbox import store as inbox
from plugin.shops import store
from plugin.tiers import store as tiers
from plugin.tiers.rules import Standing
from tests.dashboard.dashboard_tokens import jwks

STATE = "/dashboard/state"


@pytest.fixture
def deliveries(installation, shop):
    """Keep deliveries as the intake would; return their ids, oldest first."""

    def deliver(count, *, to=shop):
        with installation.db.begin() as connection:
            for number in range(count):
                arrival = inbox.Arrival(
                    shop_id=to.id,
                    app_id=to.app_id,
                    event="order_created",
                    body=str(number).encode(),
                    issued_at=None,
                    traceparent=None,
                    received_at=installation.clock(),
                )
                inbox.keep(connection, [arrival])
            return [it.id for it in inbox.listed(connection, state=None, shop_id=to.id, limit=count)][::-1]

    return deliver


@pytest.fixture
def known(installation, shop):
    """Have persons stand in tiers."""

    def known(*names, at=shop):
        now = installation.clock()
        keys = [f"user:{number}" for number in range(len(names))]
        with installation.db.begin() as connection:
            customers.touch(connection, at.id, owners=keys, perhaps=[], reread=[], now=now)
            people = customers.by_keys(connection, at.id, keys)
            decided = {it.id: Standing(tier=name) for it, name in zip(people, names, strict=True)}
            tiers.save(connection, decided, policy_version=1, now=now)

    return known


def test_it_greets_who_is_signed_in(dashboard):
    assert "admin@shop.example" in dashboard.get(STATE).text


def test_it_names_the_shop_and_its_version(dashboard):
    text = dashboard.get(STATE).text
    assert ("shop.example" in text, "https://shop.example/graphql/" in text, "3.23.28" in text) == (True,) * 3


def test_it_only_looks_on_until_released(dashboard, installation, shop):
    before = dashboard.get(STATE).text
    with installation.db.begin() as connection:
        store.release(connection, shop.id, by="a test", now=installation.clock())
    after = dashboard.get(STATE).text
    assert ["Herkend is looking on" in before, "Herkend is looking on" in after] == [True, False]
    assert "herkend shops publish shop.example" in before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (partial(store.pause, said_at=datetime.now(tz=UTC)), "is switched off"),
        (store.set_unreachable, "does not accept Herkend&#39;s token"),
    ],
)
def test_it_says_when_something_needs_the_merchant(dashboard, installation, shop, change, says):
    with installation.db.begin() as connection:
        change(connection, shop.id, app_id=shop.app_id)
    text = dashboard.get(STATE).text
    assert (says in text or says.replace("&#39;", "'") in text, "is looking on" in text) == (True, False)


def test_it_counts_what_came_in_and_what_could_not_be_understood(dashboard, installation, deliveries):
    first, second, *_ = deliveries(1204)
    with installation.db.begin() as connection:
        inbox.bury(connection, first, problem="a traceback", now=installation.clock())
        inbox.finish(connection, [second], now=installation.clock())
    text = dashboard.get(STATE).text
    shown = [
        "1,204" in text,
        "1,202" in text,
        "herkend deliveries list --state dead" in text,
        "just now" in text,
    ]
    assert shown == [True] * 4


def test_it_says_what_to_do_while_nothing_has_come_in(dashboard):
    assert "Place a test order" in dashboard.get(STATE).text


def test_it_counts_customers_by_tier_highest_first(dashboard, known):
    known("one-time", "regular", "one-time", "prospect")
    text = dashboard.get(STATE).text
    places = [text.index(name) for name in ("Regular customer", "One-time buyer", "Not a customer yet")]
    assert places == sorted(places)


def test_another_shops_numbers_are_not_shown(dashboard, register, strangers_key, deliveries, known):
    other = register("https://other.example/graphql/", keys=jwks(strangers_key))
    deliveries(7, to=other)
    known("regular", at=other)
    text = dashboard.get(STATE).text
    assert ("Nothing has come in yet" in text, "Nobody yet" in text) == (True, True)


def test_it_speaks_dutch_with_dutch_numbers(dashboard, deliveries):
    deliveries(1204)
    dashboard.headers = {"accept-language": "nl"}
    text = dashboard.get(STATE).text
    assert ("Herkend kijkt mee" in text, "1.204" in text, "zojuist" in text) == (True, True, True)


def test_it_is_not_kept_by_any_cache(dashboard):
    assert dashboard.get(STATE).headers["Cache-Control"] == "no-store"


def test_names_are_shown_as_text_whatever_they_hold(dashboard):
    text = dashboard.get(STATE, email="<script>alert(1)</script>").text
    assert ("<script>" in text, "&lt;script&gt;" in text) == (False, True)
