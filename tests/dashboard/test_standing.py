"""The standing of one customer as JSON, for staff."""

from datetime import UTC, date, datetime

import pytest

from plugin.customers import store as customers
from plugin.customers.facts import AccountSnapshot
from plugin.tiers import store as tiers
from plugin.tiers.reasons import Reason
from plugin.tiers.rules import Standing
from tests.dashboard.dashboard_tokens import jwks

STANDING = "/dashboard/standing"
REASON = Reason(code="bought_once", params={"day": "2026-05-12"})


@pytest.fixture
def stands(installation, shop):
    """Have a person stand in a tier."""

    def stands(key, *, tier="one-time", at=shop):
        now = installation.clock()
        standing = Standing(tier=tier, since=date(2026, 5, 12), reasons=(REASON,))
        with installation.db.begin() as connection:
            customers.touch(connection, at.id, owners=[key], perhaps=[], reread=[], now=now)
            (person,) = customers.by_keys(connection, at.id, [key])
            tiers.save(connection, {person.id: standing}, policy_version=1, now=now)
            customers.was_read(connection, person, started=now, emails=[], now=now)
            customers.reviewed(connection, [person.id])

    return stands


@pytest.fixture
def account(installation, shop):
    def account(user_id, *, email, confirmed):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        snapshot = AccountSnapshot(
            id=user_id,
            email=email,
            is_confirmed=confirmed,
            is_active=True,
            first_name="",
            last_name="",
            language="en",
            joined_at=moment,
            updated_at=moment,
            seen_at=moment,
        )
        with installation.db.begin() as connection:
            customers.save_accounts(connection, shop.id, [snapshot])

    return account


def test_it_tells_the_tier_with_its_reasons_in_both_languages(dashboard, stands):
    stands("user:VXNlcjox")
    assert dashboard.get(f"{STANDING}?userId=VXNlcjox").json == {
        "tier": "one-time",
        "since": "2026-05-12",
        "until": None,
        "quiet_since": None,
        "reasons": {"en": ["Bought once, on 12 May 2026."], "nl": ["Eén keer gekocht, op 12 mei 2026."]},
        "publishing": "show_only",
        "pending": False,
    }


def test_a_guest_is_found_by_any_spelling_of_the_address(dashboard, stands):
    stands("guest:an@shop.example")
    assert dashboard.get(f"{STANDING}?email=An%2Bnews@Shop.example").json["tier"] == "one-time"


def test_an_address_leads_to_its_confirmed_account(dashboard, stands, account):
    account("VXNlcjox", email="an@shop.example", confirmed=True)
    stands("user:VXNlcjox", tier="regular")
    assert dashboard.get(f"{STANDING}?email=an@shop.example").json["tier"] == "regular"


def test_an_address_does_not_lead_to_an_unconfirmed_account(dashboard, stands, account):
    account("VXNlcjox", email="an@shop.example", confirmed=False)
    stands("user:VXNlcjox", tier="regular")
    stands("guest:an@shop.example", tier="one-time")
    assert dashboard.get(f"{STANDING}?email=an@shop.example").json["tier"] == "one-time"


def test_somebody_unknown_is_a_prospect(dashboard):
    answer = dashboard.get(f"{STANDING}?userId=VXNlcjo5").json
    assert (answer["tier"], answer["reasons"], answer["pending"]) == ("prospect", {"en": [], "nl": []}, False)


def test_somebody_whose_orders_are_being_read_is_pending(dashboard, installation, shop):
    with installation.db.begin() as connection:
        now = installation.clock()
        customers.touch(connection, shop.id, owners=["user:VXNlcjox"], perhaps=[], reread=[], now=now)
    assert dashboard.get(f"{STANDING}?userId=VXNlcjox").json["pending"] is True


def test_a_stranger_is_refused(client, shop):
    answer = client.get(f"{STANDING}?userId=VXNlcjox", headers={"saleor-api-url": shop.api_url})
    assert (answer.status_code, answer.json["error"]["type"]) == (401, "refused")


def test_staff_who_may_only_manage_apps_does_not_see_customers(dashboard):
    answer = dashboard.get(f"{STANDING}?userId=VXNlcjox", user_permissions=["MANAGE_APPS"])
    assert (answer.status_code, answer.json["error"]["type"]) == (403, "not-permitted")


def test_another_shops_customer_is_not_shown(dashboard, stands, register, strangers_key):
    stands("user:VXNlcjox", at=register("https://other.example/graphql/", keys=jwks(strangers_key)))
    assert dashboard.get(f"{STANDING}?userId=VXNlcjox").json["tier"] == "prospect"


@pytest.mark.parametrize("query", ["", "?userId=", "?userId=a&email=b", "?email=%20"])
def test_a_question_about_nobody_or_two_is_refused(dashboard, query):
    answer = dashboard.get(STANDING + query)
    assert (answer.status_code, answer.json["error"]["type"]) == (400, "invalid")
