"""A delivery becomes facts; what cannot be understood says so to a person, and nothing is guessed."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from plugin.customers.facts import AppChange, Facts
from plugin.errors import Invalid, Permanent
from webhooks.envelope import envelope
from webhooks.registry import BY_EVENT, EVENTS

ORDERS = [event for event in EVENTS if event.document == "orders.graphql"]
CUSTOMERS = [event for event in EVENTS if event.document == "customers.graphql"]
DELETIONS = [event for event in EVENTS if "deleted" in event.document]
REREADING = {"CUSTOMER_UPDATED", "ACCOUNT_CONFIRMED"}
orders = pytest.mark.parametrize("event", ORDERS, ids=lambda event: event.name)
customers = pytest.mark.parametrize("event", CUSTOMERS, ids=lambda event: event.name)
deletions = pytest.mark.parametrize("event", DELETIONS, ids=lambda event: event.name)
everything = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)

ISSUED = datetime(2026, 11, 21, 20, 35, 5, 403736, tzinfo=UTC)


def order(**changes: object) -> dict:
    return {
        "id": "T3JkZXI6MQ==",
        "number": "25",
        "status": "UNFULFILLED",
        "origin": "CHECKOUT",
        "created": "2026-11-21T20:17:53.704402+00:00",
        "updatedAt": "2026-11-21T20:17:53.751852+00:00",
        "channel": {"slug": "default-channel"},
        "user": {"id": "VXNlcjo0Ng==", "email": "ada@example.com"},
        "userEmail": "Ada@example.com",
        "languageCodeEnum": "NL",
        "total": {"gross": {"amount": Decimal("1.39"), "currency": "EUR"}},
        "undiscountedTotal": {"gross": {"amount": Decimal("1.99")}},
        "totalCharged": {"amount": Decimal("1.39")},
        "totalRefunded": {"amount": Decimal("0.0")},
        "voucherCode": None,
        "giftCards": [],
        "events": [{"type": "ORDER_FULLY_PAID", "date": "2026-11-21T20:17:53.740000+00:00"}],
        "transactions": [],
        "lines": [{"quantity": 1, "productName": "Apple Juice", "variantName": "1l"}],
        **changes,
    }


def user(**changes: object) -> dict:
    return {
        "id": "VXNlcjo0Ng==",
        "email": "ada@example.com",
        "isConfirmed": True,
        "isActive": True,
        "firstName": "Ada",
        "lastName": "Lab",
        "languageCode": "NL",
        "dateJoined": "2026-11-21T20:16:33.366911+00:00",
        "updatedAt": "2026-11-21T20:20:00+00:00",
        **changes,
    }


SAID = datetime.fromisoformat("2026-11-21T20:35:05.403736+00:00")


def told(event, **about: object) -> dict:
    return {
        "__typename": event.typename,
        "issuedAt": "2026-11-21T20:35:05.403736+00:00",
        "version": "3.23.28",
        "issuingPrincipal": None,
        "recipient": {"id": "QXBwOjE="},
        **about,
    }


def refusal(*path: str) -> dict:
    return {
        "message": "You do not have permission to see ada@example.com",
        "path": ["event", *path],
        "extensions": {"exception": {"code": "PermissionDenied"}},
    }


@orders
def test_an_order_event_tells_the_whole_order(event):
    (snapshot,) = event.parse(told(event, order=order())).orders
    assert (snapshot.id, snapshot.user_id, snapshot.gross, snapshot.seen_at) == (
        "T3JkZXI6MQ==",
        "VXNlcjo0Ng==",
        Decimal("1.39"),
        ISSUED,
    )


def test_an_order_without_a_customer_is_a_guests():
    event = BY_EVENT["order_created"]
    (snapshot,) = event.parse(told(event, order=order(user=None))).orders
    assert (snapshot.user_id, snapshot.email) == (None, "Ada@example.com")


def test_an_order_whose_customer_is_hidden_is_not_taken_for_a_guests():
    event = BY_EVENT["order_created"]
    payload = told(event, order=order(user=None), errors=[refusal("order", "user", "isConfirmed")])
    with pytest.raises(Permanent, match=r"order\.user\.isConfirmed .*MANAGE_USERS"):
        event.parse(payload)


def test_a_customer_hidden_as_a_whole_is_not_taken_for_no_customer():
    event = BY_EVENT["order_created"]
    with pytest.raises(Permanent, match="who placed this order"):
        event.parse(told(event, order=order(user=None), errors=[refusal("order", "user")]))


def test_a_hidden_detail_of_an_order_refuses_nothing():
    event = BY_EVENT["order_created"]
    payload = told(event, order=order(giftCards=None), errors=[refusal("order", "giftCards", "0")])
    assert len(event.parse(payload).orders) == 1


def test_an_order_that_was_not_shown_says_what_was_hidden():
    event = BY_EVENT["order_updated"]
    with pytest.raises(Permanent, match=r"event\.order\.origin \(PermissionDenied\)\.$"):
        event.parse(told(event, order=None, errors=[refusal("order", "origin")]))


@pytest.mark.parametrize(
    "missing", ["id", "updatedAt", "status", "total", "totalCharged", "totalRefunded", "user"]
)
def test_an_order_without_what_decides_is_refused_by_the_name_of_the_field(missing):
    event, data = BY_EVENT["order_updated"], order()
    del data[missing]
    with pytest.raises(Permanent, match=missing):
        event.parse(told(event, order=data))


@pytest.mark.parametrize(
    "missing",
    ["number", "origin", "channel", "languageCodeEnum", "giftCards", "events", "transactions", "lines"],
)
def test_an_order_without_anything_else_is_taken(missing):
    event, data = BY_EVENT["order_updated"], order()
    del data[missing]
    assert len(event.parse(told(event, order=data)).orders) == 1


@customers
def test_a_customer_event_tells_the_account_and_some_ask_for_its_orders(event):
    facts = event.parse(told(event, user=user()))
    (account,) = facts.accounts
    assert (account.id, account.is_confirmed, account.deleted, account.seen_at) == (
        "VXNlcjo0Ng==",
        True,
        False,
        ISSUED,
    )
    assert facts.reread == (("VXNlcjo0Ng==",) if event.name in REREADING else ())


@customers
@pytest.mark.parametrize("missing", ["id", "email", "isConfirmed"])
def test_an_account_without_what_decides_is_refused_by_the_name_of_the_field(event, missing):
    data = user()
    del data[missing]
    with pytest.raises(Permanent, match=missing):
        event.parse(told(event, user=data))


@deletions
@pytest.mark.parametrize(
    "data", [{"id": "VXNlcjo1Mg==", "email": "del@example.com"}, user(id="VXNlcjo1Mg==")]
)
def test_a_deletion_tells_which_account_is_gone_and_when(event, data):
    (account,) = event.parse(told(event, user=data)).accounts
    assert (account.id, account.deleted, account.seen_at) == ("VXNlcjo1Mg==", True, ISSUED)


@deletions
def test_a_deletion_of_nobody_is_for_a_person_to_look_at(event):
    payload = told(event, user=None, errors=[refusal("user", "privateMetadata")])
    with pytest.raises(Permanent, match=r"without its user: event\.user\.privateMetadata"):
        event.parse(payload)


@deletions
@pytest.mark.parametrize(
    ("change", "words"), [({"issuedAt": None}, "not when"), ({"user": {"id": ""}}, "id")]
)
def test_a_deletion_that_does_not_say_when_or_whose_is_for_a_person_to_look_at(event, change, words):
    with pytest.raises(Permanent, match=words):
        event.parse(told(event, **{"user": {"id": "VXNlcjo1Mg=="}, **change}))


def test_deleting_the_app_tells_which_app():
    event = BY_EVENT["app_deleted"]
    facts = event.parse(told(event, app={"id": "QXBwOjE=", "isActive": False}))
    assert facts == Facts(app=AppChange(app_id="QXBwOjE=", said_at=SAID, deleted=True, active=False))


@pytest.mark.parametrize("active", [True, False])
def test_switching_the_app_tells_which_way(active):
    event = BY_EVENT["app_status_changed"]
    facts = event.parse(told(event, app={"id": "QXBwOjE=", "isActive": active}))
    assert facts == Facts(app=AppChange(app_id="QXBwOjE=", said_at=SAID, deleted=False, active=active))


@pytest.mark.parametrize(
    "app", [None, {}, {"id": None}, {"id": ""}, {"id": "QXBwOjE="}, {"id": "A", "isActive": "yes"}]
)
def test_a_status_that_is_not_told_is_not_guessed(app):
    event = BY_EVENT["app_status_changed"]
    with pytest.raises(Permanent):
        event.parse(told(event, app=app))


@everything
@pytest.mark.parametrize(
    "nonsense", [None, [], [{"id": "VXNlcjox"}], {}, "x", 7, {"order": [], "user": 1, "app": ""}]
)
def test_nonsense_is_for_a_person_to_look_at(event, nonsense):
    with pytest.raises(Permanent):
        event.parse(nonsense)


@everything
@pytest.mark.parametrize(
    "errors",
    [
        "x",
        [7],
        [{}],
        [{"path": "event"}],
        [{"path": [0]}],
        [{"path": ["event", "order"], "extensions": 7}],
        {"path": []},
    ],
)
def test_nonsense_among_the_reasons_hides_nothing(event, errors):
    payload = told(event, order=order(), user=user(), app={"id": "QXBwOjE=", "isActive": True}, errors=errors)
    assert event.parse(payload) == event.parse({**payload, "errors": []})


@pytest.mark.parametrize("when", [None, 7, "yesterday", "2026-99-99T00:00:00Z"])
def test_an_order_that_does_not_say_when_it_was_told_loses_to_one_that_does(when):
    event = BY_EVENT["order_updated"]
    (undated,) = event.parse(told(event, order=order(), issuedAt=when)).orders
    (dated,) = event.parse(told(event, order=order())).orders
    assert undated.version < dated.version


def test_the_envelope_names_the_app_that_caused_an_event():
    event = BY_EVENT["customer_updated"]
    by_us = {"__typename": "App", "id": "QXBwOjE="}
    assert envelope(told(event, issuingPrincipal=by_us)).by_app == "QXBwOjE="


@pytest.mark.parametrize("principal", [None, {"__typename": "User", "id": "QXBwOjE="}, {"id": "QXBwOjE="}])
def test_a_user_is_never_taken_for_an_app(principal):
    assert envelope(told(BY_EVENT["customer_updated"], issuingPrincipal=principal)).by_app is None


@pytest.mark.parametrize(
    "spoiled", [[], {}, {"__typename": 7}, {"__typename": "X", "recipient": "Y"}, {"__typename": None}]
)
def test_an_envelope_that_cannot_be_read_is_refused(spoiled):
    with pytest.raises(Invalid):
        envelope(spoiled)


def test_what_a_running_saleor_told_of_orders_loads(deliveries):
    seen = set()
    for delivery in deliveries:
        event = BY_EVENT.get(delivery.event)
        if event in ORDERS:
            payload = json.loads(delivery.body, parse_float=Decimal)
            (snapshot,) = event.parse(payload).orders
            seen.add(event.name)
            assert (snapshot.id, snapshot.seen_at.isoformat()) == (
                payload["order"]["id"],
                payload["issuedAt"],
            )
    assert seen == {event.name for event in ORDERS} - {"ORDER_EXPIRED"}


def test_what_a_running_saleor_told_of_customers_loads(deliveries):
    seen = set()
    for delivery in deliveries:
        event = BY_EVENT.get(delivery.event)
        if event in [*CUSTOMERS, *DELETIONS] and delivery.payload["user"]:
            (account,) = event.parse(delivery.payload).accounts
            seen.add(event.name)
            assert (account.id, account.deleted) == (delivery.payload["user"]["id"], event in DELETIONS)
    assert seen == {event.name for event in [*CUSTOMERS, *DELETIONS]}


def test_the_deletions_a_running_saleor_would_not_show_are_refused_with_its_reason(deliveries):
    hidden = [d for d in deliveries if d.event == "customer_deleted" and d.payload["user"] is None]
    for delivery in hidden:
        with pytest.raises(Permanent, match="privateMetadata"):
            BY_EVENT["customer_deleted"].parse(delivery.payload)
    assert len(hidden) == 3


def test_what_a_running_saleor_told_of_the_app_loads(deliveries):
    told_of_the_app = [d for d in deliveries if d.event in {"app_deleted", "app_status_changed"}]
    changes = [BY_EVENT[delivery.event].parse(delivery.payload).app for delivery in told_of_the_app]
    assert [change.app_id for change in changes] == [d.payload["app"]["id"] for d in told_of_the_app]
    assert [change.deleted for change in changes] == [d.event == "app_deleted" for d in told_of_the_app]


def test_every_envelope_of_a_running_saleor_can_be_read(deliveries):
    ours = [delivery.payload for delivery in deliveries if delivery.event in BY_EVENT]
    for payload in ours:
        assert envelope(payload).issued_at.isoformat() == payload["issuedAt"]
    assert len(ours) > 70


def test_an_order_that_one_unreadable_field_took_along_is_read_from_the_bare_one_beside_it():
    event = BY_EVENT["order_created"]
    problem = {"message": "Expected a value", "path": ["event", "order", "origin"]}
    whole = order()
    bare = {name: whole[name] for name in ("id", "status", "updatedAt", "userEmail", "user", "total")}
    bare |= {name: whole[name] for name in ("totalCharged", "totalRefunded")}
    (found,) = event.parse(told(event, order=None, bare=bare, errors=[problem])).orders
    assert (found.id, found.origin, found.gross) == (whole["id"], None, found.gross)


def test_a_bare_order_whose_customer_is_hidden_is_for_a_person_to_look_at():
    event = BY_EVENT["order_created"]
    hidden = {"message": "no", "path": ["event", "bare", "user"]}
    with pytest.raises(Permanent, match="who placed this order"):
        event.parse(told(event, order=None, bare=order() | {"user": None}, errors=[hidden]))
