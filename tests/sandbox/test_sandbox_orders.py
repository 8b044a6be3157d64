"""What happens to orders leaves the totals and fires the events that a running Saleor showed."""

from datetime import timedelta

import pytest

from sandbox.shop import Refusal
from tests.sandbox.sandbox_app import ask, captured

ASKED = (
    "status isPaid chargeStatus paymentStatus origin voucherCode total { gross { amount } } "
    "undiscountedTotal { gross { amount } } subtotal { gross { amount } } totalCharged { amount } "
    "totalRefunded { amount } totalBalance { amount } totalGrantedRefund { amount } totalCanceled { amount }"
)


def example(number: str) -> dict:
    return next(one for one in captured("orders_examples.jsonl") if one["number"] == number)


def answered(shop, order) -> dict:
    more = (
        " events { type } transactions { name chargedAmount { amount } refundedAmount { amount } "
        "events { type amount { amount } } } payments { gateway chargeStatus total { amount } "
        "capturedAmount { amount } }"
    )
    return ask(shop, f'{{ order(id: "{order.gid}") {{ {ASKED} {more} }} }}')[1]["data"]["order"]


def seen(real: dict, ours: dict) -> dict:
    """Cut a captured order down to what we ask, without moments."""
    shown = {key: real[key] for key in ours if key not in {"events", "transactions"}}
    shown["events"] = [{"type": one["type"]} for one in real["events"]]
    shown["transactions"] = [
        {
            key: part[key]
            if key != "events"
            else [{"type": e["type"], "amount": e["amount"]} for e in part[key]]
            for key in ("name", "chargedAmount", "refundedAmount", "events")
        }
        for part in real["transactions"]
    ]
    return shown


def test_an_order_refunded_in_two_parts_reads_as_in_the_captures(shop):
    order = shop.place_order(email="ada@example.com", origin="DRAFT", total="22.78", undiscounted="23.98")
    shop.fulfil(order)
    shop.refund(order, "5.70")
    half_way = shop.order(order)
    shop.refund(order)
    ours, real = answered(shop, order), example("21")

    expected = seen(real, ours)
    expected["events"].remove({"type": "FULFILLMENT_FULFILLED_ITEMS"})  # that one was sent in two parcels
    assert ours == expected
    assert (half_way.is_paid, half_way.charge_status, half_way.payment_status) == (
        False,
        "PARTIAL",
        "PARTIALLY_CHARGED",
    )


def test_a_refund_noted_by_hand_leaves_the_charge_alone_as_in_the_captures(shop):
    order = shop.place_order(email="ada@example.com", origin="DRAFT", total="14.00", undiscounted="20.00")
    shop.refund(order, "1.00", manual=True)
    shop.add_note(order, "one back")
    ours = answered(shop, order)

    assert ours == seen(example("24"), ours)


def test_an_order_in_the_payment_flow_reads_as_in_the_captures(shop):
    order = shop.place_order(email="ada@example.com", origin="DRAFT", total="40.00", paid=False)
    shop.mark_paid(order, flow="payment")
    shop.fulfil(order)
    shop.refund(order, "1.00")
    half_way = shop.order(order)
    shop.refund(order)
    ours = answered(shop, order)

    assert ours == seen(example("27"), ours)
    assert half_way.payment_status == "PARTIALLY_REFUNDED"


def test_a_cancelled_paid_order_stays_charged_as_in_the_captures(shop):
    order = shop.place_order(email="ada@example.com", origin="DRAFT", total="1.39", undiscounted="1.99")
    shop.cancel(order)
    ours = answered(shop, order)

    assert ours == seen(example("23"), ours)


@pytest.mark.parametrize(
    ("number", "details"),
    [
        ("31", {"total": "37.00", "undiscounted": "60.00", "voucher_code": "RW292373-A"}),
        ("34", {"total": "42.00", "undiscounted": "60.00", "gift_card": "10.00"}),
    ],
)
def test_vouchers_and_gift_cards_lower_the_total_as_in_the_captures(shop, number, details):
    order = shop.place_order(email="ada@example.com", **details)
    ours = answered(shop, order)

    expected = seen(example(number), ours)
    expected["events"] = [one for one in expected["events"] if one["type"] != "EMAIL_SENT"]
    assert ours == expected


def fired(shop, app, act) -> set[str]:
    shop.deliveries.settle()
    app.heard.clear()
    act()
    shop.deliveries.settle()
    return set(app.names())


def test_every_action_on_an_order_fires_the_events_that_a_real_shop_fired(shop, app):
    order = shop.place_order(email="ada@example.com", origin="DRAFT", paid=False)
    steps = {
        "mark paid": lambda: shop.mark_paid(order),
        "fulfil": lambda: shop.fulfil(order),
        "refund a part": lambda: shop.refund(order, "1.00"),
        "refund the rest": lambda: shop.refund(order),
        "draft": lambda: shop.place_order(email="b@example.com", origin="DRAFT", paid=False),
        "cancel": lambda: shop.cancel(2),
        "checkout": lambda: shop.place_order(email="c@example.com"),
        "waits": lambda: shop.place_order(email="d@example.com", paid=False, confirmed=False),
        "pay a part": lambda: shop.charge(4, "5.00"),
        "pay the rest": lambda: shop.charge(4),
        "confirm": lambda: shop.confirm_order(4),
        "note": lambda: shop.add_note(4, "hello"),
        "waits too": lambda: shop.place_order(email="e@example.com", paid=False, confirmed=False),
        "expire": lambda: shop.expire(5),
    }

    assert {name: fired(shop, app, act) for name, act in steps.items()} == {
        "mark paid": {"ORDER_FULLY_PAID", "ORDER_UPDATED"},
        "fulfil": {"ORDER_UPDATED", "ORDER_FULFILLED"},
        "refund a part": {"ORDER_REFUNDED", "ORDER_UPDATED"},
        "refund the rest": {"ORDER_REFUNDED", "ORDER_UPDATED", "ORDER_FULLY_REFUNDED"},
        "draft": {"ORDER_CONFIRMED", "ORDER_CREATED"},
        "cancel": {"ORDER_CANCELLED", "ORDER_UPDATED"},
        "checkout": {"ORDER_CREATED", "ORDER_PAID", "ORDER_FULLY_PAID", "ORDER_UPDATED", "ORDER_CONFIRMED"},
        "waits": {"ORDER_CREATED"},
        "pay a part": {"ORDER_PAID", "ORDER_UPDATED"},
        "pay the rest": {"ORDER_PAID", "ORDER_FULLY_PAID", "ORDER_UPDATED"},
        "confirm": {"ORDER_CONFIRMED"},
        "note": {"ORDER_UPDATED"},
        "waits too": {"ORDER_CREATED"},
        "expire": {"ORDER_EXPIRED", "ORDER_UPDATED"},
    }


def test_expiring_moves_no_updated_at(shop, clock):
    order = shop.place_order(email="ada@example.com", paid=False, confirmed=False)
    clock.move(days=1)

    expired = shop.expire(order)

    assert (expired.status, expired.updated_at) == ("EXPIRED", order.updated_at)


def test_an_order_can_be_dated_back_with_its_payment(shop, clock):
    created, paid = clock() - timedelta(days=40), clock() - timedelta(days=30)

    order = shop.place_order(email="ada@example.com", created=created, paid_at=paid)

    assert (order.created, order.updated_at, order.transactions[0].created_at) == (created, paid, paid)
    assert [(one.type, one.date) for one in order.events] == [
        ("PLACED", created),
        ("ORDER_FULLY_PAID", paid),
        ("CONFIRMED", paid),
    ]


def test_a_guests_order_belongs_at_once_to_the_account_of_that_address_in_any_letter_case(shop):
    account = shop.register_account("ada@example.com")

    order = shop.place_order(email="Ada@Example.COM")

    assert (order.user_id, order.user_email) == (account.id, "Ada@Example.COM")


@pytest.mark.parametrize(
    ("act", "details"),
    [
        ("cancel", (1,)),
        ("expire", (1,)),
        ("mark_paid", (1,)),
        ("refund", (1, "26")),
        ("confirm_order", (1,)),
        ("fulfil", (1,)),
        ("refund", (99,)),
    ],
)
def test_what_a_real_shop_refuses_is_refused_and_changes_nothing(shop, act, details):
    shop.fulfil(shop.place_order(email="ada@example.com"))
    before = dict(shop.store.orders)

    with pytest.raises(Refusal):
        getattr(shop, act)(*details)

    assert shop.store.orders == before
