from datetime import UTC, datetime, timedelta

import pytest

from plugin.errors import Permanent, Refused, Transient
from plugin.saleor import shapes
from plugin.saleor.calls import HistoryPage, person_history
from plugin.saleor.history import singly

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def read(
    saleor,
    *,
    user_id="VXNlcjox",
    emails=("Ada@Example.com", "ada@example.com"),
    after=None,
    clock=lambda: NOW,
):
    return person_history(saleor, user_id=user_id, emails=emails, clock=clock, after=after)


def connection(*nodes, more=False, cursor=None):
    return {
        "edges": [{"node": node} for node in nodes],
        "pageInfo": {"hasNextPage": more, "endCursor": cursor},
    }


def test_one_request_reads_the_account_and_a_page_of_orders(saleor, shop, an_order, an_account):
    shop.gives_data(
        {"account": an_account(), "orders": connection(an_order(1), an_order(2), more=True, cursor="c1")}
    )

    page = read(saleor)

    assert page == HistoryPage(
        account=shapes.account(an_account(), seen_at=NOW),
        orders=tuple(shapes.order(an_order(number), seen_at=NOW) for number in (1, 2)),
        unreadable=(),
        next="c1",
    )
    assert [asked["variables"] for asked in shop.asked] == [
        {
            "user": "VXNlcjox",
            "where": {
                "OR": [
                    {"user": {"eq": "VXNlcjox"}},
                    {"userEmail": {"oneOf": ["Ada@Example.com", "ada@example.com"]}},
                ]
            },
            "after": None,
        }
    ]


def test_a_guest_is_read_with_the_account_of_the_first_address_if_there_is_one(saleor, shop, an_order):
    shop.gives_data({"account": None, "orders": connection(an_order(user=None))})

    page = read(saleor, user_id=None, after="c1")

    assert (page.account, len(page.orders), page.next) == (None, 1, None)
    assert shop.asked[0]["variables"] == {
        "email": "ada@example.com",
        "where": {"userEmail": {"oneOf": ["Ada@Example.com", "ada@example.com"]}},
        "after": "c1",
    }


def test_a_user_without_addresses_is_read_by_id_alone(saleor, shop):
    shop.gives_data({"account": None, "orders": connection()})

    read(saleor, emails=())

    assert shop.asked[0]["variables"]["where"] == {"user": {"eq": "VXNlcjox"}}


def test_nobody_is_not_asked_about(saleor, shop):
    assert read(saleor, user_id=None, emails=()) == HistoryPage(
        account=None, orders=(), unreadable=(), next=None
    )
    assert shop.asked == []


def test_what_is_seen_is_dated_before_the_question_went_out(saleor, shop, an_order):
    moments = iter([NOW, NOW + timedelta(hours=1)])
    shop.gives_data({"account": None, "orders": connection(an_order())})

    assert read(saleor, clock=lambda: next(moments)).orders[0].seen_at == NOW


def test_an_order_that_makes_no_sense_is_named_and_the_others_are_read(saleor, shop, an_order):
    shop.gives_data(
        {"account": None, "orders": connection(an_order(1), an_order(2, total=None), an_order(3))}
    )

    page = read(saleor)

    assert ([order.number for order in page.orders], page.unreadable) == (["1", "3"], ("T3JkZXI62",))


def test_an_order_whose_person_could_not_be_read_is_unreadable_and_no_guests(saleor, shop, an_order, error):
    shop.answers(
        {
            "data": {"account": None, "orders": connection(an_order(1), an_order(2, user=None))},
            "errors": [error("orders", "edges", 1, "node", "user", code="ValueError")],
        }
    )

    page = read(saleor)

    assert ([order.number for order in page.orders], page.unreadable) == (["1"], ("T3JkZXI62",))


def test_an_order_with_a_hole_where_nothing_is_decided_is_read(saleor, shop, an_order, error):
    shop.answers(
        {
            "data": {"account": None, "orders": connection(an_order(1, voucherCode=None))},
            "errors": [error("orders", "edges", 0, "node", "voucherCode", code="ValueError")],
        }
    )

    assert len(read(saleor).orders) == 1


def spoilt(error, place, field, *more):
    """The answer when one order spoils the page: every field on the way up may not be null."""
    problem = error(
        "orders", "edges", place, "node", field, *more, code="GraphQLError", message="Expected a value"
    )
    return {"data": {"account": None, "orders": None}, "errors": [problem]}


def test_one_bad_field_costs_that_order_that_field_and_the_others_nothing(saleor, shop, an_order, error):
    shop.answers(
        spoilt(error, 1, "origin"),
        {"data": {"orders": connection({"id": "T3JkZXI61"}, {"id": "T3JkZXI62"}, more=True, cursor="c1")}},
        {"data": {"order0": an_order(1, origin="REISSUE"), "order1": None},
         "errors": [error("order1", "origin", code="GraphQLError")]},
        {"data": {"order0": an_order(2, origin=None)}},
    )  # fmt: skip

    page = read(saleor)

    assert [(order.number, order.origin) for order in page.orders] == [("1", "REISSUE"), ("2", None)]
    assert (page.unreadable, page.next) == ((), "c1")
    assert shop.asked[3]["query"] == singly(1, without=frozenset({"origin"}))


def test_bad_fields_that_come_up_one_after_the_other_are_all_left_out(saleor, shop, an_order, error):
    shop.answers(
        spoilt(error, 0, "origin"),
        {"data": {"orders": connection({"id": "T3JkZXI61"})}},
        {"data": {"order0": None}, "errors": [error("order0", "origin", code="GraphQLError")]},
        {
            "data": {"order0": None},
            "errors": [error("order0", "lines", 0, "productName", code="GraphQLError")],
        },
        {"data": {"order0": an_order(1)}},
    )

    page = read(saleor)

    assert (len(page.orders), page.unreadable) == (1, ())
    assert shop.asked[4]["query"] == singly(1, without=frozenset({"origin", "lines"}))


def test_an_order_whose_deciding_field_is_bad_is_unreadable_and_asked_no_further(
    saleor, shop, an_order, error
):
    shop.answers(
        spoilt(error, 0, "total", "gross"),
        {"data": {"orders": connection({"id": "T3JkZXI61"}, {"id": "T3JkZXI62"})}},
        {"data": {"order0": None, "order1": an_order(2)},
         "errors": [error("order0", "total", "gross", code="GraphQLError")]},
    )  # fmt: skip

    page = read(saleor)

    assert ([order.number for order in page.orders], page.unreadable) == (["2"], ("T3JkZXI61",))


def test_an_order_deleted_between_the_questions_is_neither_read_nor_unreadable(saleor, shop, an_order, error):
    shop.answers(
        spoilt(error, 0, "origin"),
        {"data": {"orders": connection({"id": "T3JkZXI61"}, {"id": "T3JkZXI62"})}},
        {"data": {"order0": None, "order1": an_order(2)}},
    )

    page = read(saleor)

    assert ([order.number for order in page.orders], page.unreadable) == (["2"], ())


@pytest.mark.parametrize(
    "path",
    [
        ("account",),
        ("orders",),
        ("orders", "edges", 0, "node", "user"),
        ("orders", "edges", 0, "node", "events"),
    ],
)
def test_a_missing_permission_refuses_the_whole_page(saleor, shop, an_account, error, path):
    shop.answers({"data": {"account": an_account(), "orders": connection()}, "errors": [error(*path)]})

    with pytest.raises(Refused):
        read(saleor)


@pytest.mark.parametrize("path", [(), ("account",), ("orders",), ("orders", "pageInfo")])
def test_trouble_beside_single_orders_is_waited_out(saleor, shop, an_account, error, path):
    shop.answers(
        {"data": {"account": an_account(), "orders": None}, "errors": [error(*path, code="OperationalError")]}
    )

    with pytest.raises(Transient):
        read(saleor)


@pytest.mark.parametrize(
    "orders",
    [None, [], {}, {"edges": None}, {"edges": [{"node": None}], "pageInfo": {"hasNextPage": False}},
     {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": None}}],
)  # fmt: skip
def test_a_page_of_unknown_shape_is_waited_out(saleor, shop, an_account, orders):
    shop.gives_data({"account": an_account(), "orders": orders})

    with pytest.raises(Transient):
        read(saleor)


def test_an_account_that_makes_no_sense_is_for_a_person(saleor, shop, an_account):
    shop.gives_data({"account": an_account(isConfirmed=None), "orders": connection()})

    with pytest.raises(Permanent, match="isConfirmed"):
        read(saleor)


@pytest.mark.parametrize(("code", "kind"), [("PermissionDenied", Refused), ("OperationalError", Transient)])
def test_trouble_while_asking_one_by_one_is_an_error(saleor, shop, error, code, kind):
    path = ("order0",) if kind is Refused else ()
    shop.answers(
        spoilt(error, 0, "origin"),
        {"data": {"orders": connection({"id": "T3JkZXI61"}, {"id": "T3JkZXI62"})}},
        {"data": {"order0": None, "order1": {}}, "errors": [error(*path, code=code)]},
    )

    with pytest.raises(kind):
        read(saleor)
