"""What a person's orders add up to."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.customers.facts import OrderSnapshot, latest
from plugin.customers.profile import Profile, profile, purchase_day, spend, why_not
from plugin.money import Money
from plugin.shops.policy import Policy

NOON = datetime(2025, 5, 12, 12, tzinfo=UTC)
POLICY = Policy(main_currency="EUR")
ORDER = OrderSnapshot(
    id="T3JkZXI6MQ==",
    number="1",
    status="FULFILLED",
    origin="CHECKOUT",
    created_at=NOON,
    updated_at=NOON,
    seen_at=NOON,
    paid_at=NOON,
    user_id=None,
    email="jan@example.nl",
    currency="EUR",
    gross=Decimal("40.00"),
    undiscounted=Decimal("40.00"),
    charged=Decimal("40.00"),
    refunded=Decimal(0),
)


def order(number=1, **changes):
    return replace(ORDER, id=f"order {number}", **changes)


def money(amount):
    return Money(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"status": "UNFULFILLED"}, None),
        ({"status": "UNCONFIRMED"}, None),
        ({"status": "PARTIALLY_FULFILLED"}, None),
        ({"status": "RETURNED"}, None),
        ({"status": "DRAFT"}, "draft"),
        ({"status": "CANCELED"}, "cancelled"),
        ({"status": "EXPIRED"}, "expired"),
        ({"origin": "REISSUE"}, "reissue"),
        ({"origin": "DRAFT"}, None),
        ({"origin": "BULK_CREATE"}, None),
        ({"origin": None}, None),
        ({"charged": Decimal("39.99")}, "unpaid"),
        ({"charged": Decimal(0)}, "unpaid"),
        ({"charged": Decimal(0), "status": "UNCONFIRMED"}, "unpaid"),
        ({"charged": Decimal(50)}, None),
        # A partial refund: Saleor no longer calls it paid, it still is.
        ({"charged": Decimal("15.01"), "refunded": Decimal("24.99")}, None),
        ({"charged": Decimal("0.01"), "refunded": Decimal("39.99")}, None),
        ({"charged": Decimal(0), "refunded": Decimal("40.00")}, "refunded"),
        ({"charged": Decimal(0), "refunded": Decimal("41.00")}, "refunded"),
        ({"charged": Decimal(40), "refunded": Decimal("40.00")}, "refunded"),
        ({"gross": Decimal("0.50"), "charged": Decimal(0), "refunded": Decimal("0.50")}, "refunded"),
        # Only part was ever paid, and came back.
        ({"charged": Decimal(0), "refunded": Decimal("10.00")}, "unpaid"),
        # A gift card as promo code paid for all of it.
        ({"gross": Decimal(0), "charged": Decimal(0)}, None),
        ({"gross": Decimal(0), "charged": Decimal(0), "status": "CANCELED"}, "cancelled"),
        ({"status": "CANCELED", "refunded": Decimal("40.00")}, "cancelled"),
    ],
)
def test_an_order_counts_when_it_is_paid_and_stands(changes, why):
    assert why_not(replace(ORDER, **changes)) == why


def test_spend_is_the_total_less_what_came_back():
    assert spend(order(charged=Decimal("15.01"), refunded=Decimal("24.99"))) == Decimal("15.01")
    assert spend(order(charged=Decimal("40.00"), refunded=Decimal("24.99"))) == Decimal("15.01")


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        # New Year begins an hour earlier in Amsterdam than in UTC.
        ("2024-12-31T22:59:59+00:00", "Europe/Amsterdam", "2024-12-31"),
        ("2024-12-31T23:30:00+00:00", "Europe/Amsterdam", "2025-01-01"),
        ("2024-12-31T23:30:00+00:00", "UTC", "2024-12-31"),
        # Summer time: from 30 March 2025 two hours earlier, from 26 October one again.
        ("2025-03-29T22:30:00+00:00", "Europe/Amsterdam", "2025-03-29"),
        ("2025-03-30T22:30:00+00:00", "Europe/Amsterdam", "2025-03-31"),
        ("2025-10-25T22:30:00+00:00", "Europe/Amsterdam", "2025-10-26"),
        ("2025-10-26T22:30:00+00:00", "Europe/Amsterdam", "2025-10-26"),
        ("2025-05-12T03:00:00+00:00", "America/New_York", "2025-05-11"),
        # Whatever offset the moment is written in.
        ("2025-01-01T00:30:00+01:00", "UTC", "2024-12-31"),
    ],
)
def test_a_purchase_day_is_a_day_in_the_shop(moment, zone, day):
    paid = order(paid_at=datetime.fromisoformat(moment), created_at=NOON - timedelta(days=90))

    assert purchase_day(paid, policy=Policy(time_zone=zone)) == date.fromisoformat(day)


def test_the_day_is_that_of_payment_and_else_of_ordering():
    paid_later = order(paid_at=NOON + timedelta(days=3))

    assert purchase_day(paid_later, policy=POLICY) == date(2025, 5, 15)
    assert purchase_day(order(paid_at=None), policy=POLICY) == date(2025, 5, 12)


def test_a_profile_adds_up_what_counts():
    orders = [
        order(1, gross=Decimal("19.95"), charged=Decimal("19.95")),
        order(2, paid_at=NOON + timedelta(hours=3)),
        order(3, paid_at=NOON - timedelta(days=30), charged=Decimal(30), refunded=Decimal(10)),
        order(4, paid_at=NOON - timedelta(days=60), status="CANCELED"),
        order(5, paid_at=NOON - timedelta(days=61), status="CANCELED"),
        order(6, paid_at=NOON - timedelta(days=62), refunded=Decimal(40)),
    ]

    assert profile(orders, policy=POLICY) == Profile(
        purchase_days=(date(2025, 4, 12), date(2025, 5, 12)),
        last_order_day=date(2025, 5, 12),
        orders_counted=3,
        spent=money("89.95"),
        left_out=(),
        not_counted={"cancelled": 2, "refunded": 1},
        joined=0,
    )


def test_the_first_and_the_last_purchase_day():
    far = profile([order(1), order(2, paid_at=NOON + timedelta(days=400))], policy=POLICY)

    assert (far.first, far.last) == (date(2025, 5, 12), date(2026, 6, 16))


def test_nobody_has_bought_yet():
    empty = profile([], policy=POLICY)

    assert empty == Profile(spent=money(0), not_counted={})
    assert (empty.first, empty.last) == (None, None)


def test_a_partial_refund_changes_nothing_but_spend():
    whole = profile([order()], policy=POLICY)
    part = profile([order(charged=Decimal(30), refunded=Decimal(10))], policy=POLICY)

    assert part == replace(whole, spent=money("30.00"))


@pytest.mark.parametrize(
    "changes", [{"status": "CANCELED"}, {"refunded": Decimal(40)}, {"status": "EXPIRED"}]
)
def test_an_order_undone_leaves_no_day_and_no_money(changes):
    undone = profile([order(1), order(2, paid_at=NOON - timedelta(days=9), **changes)], policy=POLICY)

    assert replace(undone, not_counted={}) == profile([order(1)], policy=POLICY)


def test_an_open_order_is_an_order_but_no_purchase():
    waiting = order(2, charged=Decimal(0), paid_at=None, created_at=NOON + timedelta(days=20))

    found = profile([order(1), waiting], policy=POLICY)

    assert (found.purchase_days, found.last_order_day) == ((date(2025, 5, 12),), date(2025, 6, 1))


@pytest.mark.parametrize(
    "changes", [{"status": "DRAFT"}, {"status": "CANCELED"}, {"status": "EXPIRED"}, {"origin": "REISSUE"}]
)
def test_what_does_not_stand_is_no_order_either(changes):
    assert profile([order(charged=Decimal(0), **changes)], policy=POLICY).last_order_day is None


DOLLARS = {"currency": "USD", "gross": Decimal("10.00"), "charged": Decimal("10.00")}
POUNDS = {"currency": "GBP", "gross": Decimal("5.00"), "charged": Decimal("5.00")}


@pytest.mark.parametrize(
    ("policy", "orders", "spent", "left_out"),
    [
        (POLICY, [order(1), order(2, **DOLLARS)], money("40.00"), ("USD",)),
        (POLICY, [order(1, **DOLLARS), order(2, **POUNDS)], money(0), ("GBP", "USD")),
        (
            Policy(main_currency="EUR", rates={"USD": Decimal("0.9")}),
            [order(1), order(2, **DOLLARS), order(3, **POUNDS)],
            money("49.00"),
            ("GBP",),
        ),
        (
            Policy(main_currency="EUR", rates={"USD": Decimal("0.9")}),
            [order(1, charged=Decimal(0), currency="GBP")],
            money(0),
            (),
        ),
        # No main currency: the only one that there is, else none can be chosen.
        (Policy(), [order(1, **DOLLARS)], Money(Decimal("10.00"), "USD"), ()),
        (Policy(), [order(1), order(2, status="CANCELED", **DOLLARS)], money("40.00"), ()),
        (Policy(), [order(1), order(2, **DOLLARS)], None, ("EUR", "USD")),
        (Policy(rates={"USD": Decimal("0.9")}), [order(1), order(2, **DOLLARS)], None, ("EUR", "USD")),
        (Policy(rates={"USD": Decimal("0.9")}), [order(1, **DOLLARS)], Money(Decimal("10.00"), "USD"), ()),
        (Policy(), [], None, ()),
    ],
)
def test_currencies_are_added_only_at_the_merchants_rates(policy, orders, spent, left_out):
    found = profile(orders, policy=policy)

    assert (found.spent, found.left_out) == (spent, left_out)


def test_an_amount_left_out_is_still_a_visit():
    abroad = profile([order(1, paid_at=NOON - timedelta(days=7), **DOLLARS), order(2)], policy=POLICY)

    assert abroad.purchase_days == (date(2025, 5, 5), date(2025, 5, 12))


LINKED = order(1, user_id="VXNlcjox")


@pytest.mark.parametrize(
    ("orders", "person", "joined"),
    [
        ([LINKED, order(2)], "user:VXNlcjox", 1),
        ([order(1), order(2), order(3, status="CANCELED")], "user:VXNlcjox", 2),
        ([LINKED, order(2, user_id="deleted since")], "user:VXNlcjox", 1),
        ([LINKED, order(2)], "guest:jan@example.nl", 0),
        ([order(1), order(2)], "guest:jan@example.nl", 0),
        ([LINKED, order(2)], None, 1),
        ([order(1), order(2)], None, 0),
    ],
)
def test_a_profile_tells_how_many_orders_an_account_placed_as_a_guest(orders, person, joined):
    assert profile(orders, policy=POLICY, person=person).joined == joined


def test_the_newest_version_of_an_order_is_the_truth():
    second = timedelta(seconds=1)
    versions = [
        order(updated_at=NOON, seen_at=NOON + 9 * second, status="UNFULFILLED"),
        order(updated_at=NOON + second, seen_at=NOON + second, status="FULFILLED"),
        # Expiring moves no updatedAt.
        order(updated_at=NOON + second, seen_at=NOON + 2 * second, status="EXPIRED"),
    ]

    for told in (versions, versions[::-1], versions[1:] + versions[:1] + versions):
        assert latest(told) == {"order 1": versions[2]}


moments = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
amounts = st.decimals(0, 500, places=2)
orders_of_a_person = st.lists(
    st.builds(
        OrderSnapshot,
        id=st.sampled_from(["a", "b", "c", "d", "e"]),
        number=st.just("1"),
        status=st.sampled_from(["FULFILLED", "UNFULFILLED", "CANCELED", "UNCONFIRMED", "DRAFT", "EXPIRED"]),
        origin=st.sampled_from(["CHECKOUT", "REISSUE", None]),
        created_at=moments,
        updated_at=moments,
        seen_at=moments,
        paid_at=st.none() | moments,
        user_id=st.sampled_from([None, "VXNlcjox"]),
        email=st.just("jan@example.nl"),
        currency=st.sampled_from(["EUR", "USD", "GBP"]),
        gross=amounts,
        undiscounted=st.none(),
        charged=amounts,
        refunded=amounts | st.just(Decimal(0)),
    ),
    max_size=10,
    unique_by=lambda one: (one.id, one.version),
)
policies = st.sampled_from([POLICY, Policy(), Policy(main_currency="EUR", rates={"USD": Decimal("0.9173")})])


@given(orders_of_a_person, policies, st.randoms(use_true_random=False))
def test_a_profile_depends_neither_on_arrival_nor_on_repetition(orders, policy, random):
    again = orders + random.choices(orders, k=len(orders)) if orders else []
    random.shuffle(again)

    assert profile(again, policy=policy) == profile(orders, policy=policy)


@given(orders_of_a_person, policies)
def test_every_order_is_counted_or_said_not_to_be(orders, policy):
    found = profile(orders, policy=policy)

    assert found.orders_counted + sum(found.not_counted.values()) == len(latest(orders))
    assert len(found.purchase_days) <= found.orders_counted
