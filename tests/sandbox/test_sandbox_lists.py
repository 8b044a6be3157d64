"""What can be asked of lists, people, orders and apps is answered, or refused, as Saleor does it."""

import base64
from datetime import timedelta

import pytest

from sandbox.model import gid
from tests.sandbox.sandbox_app import ask, fetch


def data(shop, query, variables=None):
    answer = ask(shop, query, variables)[1]
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def numbers(shop, **where):
    query = "query($w: OrderWhereInput) { orders(first: 9, where: $w) { edges { node { number } } } }"
    return [one["node"]["number"] for one in data(shop, query, {"w": where})["orders"]["edges"]]


@pytest.fixture
def three(shop, clock):
    """Three orders on three days: of an account, of a guest with a voucher, of a guest in francs, cancelled."""
    with shop.silently():
        first = shop.place_order(shop.register_account("jan@example.com", first_name="Jan"), created=clock())
        shop.place_order(email="g@example.com", voucher_code="X", created=clock() + timedelta(days=1))
        third = shop.place_order(email="h@example.com", currency="CHF", created=clock() + timedelta(days=2))
        shop.cancel(third)
        shop.write_metadata(first, {"k": "v"}, private=False, principal=None)
    return shop


def test_orders_are_found_by_every_condition(three, clock):
    later = (clock() + timedelta(days=1)).isoformat()
    jan = three.account("jan@example.com").gid

    assert numbers(three, ids=[three.order(2).gid]) == ["2"]
    assert numbers(three, status={"eq": "CANCELED"}) == ["3"]
    assert numbers(three, voucherCode={"oneOf": ["X", "Y"]}) == ["2"]
    assert numbers(three, channelId={"eq": gid("Channel", 2)}) == ["3"]
    assert numbers(three, createdAt={"gte": later}) == ["3", "2"]
    assert numbers(three, createdAt={"lte": later}) == ["2", "1"]
    assert numbers(three, metadata={"key": "k"}) == ["1"]
    assert numbers(three, metadata={"key": "k", "value": {"eq": "w"}}) == []
    assert numbers(three, user={"oneOf": [jan, "nonsense", gid("Order", 1)]}) == ["1"]
    assert numbers(three, AND=[{"createdAt": {"gte": later}}, {"userEmail": {"eq": "g@example.com"}}]) == [
        "2"
    ]
    assert numbers(three, OR=[{"user": {"eq": jan}}, {"status": {"eq": "CANCELED"}}]) == ["3", "1"]
    assert numbers(three, user=None) == ["3", "2", "1"]


def test_orders_are_found_by_channel_and_search_and_sorted(three):
    query = '{a: orders(first: 9, channel: "channel-chf") {edges {node {number}}} b: orders(first: 9, search: "g@") {edges {node {number}}} c: orders(first: 9, sortBy: {field: CREATED_AT, direction: ASC}) {edges {node {number}}}}'  # noqa: E501 - one query

    found = data(three, query)

    assert {name: [one["node"]["number"] for one in part["edges"]] for name, part in found.items()} == {
        "a": ["3"],
        "b": ["2"],
        "c": ["1", "2", "3"],
    }


def test_a_list_can_be_read_backwards(three):
    query = "query($b: String) {orders(last: 2, before: $b) {pageInfo {startCursor hasPreviousPage} edges {node {number}}}}"  # noqa: E501 - one query
    last = data(three, query)["orders"]
    before = data(three, query, {"b": last["pageInfo"]["startCursor"]})["orders"]

    assert [one["node"]["number"] for part in (last, before) for one in part["edges"]] == ["2", "1", "3"]
    assert [part["pageInfo"]["hasPreviousPage"] for part in (last, before)] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("first: -1", "Argument `first` must be a non-negative integer."),
        ("first: 1, last: 1", "Argument `last` cannot be combined with `first`."),
        ('first: 1, before: "x"', "Argument `first` cannot be combined with `before`."),
        ('last: 1, after: "x"', "Argument `last` cannot be combined with `after`."),
        (f'first: 1, after: "{base64.b64encode(b"[{}]").decode()}"', "Received cursor is invalid."),
        (f'last: 1, before: "{base64.b64encode(b"[{}]").decode()}"', "Received cursor is invalid."),
    ],
)
def test_a_page_that_cannot_be_cut_is_refused(three, arguments, said):
    answer = ask(three, f"{{orders({arguments}) {{edges {{node {{id}}}}}}}}")[1]

    assert (answer["data"], answer["errors"][0]["message"]) == ({"orders": None}, said)


def test_a_count_needs_no_page(three):
    assert data(three, "{orders {totalCount}}") == {"orders": {"totalCount": 3}}


def test_customers_are_searched_and_found_and_staff_is_none_of_them(three):
    with three.silently():
        three.register_account("anna@example.com", last_name="Bos")
    query = '{a: customers(first: 9) {edges {node {email}}} b: customers(first: 9, search: "bos") {edges {node {email}}} c: customers(first: 9, where: {email: {eq: "jan@example.com"}}) {edges {node {firstName}}} d: customers(first: 9, filter: {search: "jan"}) {totalCount}}'  # noqa: E501 - one query

    found = data(three, query)

    assert [one["node"]["email"] for one in found["a"]["edges"]] == ["anna@example.com", "jan@example.com"]
    assert [one["node"]["email"] for one in found["b"]["edges"]] == ["anna@example.com"]
    assert [one["node"]["firstName"] for one in found["c"]["edges"]] == ["Jan"]
    assert found["d"] == {"totalCount": 1}


def test_a_person_is_found_by_id_or_e_mail_with_the_orders(three):
    jan = three.account("jan@example.com")
    query = (
        f'{{a: user(id: "{jan.gid}") {{email orders(first: 1) {{edges {{node {{number}}}}}}}} '
        'b: user(email: "JAN@example.com") {id orders(first: 1, where: {ids: []}) {totalCount}} '
        'c: user(email: "nobody@example.com") {id}}'
    )

    assert data(three, query) == {
        "a": {"email": "jan@example.com", "orders": {"edges": [{"node": {"number": "1"}}]}},
        "b": {"id": jan.gid, "orders": {"totalCount": 0}},
        "c": None,
    }


@pytest.mark.parametrize(
    "query",
    [
        "{user {id}}",
        '{user(id: "nonsense") {id}}',
        '{user(id: "T3JkZXI6eA==") {id}}',
        '{app(id: "QXBwOjk=") {id}}',
    ],
)
def test_what_cannot_be_looked_up_is_an_error_beside_null(three, query):
    status, answer = ask(three, query)

    assert (status, list(answer["data"].values()), len(answer["errors"])) == (200, [None], 1)


def test_an_app_keeps_metadata_of_its_own(shop):
    own = shop.app.gid
    write = f'mutation {{updatePrivateMetadata(id: "{own}", input: [{{key: "s", value: "1"}}]) {{item {{privateMetafields}} errors {{code}}}}}}'  # noqa: E501 - one query

    assert data(shop, write)["updatePrivateMetadata"] == {
        "item": {"privateMetafields": {"s": "1"}},
        "errors": [],
    }
    assert data(shop, '{app {metadata {key} privateMetafield(key: "s") permissions {code}}}') == {
        "app": {
            "metadata": [],
            "privateMetafield": "1",
            "permissions": [{"code": "MANAGE_ORDERS"}, {"code": "MANAGE_USERS"}],
        }
    }


@pytest.mark.parametrize(
    ("target", "code"), [("nonsense", "GRAPHQL_ERROR"), (gid("Product", 1), "NOT_FOUND"), (None, "REQUIRED")]
)
def test_a_write_that_cannot_be_done_says_so_in_its_own_errors(three, target, code):
    key = "k" if target else " "
    write = 'mutation($id: ID!, $k: String!) {updateMetadata(id: $id, input: [{key: $k, value: "v"}]) {errors {code}}}'

    answer = data(three, write, {"id": target or three.order(1).gid, "k": key})

    assert answer["updateMetadata"] == {"errors": [{"code": code}]}


def test_deleting_a_key_that_is_not_there_changes_nothing(three, app):
    write = f'mutation {{deleteMetadata(id: "{three.order(1).gid}", keys: ["none"]) {{item {{metadata {{key value}}}}}}}}'  # noqa: E501 - one query

    assert data(three, write)["deleteMetadata"]["item"] == {"metadata": [{"key": "k", "value": "v"}]}
    three.deliveries.settle()
    assert app.names() == []


def test_money_lines_and_payments_of_an_order_can_be_read(shop):
    order = shop.place_order(email="a@example.com", items=[("Thee", 2, "4.50")], flow="payment")
    query = f'{{order(id: "{order.gid}") {{lines {{productName quantity totalPrice {{gross {{amount currency}}}} undiscountedUnitPrice {{net {{amount}}}}}} channel {{slug}} shippingPrice {{gross {{amount}}}} payments {{isActive transactions {{kind amount {{amount}}}}}} fulfillments {{status}}}}}}'  # noqa: E501 - one query

    assert data(shop, query)["order"] == {
        "lines": [
            {
                "productName": "Thee",
                "quantity": 2,
                "totalPrice": {"gross": {"amount": 9.0, "currency": "EUR"}},
                "undiscountedUnitPrice": {"net": {"amount": 4.5}},
            }
        ],
        "channel": {"slug": "default-channel"},
        "shippingPrice": {"gross": {"amount": 0.0}},
        "payments": [{"isActive": True, "transactions": [{"kind": "CAPTURE", "amount": {"amount": 9.0}}]}],
        "fulfillments": [],
    }


def test_the_shop_tells_of_itself(shop):
    query = '{shop {name version domain {host url}} channels {slug currencyCode} channel(slug: "channel-chf") {id}}'

    assert data(shop, query) == {
        "shop": {
            "name": shop.name,
            "version": "3.23.28",
            "domain": {"host": shop.domain, "url": f"{shop.url}/"},
        },
        "channels": [
            {"slug": "default-channel", "currencyCode": "EUR"},
            {"slug": "channel-chf", "currencyCode": "CHF"},
        ],
        "channel": {"id": gid("Channel", 2)},
    }


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T00:00:00"])
def test_a_moment_that_is_none_is_refused_before_anything_runs(shop, moment):
    query = "query($t: DateTime) {orders(first: 1, where: {updatedAt: {gte: $t}}) {totalCount}}"

    status, answer = ask(shop, query, {"t": moment})

    assert (status, "data" in answer) == (400, False)


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_a_body_that_is_no_request_is_a_400(shop, body):
    assert fetch(shop.api_url, body)[0] == 400


def test_the_public_keys_can_be_withheld(shop):
    shop.faults.add("jwks", times=1, status=503)

    assert [fetch(f"{shop.url}/.well-known/jwks.json")[0] for _ in range(2)] == [503, 200]


def test_slowness_passes_and_a_fault_can_end_by_the_clock(shop):
    shop.faults.add("slow", times=1, seconds=0.05)
    shop.faults.add("status", seconds_long=0.0)

    assert ask(shop, "{shop {name}}")[0] == 200
    assert shop.faults.active() == []
