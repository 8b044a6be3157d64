"""Each event has its row, its route and a subscription that the Saleors we support understand."""

from pathlib import Path

import pytest
from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, parse, validate

from webhooks.registry import BY_EVENT, EVENTS

FOLDER = Path(__file__).parents[2] / "webhooks" / "events"
ONLY_NEWER = {"CUSTOMER_DELETED"}
by_name = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)


def test_the_events_are_those_we_promise():
    assert [event.name for event in EVENTS] == [
        "ORDER_CREATED",
        "ORDER_CONFIRMED",
        "ORDER_PAID",
        "ORDER_FULLY_PAID",
        "ORDER_UPDATED",
        "ORDER_CANCELLED",
        "ORDER_EXPIRED",
        "ORDER_REFUNDED",
        "ORDER_FULLY_REFUNDED",
        "ORDER_FULFILLED",
        "CUSTOMER_CREATED",
        "CUSTOMER_UPDATED",
        "CUSTOMER_METADATA_UPDATED",
        "CUSTOMER_DELETED",
        "ACCOUNT_CONFIRMED",
        "ACCOUNT_DELETED",
        "APP_DELETED",
        "APP_STATUS_CHANGED",
    ]


def test_an_event_is_found_by_the_name_in_saleors_header():
    assert BY_EVENT["order_fully_paid"].route == "/api/webhooks/order-fully-paid"


def test_no_two_events_share_a_route_or_a_type():
    assert len({event.route for event in EVENTS}) == len({event.typename for event in EVENTS}) == len(EVENTS)


def test_every_file_of_a_subscription_is_used():
    assert {path.name for path in FOLDER.glob("*.graphql")} == {event.document for event in EVENTS}


@by_name
def test_the_subscription_is_valid_in_every_saleor_that_knows_the_event(event, schemas):
    for version in ["3.23"] if event.name in ONLY_NEWER else ["3.22", "3.23"]:
        assert validate(schemas[version], parse(event.query)) == []


@by_name
def test_what_only_a_newer_saleor_knows_stands_in_a_file_that_says_so(event, schemas):
    newer = event.typename not in schemas["3.22"].type_map
    assert (event.min_schema == (3, 23), event.document.endswith(".3.23.graphql")) == (newer, newer)


@by_name
def test_the_event_is_an_asynchronous_one_of_saleor(event, schemas):
    assert event.name in schemas["3.23"].type_map["WebhookEventTypeAsyncEnum"].values


@by_name
def test_the_subscription_asks_for_its_own_event_alone_and_for_its_envelope(event):
    operation, *_ = parse(event.query).definitions
    (field,) = operation.selection_set.selections
    (only,) = field.selection_set.selections
    asked = [part.name.value for part in only.selection_set.selections if isinstance(part, FieldNode)]
    assert (operation.operation.value, field.name.value) == ("subscription", "event")
    assert isinstance(only, InlineFragmentNode)
    assert only.type_condition.name.value == event.typename
    assert asked[:5] == ["__typename", "issuedAt", "version", "issuingPrincipal", "recipient"]
    assert set(asked[5:]) <= {"order", "user", "app"}


@by_name
def test_the_subscription_brings_its_fragments_and_no_others(event):
    document = parse(event.query)
    defined = [part.name.value for part in document.definitions[1:]]
    assert sorted(defined) == sorted(spreads(document))


@by_name
def test_no_metadata_is_asked_for(event):
    assert "metadata" not in event.query.replace(event.typename, "").lower()


@pytest.mark.parametrize(
    ("schema", "known"), [(None, False), ((3, 22), False), ((3, 23), True), ((3, 100), True), ((4, 0), True)]
)
def test_versions_are_compared_as_numbers(schema, known):
    assert BY_EVENT["customer_deleted"].known_to(schema) is known


def spreads(node) -> set[str]:
    if isinstance(node, FragmentSpreadNode):
        return {node.name.value}
    below = getattr(node, "definitions", None) or getattr(
        getattr(node, "selection_set", None), "selections", ()
    )
    return set().union(*map(spreads, below))
