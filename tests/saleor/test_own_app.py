"""Our own app in a shop: asked for in the words its version knows, and changed as a whole."""

from datetime import UTC, datetime

import pytest

from plugin.errors import Permanent, Refused, Transient
from plugin.saleor.own_app import OwnApp, Subscription, Webhook
from plugin.saleor.problems import dismiss_problems, raise_problem
from plugin.saleor.webhooks import (
    create_webhook,
    delete_webhook,
    failed_deliveries,
    own_app,
    shop_version,
    update_webhook,
)

SAYS = Subscription(
    name="Herkend ORDER_PAID",
    identifier="order_paid",
    target_url="https://herkend.example/x",
    query="subscription { event { issuedAt } }",
    events=("ORDER_PAID",),
    active=True,
)
HOOK = {
    "id": "V2ViaG9vazox",
    "name": SAYS.name,
    "identifier": "order_paid",
    "targetUrl": SAYS.target_url,
    "isActive": True,
    "subscriptionQuery": SAYS.query,
    "asyncEvents": [{"eventType": "ORDER_PAID"}],
}
APP = {"id": "QXBwOjE=", "isActive": True, "permissions": [{"code": "MANAGE_USERS"}], "webhooks": [HOOK]}
WRONG = {"errors": [{"field": "query", "code": "GRAPHQL_ERROR", "message": "Cannot query field 'x'."}]}


def test_our_app_is_read_with_its_permissions_and_webhooks(shop, saleor):
    shop.gives_data({"app": APP})
    assert own_app(saleor, version="3.23.28") == OwnApp(
        id="QXBwOjE=",
        active=True,
        permissions=frozenset({"MANAGE_USERS"}),
        webhooks=(Webhook(id="V2ViaG9vazox", says=SAYS),),
    )


def test_what_staff_made_may_lack_a_name_a_query_and_events(shop, saleor):
    bare = HOOK | {"name": None, "subscriptionQuery": None, "asyncEvents": [], "identifier": None}
    shop.gives_data({"app": APP | {"webhooks": [bare]}})
    (hook,) = own_app(saleor, version="3.23.28").webhooks
    assert (hook.says.name, hook.says.query, hook.says.events, hook.says.identifier) == ("", "", (), None)


@pytest.mark.parametrize(("version", "asks"), [("3.22.67", False), ("3.23.22", False), ("3.23.23", True)])
def test_identifiers_are_asked_for_and_given_where_they_are_known(shop, saleor, version, asks):
    shop.gives_data(
        {"app": APP | {"webhooks": []}}, {"webhookCreate": {"webhook": {"id": "1"}, "errors": []}}
    )
    own_app(saleor, version=version)
    assert create_webhook(saleor, SAYS, version=version) == "1"
    read, made = shop.asked
    assert ("identifier" in read["query"], "identifier" in made["variables"]["input"]) == (asks, asks)


def test_an_identifier_that_is_no_longer_wanted_is_cleared(shop, saleor):
    shop.gives_data({"webhookUpdate": {"errors": []}})
    without = Subscription(name="x", identifier=None, target_url="u", query="q", events=(), active=False)
    update_webhook(saleor, "1", without, version="3.23.28")
    assert shop.asked[0]["variables"]["input"] == {
        "name": "x",
        "identifier": "",
        "targetUrl": "u",
        "query": "q",
        "asyncEvents": [],
        "isActive": False,
    }


@pytest.mark.parametrize("call", [lambda s: own_app(s, version="3.22"), failed_deliveries])
def test_a_token_that_is_nobodys_is_refused(shop, saleor, call):
    shop.gives_data({"app": None})
    with pytest.raises(Refused):
        call(saleor)


@pytest.mark.parametrize(
    ("data", "call"),
    [
        ({"shop": {}}, shop_version),
        ({"app": {"id": 5}}, lambda s: own_app(s, version="3.22")),
        ({"app": {"webhooks": [{"id": "1"}]}}, failed_deliveries),
        ({"webhookCreate": {"webhook": None}}, lambda s: create_webhook(s, SAYS, version="3.22")),
        (
            {"webhookCreate": {"webhook": None, "errors": []}},
            lambda s: create_webhook(s, SAYS, version="3.22"),
        ),
        ({"appProblemCreate": None}, lambda s: raise_problem(s, key="abc", message="abc")),
    ],
)
def test_an_answer_of_another_shape_is_trouble_that_may_pass(shop, saleor, data, call):
    shop.gives_data(data)
    with pytest.raises(Transient):
        call(saleor)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("webhookCreate", lambda s: create_webhook(s, SAYS, version="3.22")),
        ("webhookUpdate", lambda s: update_webhook(s, "1", SAYS, version="3.22")),
        ("webhookDelete", lambda s: delete_webhook(s, "1")),
        ("appProblemCreate", lambda s: raise_problem(s, key="abc", message="abc")),
        ("appProblemDismiss", lambda s: dismiss_problems(s, keys=["abc"])),
    ],
)
def test_what_saleor_does_not_take_needs_a_person(shop, saleor, field, call):
    shop.gives_data({field: {"webhook": None, **WRONG}})
    with pytest.raises(Permanent, match="GRAPHQL_ERROR"):
        call(saleor)


def test_a_webhook_with_a_delivery_on_its_way_can_be_deleted_later(shop, saleor):
    errors = [{"field": None, "code": "DELETE_FAILED", "message": "Try later"}]
    shop.gives_data({"webhookDelete": {"errors": errors}})
    with pytest.raises(Transient, match="deleted later"):
        delete_webhook(saleor, "1")


def test_failed_deliveries_are_told_by_webhook(shop, saleor):
    node = {"node": {"createdAt": "2026-11-22T10:00:00+00:00"}}
    failed, never = {"id": "1", "eventDeliveries": {"edges": [node]}}, {"id": "2", "eventDeliveries": None}
    shop.gives_data({"app": {"webhooks": [failed, never]}})
    assert failed_deliveries(saleor) == {"1": (datetime(2026, 11, 22, 10, tzinfo=UTC),), "2": ()}


def test_the_captured_answers_are_understood(shop, saleor, captured):
    shop.answers(captured["webhookUpdate-by-app"], captured["appProblemCreate"])
    update_webhook(saleor, "1", SAYS, version="3.23.28")
    raise_problem(saleor, key="probe", message="Example problem")


@pytest.mark.parametrize("version", ["9" * 5000, "3.23.28\x00", "3.23.\ud800"], ids=["long", "NUL", "lone"])
def test_a_version_that_is_none_is_trouble_of_that_shop(shop, saleor, version):
    shop.gives_data({"shop": {"version": version}})
    with pytest.raises(Transient, match="unknown shape"):
        shop_version(saleor)
