"""What is to change in a shop's webhooks follows from what is wanted and what stands there."""

from dataclasses import replace

import pytest

from plugin.saleor.own_app import Subscription, Webhook, knows_identifiers
from plugin.shops.webhooks.rules import (
    Change,
    compare,
    differences,
    dump,
    load,
    overtaken,
    same,
    settled,
    undone,
)

PREFIX = "Herkend "
KNOWN = {"Herkend ORDER_PAID", "Herkend ORDER_CREATED", "Herkend CUSTOMER_DELETED"}


def says(event="ORDER_PAID", **other) -> Subscription:
    given = {
        "name": PREFIX + event,
        "identifier": event.lower(),
        "target_url": f"https://herkend.example/api/webhooks/{event.lower()}",
        "query": "subscription { event { __typename } }",
        "events": (event,),
        "active": True,
    }
    return Subscription(**{**given, **other})


def hook(id_, said) -> Webhook:
    return Webhook(id=id_, says=said)


def changes(wanted, *there) -> list[Change]:
    return compare(wanted, there, prefix=PREFIX, known=KNOWN, address="https://herkend.example")


PAID, CREATED = says(), says("ORDER_CREATED")


def test_nothing_changes_where_all_is_as_wanted():
    assert changes([PAID, CREATED], hook("2", CREATED), hook("1", PAID)) == []


def test_what_is_missing_is_made():
    assert changes([PAID, CREATED], hook("1", PAID)) == [Change(id=None, before=None, after=CREATED)]


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"query": "subscription { event { issuedAt } }"}, "what it asks for"),
        ({"target_url": "https://elsewhere.example/"}, "its target address"),
        ({"events": ("ORDER_UPDATED",)}, "its events"),
        ({"active": False}, "on again: it was switched off"),
        ({"name": "Orders"}, "its name was 'Orders'"),
        ({"identifier": None}, "its identifier"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_differs_is_changed_and_said(other, word):
    before = replace(PAID, **other)
    (change,) = changes([PAID], hook("1", before))
    assert (change, differences(change)) == (Change(id="1", before=before, after=PAID), [word])


def test_white_space_in_a_query_and_the_order_of_events_say_nothing():
    spread = replace(PAID, query="subscription {\n  event { __typename }\n}\n", events=("B", "A"))
    assert same(spread, replace(PAID, events=("A", "B")))


def test_without_identifiers_a_webhook_is_known_by_its_name():
    before = replace(PAID, identifier=None, active=False)
    wanted = replace(PAID, identifier=None)
    assert changes([wanted], hook("1", before)) == [Change(id="1", before=before, after=wanted)]


def test_of_several_the_one_with_our_identifier_is_kept_and_deleted_last():
    nameless, named, twin = replace(PAID, identifier=None), replace(PAID, active=False), PAID
    found = changes([twin, CREATED], hook("1", nameless), hook("2", named))
    assert found == [
        Change(id="2", before=named, after=twin),
        Change(id=None, before=None, after=CREATED),
        Change(id="1", before=nameless, after=None),
    ]


def test_of_equals_the_one_that_says_the_same_already_is_kept():
    wanted = replace(PAID, identifier=None)
    off = replace(wanted, active=False)
    assert changes([wanted], hook("1", off), hook("2", wanted)) == [Change(id="1", before=off, after=None)]


def test_ours_that_no_version_wants_any_more_is_deleted():
    old = says("ORDER_BOUGHT", identifier=None)
    assert changes([PAID], hook("1", PAID), hook("2", old)) == [Change(id="2", before=old, after=None)]


def test_what_another_version_of_saleor_is_asked_for_is_left_alone():
    assert changes([PAID], hook("1", PAID), hook("2", says("CUSTOMER_DELETED", identifier=None))) == []


@pytest.mark.parametrize("other", [{"identifier": None}, {"identifier": "mine"}])
def test_what_staff_made_is_left_alone(other):
    theirs = says("ORDER_UPDATED", name="To our warehouse", **other)
    assert changes([PAID], hook("1", PAID), hook("2", theirs)) == []


def test_what_staff_made_is_left_alone_whatever_its_name_where_it_sends_elsewhere():
    theirs = says(name="Herkend orders to our ERP", identifier=None, target_url="https://erp.example/in")
    copied = replace(PAID, identifier=None, target_url="https://herkend.example.evil/in")
    assert changes([PAID], hook("1", theirs), hook("2", copied), hook("3", PAID)) == []


def test_without_identifiers_the_one_that_sends_to_us_is_kept_not_staffs_copy_of_it():
    wanted = replace(PAID, identifier=None)
    copied, off = replace(wanted, target_url="https://erp.example/in"), replace(wanted, active=False)
    assert changes([wanted], hook("1", copied), hook("2", off)) == [Change(id="2", before=off, after=wanted)]


def test_a_double_that_sends_to_our_former_address_is_deleted():
    old = replace(PAID, identifier=None, target_url="http://old.example/api/webhooks/order_paid")
    assert changes([PAID], hook("1", old), hook("2", PAID)) == [Change(id="1", before=old, after=None)]


def test_a_webhook_known_by_its_identifier_is_not_taken_for_another_whose_name_it_bears():
    renamed = replace(CREATED, name=PAID.name)
    found = changes([PAID, CREATED], hook("1", renamed))
    assert found == [
        Change(id="1", before=renamed, after=CREATED),
        Change(id=None, before=None, after=PAID),
    ]


OFF = replace(PAID, active=False)


@pytest.mark.parametrize(
    ("change", "there", "back"),
    [
        (Change(id="1", before=OFF, after=PAID), [hook("1", PAID)], Change(id="1", before=PAID, after=OFF)),
        (Change(id="1", before=OFF, after=PAID), [hook("1", OFF)], None),
        (Change(id="1", before=OFF, after=PAID), [hook("9", PAID)], Change(id="9", before=PAID, after=OFF)),
        (Change(id="1", before=None, after=PAID), [hook("1", PAID)], Change(id="1", before=PAID, after=None)),
        (
            Change(id=None, before=None, after=PAID),
            [hook("7", PAID)],
            Change(id="7", before=PAID, after=None),
        ),
        (Change(id=None, before=None, after=PAID), [], None),
        (Change(id="1", before=OFF, after=None), [], Change(id=None, before=None, after=OFF)),
        (Change(id="1", before=OFF, after=None), [hook("1", OFF)], None),
    ],
)
def test_undoing_brings_back_what_was_whatever_became_of_it_meanwhile(change, there, back):
    assert (undone(change, there), overtaken(change, there)) == (back, False)


MOVED = replace(PAID, target_url="https://proxy.example/in")


@pytest.mark.parametrize(
    ("change", "there"),
    [
        (Change(id="1", before=OFF, after=PAID), [hook("1", MOVED)]),
        (Change(id="1", before=OFF, after=PAID), []),
        (Change(id="1", before=None, after=PAID), [hook("1", MOVED)]),
        (Change(id="1", before=OFF, after=None), [hook("1", MOVED)]),
    ],
)
def test_what_somebody_changed_or_deleted_since_is_not_brought_back(change, there):
    assert (undone(change, there), overtaken(change, there)) == (None, True)


@pytest.mark.parametrize(
    ("change", "there", "stands"),
    [
        (Change(id="1", before=OFF, after=PAID), [hook("1", PAID)], Change(id="1", before=OFF, after=PAID)),
        (Change(id="1", before=OFF, after=PAID), [hook("1", OFF), hook("2", PAID)], None),
        (
            Change(id=None, before=None, after=PAID),
            [hook("7", PAID)],
            Change(id="7", before=None, after=PAID),
        ),
        (Change(id=None, before=None, after=PAID), [hook("7", OFF)], None),
        (Change(id="1", before=OFF, after=None), [hook("2", OFF)], Change(id="1", before=OFF, after=None)),
        (Change(id="1", before=OFF, after=None), [hook("1", OFF)], None),
    ],
)
def test_whether_a_change_stands_whose_answer_was_lost_is_seen_from_what_is_there(change, there, stands):
    assert settled(change, there) == stands


def test_a_change_is_kept_as_json_and_read_again():
    change = Change(id="1", before=OFF, after=None)
    assert load(dump(change)) == change


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("3.22.67", False),
        ("3.23", False),
        ("3.23.22", False),
        ("3.23.23", True),
        ("3.23.28", True),
        ("3.24.0-a.1", True),
        ("4.0", True),
        ("", False),
        ("next", False),
        ("9" * 5000, False),
    ],
)
def test_webhooks_have_identifiers_from_3_23_23_on(version, known):
    assert knows_identifiers(version) is known
