import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.errors import Invalid
from plugin.saleor import shapes

SEEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
DECIDES = {"id", "status", "updatedAt", "user", "userEmail", "total", "totalCharged", "totalRefunded"}
NONSENSE = [
    None,
    5,
    -1,
    True,
    "",
    "x\0y",
    "\ud800",
    [],
    [5],
    [None],
    {},
    {"slug": 5},
    {"gross": None},
    [{"type": 5}],
]


def order(data):
    return shapes.order(data, seen_at=SEEN)


def account(data, **options):
    return shapes.account(data, seen_at=SEEN, **options)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_order_becomes_a_snapshot(an_order):
    assert order(an_order()) == OrderSnapshot(
        id="T3JkZXI61",
        number="1",
        status="UNFULFILLED",
        origin="CHECKOUT",
        created_at=at("2026-03-01 10:00"),
        updated_at=at("2026-03-02 10:00"),
        seen_at=SEEN,
        paid_at=at("2026-03-01 11:00"),
        user_id="VXNlcjox",
        email="Ada@Example.com",
        currency="EUR",
        gross=Decimal("20.5"),
        undiscounted=Decimal(25),
        charged=Decimal("20.5"),
        refunded=Decimal("0.0"),
        voucher_code=None,
        details={
            "channel": "nl",
            "language": "NL",
            "gift_cards": [],
            "lines": [{"quantity": 2, "product": "Tee", "variant": "M"}],
        },
    )


def test_an_account_becomes_a_snapshot(an_account):
    assert account(an_account(email="ADA@example.com")) == AccountSnapshot(
        id="VXNlcjox",
        email="ada@example.com",
        is_confirmed=True,
        is_active=True,
        first_name="Ada",
        last_name="Lab",
        language="NL",
        joined_at=at("2025-01-01"),
        updated_at=at("2026-01-01"),
        seen_at=SEEN,
        deleted=False,
    )


@pytest.mark.parametrize(
    "field", ["id", "status", "updatedAt", "user", "total", "totalCharged", "totalRefunded"]
)
def test_an_order_without_what_decides_is_refused_by_name(an_order, field):
    data = an_order()
    del data[field]

    with pytest.raises(Invalid, match=rf"^This order cannot be understood: {field}\.$"):
        order(data)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize("field", ["number", "origin", "created", "channel", "languageCodeEnum", "undiscountedTotal",
                                   "voucherCode", "giftCards", "events", "transactions", "lines"])  # fmt: skip
def test_whatever_else_makes_no_sense_refuses_nothing(an_order, field, value):
    snapshot = order(an_order(**{field: value}))

    assert snapshot.id == "T3JkZXI61"
    assert "\0" not in repr(snapshot)
    json.dumps(snapshot.details).encode()


def test_an_order_of_nothing_but_what_decides_is_understood(an_order):
    snapshot = order({field: value for field, value in an_order().items() if field in DECIDES})

    assert (snapshot.number, snapshot.origin, snapshot.created_at) == ("", None, snapshot.updated_at)
    assert (snapshot.paid_at, snapshot.undiscounted, snapshot.voucher_code) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("id", "", "id"),
        ("id", "x" * 256, "id"),
        ("id", "a\0b", "id"),
        ("status", "\ud800", "status"),
        ("user", {"id": 5}, "user.id"),
        ("user", {"email": "a@b.nl"}, "user.id"),
        ("user", [], "user"),
        ("userEmail", 5, "userEmail"),
        ("userEmail", "a\0@b.nl", "userEmail"),
        ("userEmail", "a" * 321, "userEmail"),
        ("updatedAt", "yesterday", "updatedAt"),
        ("updatedAt", "0001-01-01T00:00:00+05:00", "updatedAt"),
        ("updatedAt", "9999-12-31T23:59:59-05:00", "updatedAt"),
        ("total", {"gross": {"amount": 1}}, "total.gross.currency"),
        ("total", {"gross": {"amount": 1, "currency": "eur"}}, "total.gross.currency"),
        ("total", {"gross": {"amount": Decimal("1e15"), "currency": "EUR"}}, "total.gross.amount"),
        ("totalCharged", {"amount": "NaN"}, "totalCharged.amount"),
        ("totalCharged", {"amount": Decimal("1e-31")}, "totalCharged.amount"),
        ("totalRefunded", {"amount": True}, "totalRefunded.amount"),
        ("totalRefunded", None, "totalRefunded"),
    ],
)
def test_what_decides_is_not_half_understood(an_order, field, value, named):
    with pytest.raises(Invalid) as caught:
        order(an_order(**{field: value}))

    assert str(caught.value) == f"This order cannot be understood: {named}."


@pytest.mark.parametrize("data", [None, [], "order", 5])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(Invalid):
        order(data)


@pytest.mark.parametrize(
    ("user", "typed", "email"),
    [
        (None, "Guest@Example.com", "Guest@Example.com"),
        (None, None, ""),
        (None, "", ""),
        ({"id": "1", "email": "ada@example.com"}, "", "ada@example.com"),
        ({"id": "1", "email": None}, None, ""),
        ({"id": "1", "email": "x\0"}, None, ""),
        ({"id": "1"}, "Other@example.com", "Other@example.com"),
    ],
)
def test_the_address_is_the_one_typed_else_the_users_else_none(an_order, user, typed, email):
    assert order(an_order(user=user, userEmail=typed)).email == email


def test_moments_are_in_utc_and_without_a_zone_taken_as_utc(an_order):
    snapshot = order(an_order(created="2026-03-01T10:00:00", updatedAt="2026-03-02T12:30:00.5+02:30"))

    assert snapshot.created_at.isoformat() == "2026-03-01T10:00:00+00:00"
    assert snapshot.updated_at.isoformat() == "2026-03-02T10:00:00.500000+00:00"


def event(kind, day):
    return {"type": kind, "date": f"2026-03-{day:02}T10:00:00Z"}


def charged(*days, kind="CHARGE_SUCCESS"):
    return {"events": [{"type": kind, "createdAt": f"2026-03-{day:02}T10:00:00Z"} for day in days]}


@pytest.mark.parametrize(
    ("facts", "day"),
    [
        ({"events": [event("PLACED", 1), event("ORDER_FULLY_PAID", 4), event("ORDER_FULLY_PAID", 3)]}, 3),
        ({"events": [event("ORDER_MARKED_AS_PAID", 2)], "transactions": [charged(5)]}, 2),
        ({"events": [], "transactions": [charged(5, 7), charged(6)]}, 7),
        ({"events": [], "transactions": [charged(9, kind="REFUND_SUCCESS")]}, None),
        ({"events": [event("PAYMENT_CAPTURED", 8), event("PAYMENT_REFUNDED", 9)]}, 8),
        ({"events": [], "transactions": [charged(5)], "origin": "BULK_CREATE"}, None),
        ({"events": [event("ORDER_FULLY_PAID", 6)], "transactions": [charged(5)], "origin": "BULK_CREATE"}, 6),
        ({"events": [{"type": "ORDER_FULLY_PAID", "date": None}, event("ORDER_FULLY_PAID", 4), None]}, 4),
        ({"events": None, "transactions": None}, None),
    ],
    ids=["first of two", "marked as paid", "last charge", "refunds are none", "captured payment", "import",
         "paid after import", "broken event", "nothing"],
)  # fmt: skip
def test_the_day_of_payment_is_when_the_order_became_fully_paid(an_order, facts, day):
    paid_at = order(an_order(**facts)).paid_at

    assert (paid_at.day if paid_at else None) == day


def test_characters_that_postgresql_cannot_hold_are_cut_out_of_notes(an_order):
    lines = [{"quantity": 1, "productName": "T\0e\ud800e", "variantName": "x" * 5000}]
    snapshot = order(an_order(lines=lines, voucherCode="A\0B", number="\0"))

    assert (snapshot.voucher_code, snapshot.number) == ("AB", "")
    assert snapshot.details["lines"] == [{"quantity": 1, "product": "Te?e", "variant": "x" * 1000}]


def test_lines_and_gift_cards_that_make_no_sense_are_left_out(an_order):
    lines = [None, 5, {"quantity": -1}, {"quantity": "2", "productName": None}]
    snapshot = order(an_order(lines=lines, giftCards=[{"id": "1"}, {}, None]))

    assert snapshot.details["gift_cards"] == ["1"]
    assert snapshot.details["lines"] == [{"quantity": 0, "product": "", "variant": ""}] * 2


@pytest.mark.parametrize("field", ["id", "email", "isConfirmed"])
@pytest.mark.parametrize("value", [None, "", 5, "x\0", []], ids=repr)
def test_an_account_without_what_decides_is_refused_by_name(an_account, field, value):
    with pytest.raises(Invalid, match=rf"^This account cannot be understood: {field}\.$"):
        account(an_account(**{field: value}))


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize(
    "field", ["isActive", "firstName", "lastName", "languageCode", "dateJoined", "updatedAt"]
)
def test_whatever_else_an_account_lacks_refuses_nothing(an_account, field, value):
    assert account(an_account(**{field: value})).email == "ada@example.com"


def test_an_account_without_moments_is_as_it_was_seen(an_account):
    snapshot = account(an_account(dateJoined=None, updatedAt=None))

    assert (snapshot.joined_at, snapshot.updated_at) == (SEEN, SEEN)


def test_of_a_deleted_account_the_id_is_enough():
    snapshot = account({"id": "VXNlcjox"}, deleted=True)

    assert (snapshot.deleted, snapshot.email, snapshot.is_confirmed) == (True, "", False)


def test_every_real_order_and_account_loads(deliveries):
    orders = [order(body["order"]) for body in deliveries if body.get("order")]
    users = [
        account(body["user"], deleted="Deleted" in body["__typename"])
        for body in deliveries
        if body.get("user")
    ]

    assert (len(orders) + len(users), {each.currency for each in orders}) == (76, {"USD"})


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        ("21", "2026-11-21 20:16:46.613028"),
        ("23", "2026-11-21 20:17:22.396"),
        ("27", "2026-11-21 20:18:08.328"),
        ("31", "2026-11-21 20:20:21.590"),
    ],
    ids=["marked as paid", "cancelled after payment", "payment flow", "checkout"],
)
def test_the_moment_of_payment_is_found_in_real_orders(examples, number, moment):
    example = examples[number]
    total = {"gross": {**example["total"]["gross"], "currency": "USD"}}
    paid_at = order({**example, "id": "T3JkZXI6MQ==", "total": total}).paid_at

    assert paid_at.isoformat(sep=" ", timespec="milliseconds")[:23] == moment[:23]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_nothing_in_an_order_but_invalid_comes_of_nonsense(an_order, data):
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(an_order())), json_values, max_size=4))

    try:
        snapshot = order(an_order(**fields))
    except Invalid:
        assert DECIDES & set(fields)
    else:
        assert isinstance(snapshot, OrderSnapshot)
        json.dumps(snapshot.details).encode()
