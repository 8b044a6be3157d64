"""An app changes its own webhooks and raises problems as in a real shop."""

import pytest

from sandbox.server import running
from tests.sandbox.sandbox_app import ask, captured, subscription

CREATE = "mutation($i: WebhookCreateInput!) { webhookCreate(input: $i) { webhook { id name } errors { field code message } } }"  # noqa: E501 - one query
UPDATE = "mutation($id: ID!, $i: WebhookUpdateInput!) { webhookUpdate(id: $id, input: $i) { webhook { id name } errors { field code message } } }"  # noqa: E501 - one query
DELETE = "mutation($id: ID!) { webhookDelete(id: $id) { webhook { name } errors { field code message } } }"
RAISE = (
    "mutation($i: AppProblemCreateInput!) { appProblemCreate(input: $i) { errors { field code message } } }"
)
DISMISS = (
    "mutation($i: AppProblemDismissInput!) { appProblemDismiss(input: $i) { errors { field code message } } }"
)
PROBLEMS = "{ app { problems { key message count dismissed { by } } } }"
NEW = {"name": "n", "targetUrl": "http://a.example/x", "query": subscription("ORDER_PAID"), "isActive": True}


def do(shop, mutation, **variables):
    return next(iter(ask(shop, mutation, variables=variables)[1]["data"].values()))


def answer(name):
    """What a running Saleor answered."""
    return next(row["response"]["data"] for row in captured("graphql.jsonl") if row["name"] == name)


def hook(shop, name="n"):
    return next((one for one in shop.app.webhooks if one.name == name), None)


def test_a_webhook_is_made_changed_and_deleted(shop):
    made = do(shop, CREATE, i=NEW)
    events = hook(shop).events
    changed = do(
        shop, UPDATE, id=made["webhook"]["id"], i={"isActive": False, "targetUrl": "http://b.example/"}
    )
    now = hook(shop)
    gone = do(shop, DELETE, id=made["webhook"]["id"])
    assert (made["errors"], changed["errors"], gone["errors"]) == ([], [], [])
    assert (events, now.is_active, now.target_url, now.events) == (
        ("order_paid",),
        False,
        "http://b.example/",
        ("order_paid",),
    )
    assert hook(shop) is None


def test_the_answers_have_the_shape_of_the_captured_ones(shop):
    real = answer("webhookUpdate-by-app")["webhookUpdate"]
    ours = do(shop, UPDATE, id=shop.app.webhooks[0].gid, i={"name": "x"})
    assert (ours.keys(), ours["errors"]) == (real.keys(), real["errors"])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"query": "subscription { event { ... on Nobody { id } } }"}, "GRAPHQL_ERROR"),
        ({"query": "{ app { id } }"}, "GRAPHQL_ERROR"),
        ({"query": "{ app { id } }", "asyncEvents": ["ORDER_PAID"]}, "GRAPHQL_ERROR"),
        ({"targetUrl": ""}, "REQUIRED"),
        ({"identifier": "mine"}, "UNIQUE"),
    ],
)
def test_what_saleor_refuses_is_refused_and_nothing_is_made(shop, given, code):
    do(shop, CREATE, i=NEW | {"name": "first", "identifier": "mine"})
    answer = do(shop, CREATE, i=NEW | given)
    assert ([error["code"] for error in answer["errors"]], hook(shop)) == ([code], None)


def test_an_unknown_webhook_is_not_found(shop):
    assert [do(shop, text, **given)["errors"][0]["code"] for text, given in (
        (UPDATE, {"id": "V2ViaG9vazo5OTk=", "i": {}}),
        (DELETE, {"id": "nonsense"}),
    )] == ["NOT_FOUND", "NOT_FOUND"]  # fmt: skip


def test_an_identifier_is_set_and_cleared_and_names_the_webhook(shop):
    made = do(shop, CREATE, i=NEW | {"identifier": " mine "})["webhook"]["id"]
    set_ = hook(shop).identifier
    do(shop, UPDATE, id=made, i={"identifier": ""})
    cleared = hook(shop).identifier
    do(shop, UPDATE, id=made, i={"identifier": "again"})
    by_identifier = 'mutation { webhookDelete(identifier: "again") { errors { code } } }'
    assert (set_, cleared, do(shop, by_identifier), hook(shop)) == ("mine", None, {"errors": []}, None)


@pytest.mark.parametrize(("version", "patch"), [("3.22", None), ("3.23", "3.23.22")])
def test_before_3_23_23_nobody_knows_identifiers(make_shop, app, version, patch):
    app.events = ("ORDER_PAID",)
    shop = make_shop(version=version, patch=patch)
    with running(shop):
        shop.install(app.manifest_url)
        status, answer = ask(shop, "{ app { webhooks { identifier } } }")
        shop_version = ask(shop, "{ shop { version } }")[1]["data"]["shop"]["version"]
    assert (status, "Cannot query field 'identifier'" in answer["errors"][0]["message"]) == (400, True)
    assert shop_version == shop.full_version


def test_strangers_change_no_webhooks_and_raise_no_problems(shop):
    answers = [
        ask(shop, text, token="wrong", variables=given)[1]  # noqa: S106 - that is the point
        for text, given in ((CREATE, {"i": NEW}), (RAISE, {"i": {"key": "abc", "message": "abc"}}))
    ]
    assert [answer["errors"][0]["extensions"]["exception"]["code"] for answer in answers] == [
        "PermissionDenied"
    ] * 2


def problems(shop) -> list:
    return ask(shop, PROBLEMS)[1]["data"]["app"]["problems"]


def test_a_problem_is_raised_counted_and_dismissed_by_its_key(shop, clock):
    real = answer("appProblemCreate")["appProblemCreate"]
    answers = [do(shop, RAISE, i={"key": "abc", "message": text}) for text in ("first", "second")]
    merged = problems(shop)
    clock.move(hours=2)
    do(shop, RAISE, i={"key": "abc", "message": "third"})
    apart = [one["message"] for one in problems(shop)]
    dismissed = do(shop, DISMISS, i={"byApp": {"keys": ["abc", "unknown"]}})
    assert (answers, dismissed) == ([real, real], {"errors": []})
    assert merged == [{"key": "abc", "message": "second", "count": 2, "dismissed": None}]
    assert (apart, [one["dismissed"] for one in problems(shop)]) == (["third", "second"], [{"by": "APP"}] * 2)


@pytest.mark.parametrize("given", [{"key": "ab", "message": "abc"}, {"key": "abc", "message": "ab"}])
def test_a_problem_of_the_wrong_length_is_refused(shop, given):
    assert (do(shop, RAISE, i=given)["errors"][0]["code"], problems(shop)) == ("INVALID", [])


def test_dismissing_wants_ids_or_keys(shop):
    assert do(shop, DISMISS, i={"byApp": {}})["errors"][0]["code"] == "REQUIRED"


def test_staff_sees_what_stands_and_may_dismiss_it(shop):
    do(shop, RAISE, i={"key": "abc", "message": "first"})
    seen = shop.problems()
    shop.dismiss_problem("abc")
    assert (seen, shop.problems(), problems(shop)[0]["dismissed"]) == ({"abc": "first"}, {}, {"by": "USER"})
