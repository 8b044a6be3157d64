"""The shop's GraphQL API answers as a real Saleor's: permissions, pages, limits, errors, metadata."""

import json

import pytest

from tests.sandbox.sandbox_app import ask, captured, captured_json, fetch

PAGE = "query($n: Int, $a: String) { orders(first: $n, after: $a) { totalCount pageInfo { hasNextPage endCursor } edges { node { number } } } }"  # noqa: E501 - one query
WRITE = 'mutation($id: ID!, $v: String!) { updateMetadata(id: $id, input: [{key: "a", value: $v}]) { item { metafield(key: "a") } errors { field code message } } }'  # noqa: E501 - one query


@pytest.mark.parametrize("name", ["app_bad_token", "app_bad_token_perm"])
def test_a_wrong_token_is_answered_as_in_the_captures(shop, name):
    real = captured_json("tokens.json")[name]
    query = {"app_bad_token": "{app{id}}", "app_bad_token_perm": "{orders(first:1){edges{node{id}}}}"}[name]

    assert ask(shop, query, token="wrong") == (200, real)  # noqa: S106 - that is the point


def test_the_token_is_dead_while_the_app_is_switched_off(shop):
    token = shop.app.token
    shop.deactivate_app()
    off = ask(shop, "{app{id}}", token=token)[1]
    shop.activate_app()

    assert off["data"] == {"app": None}
    assert ask(shop, "{app{id}}", token=token)[1]["data"] == {"app": {"id": shop.app.gid}}


def test_a_missing_permission_nulls_the_customer_of_an_order(shop):
    order = shop.place_order(shop.register_account("jan@example.com"))
    shop.grant("MANAGE_PRODUCTS")

    answer = ask(shop, f'{{order(id: "{order.gid}") {{ number user {{ id }} }}}}')[1]

    assert answer["data"] == {"order": {"number": "1", "user": None}}
    assert answer["errors"][0] == {
        "message": "To access this path, you need one of the following permissions: "
        "MANAGE_USERS, MANAGE_ORDERS, HANDLE_PAYMENTS, HANDLE_TAXES, OWNER",
        "locations": [{"line": 1, "column": 81}],
        "path": ["order", "user"],
        "extensions": {"exception": {"code": "PermissionDenied"}},
    }


def test_private_metadata_of_a_customer_needs_manage_users(shop):
    account = shop.register_account("jan@example.com")
    shop.grant("MANAGE_ORDERS")

    answer = ask(shop, f'{{user(id: "{account.gid}") {{ email privateMetafields(keys: ["a"]) }}}}')[1]

    assert answer["data"] == {"user": {"email": "jan@example.com", "privateMetafields": None}}
    assert answer["errors"][0]["extensions"] == {"exception": {"code": "PermissionDenied"}}


def test_pages_follow_each_other_by_cursor_and_stay_whole_while_orders_arrive(shop):
    with shop.silently():
        for _ in range(7):
            shop.place_order(email="jan@example.com")
    first = ask(shop, PAGE, {"n": 3})[1]["data"]["orders"]
    shop.place_order(email="piet@example.com")
    second = ask(shop, PAGE, {"n": 3, "a": first["pageInfo"]["endCursor"]})[1]["data"]["orders"]
    third = ask(shop, PAGE, {"n": 3, "a": second["pageInfo"]["endCursor"]})[1]["data"]["orders"]

    numbers = [edge["node"]["number"] for part in (first, second, third) for edge in part["edges"]]
    assert numbers == ["7", "6", "5", "4", "3", "2", "1"]
    assert [part["pageInfo"]["hasNextPage"] for part in (first, second, third)] == [True, True, False]
    assert [part["totalCount"] for part in (first, second, third)] == [7, 8, 8]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "{orders(first: 101) {edges {node {id}}}}",
            "Requesting 101 records on the `orders` connection exceeds the `first` limit of 100 records.",
        ),
        (
            "{orders {edges {node {id}}}}",
            "You must provide a `first` or `last` value to properly paginate the `orders` connection.",
        ),
        ('{orders(first: 1, after: "x") {edges {node {id}}}}', "Received cursor is invalid."),
        (
            "{orders(first: 1, where: {ids: [], OR: [{ids: []}]}) {edges {node {id}}}}",
            "Cannot mix operators with other filter inputs.",
        ),
    ],
)
def test_a_list_that_cannot_be_given_is_an_error_beside_null(shop, query, said):
    status, answer = ask(shop, query)

    assert (status, answer["data"], answer["errors"][0]["message"]) == (200, {"orders": None}, said)


def many(count: int) -> str:
    return (
        "mutation {"
        + " ".join(f'm{i}: updateMetadata(id: "x", input: []) {{ errors {{ code }} }}' for i in range(count))
        + "}"
    )


def test_four_mutations_pass_and_five_are_refused_before_any_is_done(shop):
    assert ask(shop, many(4))[0] == 200
    status, answer = ask(shop, many(5))
    assert status == 400
    assert answer["errors"] == [
        {
            "message": "Number of mutations exceed the limit of 4",
            "extensions": {"exception": {"code": "GraphQLError"}},
        }
    ]
    assert "data" not in answer


def test_more_than_a_hundred_aliases_are_refused(shop):
    aliased = "{" + " ".join(f"a{i}: shop {{ name }}" for i in range(101)) + "}"

    status, answer = ask(shop, aliased)

    assert (status, answer["errors"][0]["message"]) == (400, "Number of aliases exceed the limit of 100")


@pytest.mark.parametrize("query", ["{nope}", "{", ""])
def test_what_is_no_valid_query_is_a_400_without_data(shop, query):
    status, answer = ask(shop, query)

    assert (status, "data" in answer, bool(answer["errors"])) == (400, False, True)


def test_orders_are_found_by_user_or_by_the_exact_e_mail(shop):
    account = shop.register_account("jan@example.com")
    mine = shop.place_order(account)
    typed = shop.place_order(email="Piet@Example.com")
    shop.place_order(email="piet@example.com")
    where = {"OR": [{"user": {"eq": account.gid}}, {"userEmail": {"oneOf": ["Piet@Example.com"]}}]}

    answer = ask(
        shop,
        "query($w: OrderWhereInput) { orders(first: 9, where: $w) { edges { node { id } } } }",
        {"w": where},
    )

    assert [edge["node"]["id"] for edge in answer[1]["data"]["orders"]["edges"]] == [typed.gid, mine.gid]


def test_orders_and_customers_are_found_by_when_they_changed(shop, clock):
    shop.place_order(shop.register_account("old@example.com"))
    clock.move(days=1)
    since = clock().isoformat()
    new = shop.place_order(shop.register_account("new@example.com"))
    query = (
        "query($t: DateTime) { orders(first: 9, where: {updatedAt: {gte: $t}}) { edges { node { id } } } "
        "customers(first: 9, where: {updatedAt: {gte: $t}}, sortBy: {field: LAST_MODIFIED_AT, direction: ASC})"
        " { edges { node { email } } } }"
    )

    data = ask(shop, query, {"t": since})[1]["data"]

    assert data == {
        "orders": {"edges": [{"node": {"id": new.gid}}]},
        "customers": {"edges": [{"node": {"email": "new@example.com"}}]},
    }


def test_a_metadata_write_moves_updated_at_and_tells_the_app_that_it_was_the_app(shop, app, clock):
    account = shop.register_account("jan@example.com")
    clock.move(minutes=1)

    assert ask(shop, WRITE, {"id": account.gid, "v": "1"})[1]["data"]["updateMetadata"] == {
        "item": {"metafield": "1"},
        "errors": [],
    }

    shop.deliveries.settle()
    assert sorted(app.names()) == ["CUSTOMER_CREATED", "CUSTOMER_METADATA_UPDATED", "CUSTOMER_UPDATED"]
    assert app.bodies("CUSTOMER_UPDATED")[0]["issuingPrincipal"] == {"__typename": "App", "id": shop.app.gid}
    assert shop.account(account).updated_at >= clock()


def test_the_same_value_again_moves_updated_at_and_fires_nothing(shop, app, clock):
    account = shop.register_account("jan@example.com")
    ask(shop, WRITE, {"id": account.gid, "v": "1"})
    shop.deliveries.settle()
    before = len(app.heard)
    clock.move(minutes=1)

    ask(shop, WRITE, {"id": account.gid, "v": "1"})

    shop.deliveries.settle()
    assert (len(app.heard), shop.account(account).updated_at >= clock()) == (before, True)


def test_private_metadata_of_an_order_fires_one_event_only(shop, app):
    order = shop.place_order(email="jan@example.com")
    shop.deliveries.settle()
    app.heard.clear()

    ask(
        shop,
        WRITE.replace("updateMetadata", "updatePrivateMetadata").replace("metafield", "privateMetafield"),
        {"id": order.gid, "v": "1"},
    )

    shop.deliveries.settle()
    assert app.names() == ["ORDER_METADATA_UPDATED"]
    assert shop.order(order).private_metadata == {"a": "1"}


def test_an_unknown_order_or_customer_is_an_entry_in_the_mutations_own_errors(shop):
    order = ask(shop, WRITE, {"id": "T3JkZXI6eA==", "v": "1"})[1]["data"]["updateMetadata"]
    user = ask(shop, WRITE, {"id": "VXNlcjo5OTk=", "v": "1"})[1]["data"]["updateMetadata"]

    assert (order["item"], user["item"]) == (None, None)
    assert [order["errors"][0]["code"], user["errors"][0]["code"]] == ["NOT_FOUND", "NOT_FOUND"]


def test_private_metadata_of_a_customer_who_is_gone_is_a_permission_error_as_in_saleor(shop):
    query = 'mutation { a: deletePrivateMetadata(id: "VXNlcjo5OTk=", keys: ["a"]) { errors { code } } }'

    answer = ask(shop, query)[1]

    assert answer["data"] == {"a": None}
    assert answer["errors"][0]["message"] == "You do not have permission to perform this action"


def test_the_log_tells_every_key_that_was_written(shop):
    account = shop.register_account("jan@example.com")
    shop.requests.clear()
    ask(shop, WRITE, {"id": account.gid, "v": "1"})
    ask(shop, WRITE, {"id": "VXNlcjo5OTk=", "v": "1"})

    done = shop.requests.mutations()
    tried = shop.requests.mutations(done=False)

    assert [(one.kind, one.target_id, one.key, one.value) for one in done] == [
        ("updateMetadata", account.gid, "a", "1")
    ]
    assert [one.error for one in tried] == [None, "Couldn't resolve user."]
    assert [one.fields for one in shop.requests.all()] == [(("updateMetadata", "updateMetadata"),)] * 2


def test_a_metadata_answer_has_the_shape_of_the_captures(shop):
    real = next(one for one in captured("graphql.jsonl") if one["name"] == "customer updateMetadata as app")
    account = shop.register_account("jan@example.com")

    answer = ask(shop, real["query"], {"id": account.gid})[1]

    assert answer["data"] == real["response"]["data"]


def test_faults_answer_for_a_number_of_requests_and_then_it_is_over(shop):
    shop.faults.add("status", status=429, retry_after=1.5, times=1)
    shop.faults.add("nonsense", times=1)
    query = b'{"query": "{shop{name}}"}'
    answers = [fetch(shop.api_url, query) for _ in range(3)]

    assert [status for status, _, _ in answers] == [429, 200, 200]
    assert answers[0][1]["Retry-After"] == "1.5"
    assert answers[1][2].startswith(b"<html>")
    assert [one.fault for one in shop.requests.all()] == ["status", "nonsense", None]


def test_a_cut_connection_does_nothing_and_a_dropped_answer_was_done(shop):
    account = shop.register_account("jan@example.com")
    for kind in ("close", "drop"):
        shop.faults.add(kind, times=1)
        with pytest.raises(OSError):  # noqa: PT011 - whichever way the connection ends
            ask(shop, WRITE, {"id": account.gid, "v": kind})

    assert shop.account(account).metadata == {"a": "drop"}


def test_a_fault_of_one_target_leaves_the_others_alone(shop):
    bad, good = shop.register_account("a@example.com"), shop.register_account("b@example.com")
    shop.faults.add("target", target=bad.gid)
    writes = [
        f'updateMetadata(id: "{one.gid}", input: [{{key: "k", value: "v"}}]) {{ errors {{ code }} }}'
        for one in (bad, good)
    ]
    query = f"mutation {{ a: {writes[0]} b: {writes[1]} }}"

    answer = ask(shop, query)[1]

    assert answer["data"] == {"a": None, "b": {"errors": []}}
    assert answer["errors"][0]["path"] == ["a"]


def test_faults_can_be_posted_and_taken_back_over_http(shop):
    told = json.dumps({"kind": "status", "status": 503}).encode()
    json_type = {"Content-Type": "application/json"}
    posted = fetch(f"{shop.url}/_sandbox/faults", told, headers=json_type)[0]
    wrong = fetch(f"{shop.url}/_sandbox/faults", b'{"kind": "mischief"}', headers=json_type)[0]
    broken = fetch(shop.api_url, b"{}")[0]
    fetch(f"{shop.url}/_sandbox/faults", method="DELETE")

    assert (posted, wrong, broken, ask(shop, "{shop{name}}")[0]) == (201, 400, 503, 200)


def test_the_app_can_read_its_failed_deliveries(shop, app):
    app.answers["ORDER_CREATED"] = [400]
    shop.place_order(email="jan@example.com", paid=False)
    shop.deliveries.settle()
    query = (
        "{app{webhooks{eventDeliveries(first: 5, filter: {status: FAILED}){edges{node{eventType payload}}}}}}"
    )

    hooks = ask(shop, query)[1]["data"]["app"]["webhooks"]

    failed = [edge["node"]["eventType"] for hook in hooks for edge in hook["eventDeliveries"]["edges"]]
    assert failed == ["ORDER_CREATED"]
