import traceback

import pytest

from plugin.errors import Permanent, Refused, Transient
from plugin.saleor.client import Denied, Problem, Rejected, Saleor, Unanswered
from plugin.secret import Secret

QUERY = "query Name { shop { name } }"
HIDDEN = "hid" + "den"


def ask(saleor, variables=None):
    return saleor.ask(QUERY, variables or {}, name="Name")


def execute(saleor, variables=None):
    return saleor.execute(QUERY, variables or {}, name="Name")


def test_an_operation_goes_out_by_name_under_the_token(saleor, shop, mock):
    shop.gives_data({"shop": {"name": "Shop"}})

    data = execute(saleor, {"a": 1})

    assert data == {"shop": {"name": "Shop"}}
    assert shop.asked == [{"query": QUERY, "variables": {"a": 1}, "operationName": "Name"}]
    assert mock.calls[0].request.headers["Authorization"] == "Bearer app-token"


def test_data_with_holes_is_an_answer_with_its_problems(saleor, shop, error):
    shop.answers(
        {"data": {"a": None, "b": 1}, "errors": [error("a", 3, "b", code="ValueError", message="no")]}
    )

    answer = ask(saleor)

    assert answer.data == {"a": None, "b": 1}
    assert answer.problems == (Problem(path=("a", 3, "b"), code="ValueError", message="no"),)


def test_errors_in_a_200_are_an_error(saleor, shop, error):
    shop.answers({"data": {"shop": None, "b": 1}, "errors": [error("shop", code="InternalServerError")]})

    with pytest.raises(Transient, match="Name: Saleor answered InternalServerError at shop"):
        execute(saleor)


def test_one_denied_field_refuses_the_whole_of_a_strict_question(saleor, shop, error):
    shop.answers({"data": {"shop": {"name": "x"}, "b": None}, "errors": [error("b")]})

    with pytest.raises(Refused):
        execute(saleor)


@pytest.mark.parametrize("data", [None, {}, {"app": None}, {"a": None, "b": None}])
def test_denial_of_everything_is_denied(saleor, shop, error, data):
    shop.answers({"data": data, "errors": [error("app")]})

    with pytest.raises(Denied):
        ask(saleor)


def test_errors_instead_of_data_are_waited_out(saleor, shop, error):
    shop.answers({"data": None, "errors": [error("shop", code="OperationalError")]})

    with pytest.raises(Unanswered):
        ask(saleor)


def test_one_denial_beside_other_errors_is_no_denial(saleor, shop, error):
    shop.answers({"data": None, "errors": [error("a"), error("b", code="OperationalError")]})

    with pytest.raises(Unanswered):
        ask(saleor)


@pytest.mark.parametrize("code", ["GraphQLError", "GraphQLSyntaxError", "QueryCostError"])
def test_a_request_that_breaks_the_schema_or_a_limit_is_for_a_person(saleor, shop, error, code):
    shop.answers({"errors": [error(code=code, message='Cannot query field "x" on type "Shop".')]}, status=400)

    with pytest.raises(Rejected, match='Cannot query field "x" on type "Shop"'):
        execute(saleor)


@pytest.mark.parametrize("status", [200, 400])
def test_throttling_told_as_an_error_is_waited_out(saleor, shop, error, status):
    shop.answers({"errors": [error(code="ThrottlingException")]}, status=status)

    with pytest.raises(Transient):
        execute(saleor)


def test_throttling_told_as_a_status_says_how_long_to_wait(saleor, shop):
    shop.answers({}, status=429, headers={"Retry-After": "12"})

    with pytest.raises(Transient) as caught:
        execute(saleor)

    assert caught.value.retry_after == 12


@pytest.mark.parametrize(
    "body",
    [[], "text", 1, None, {}, {"data": None}, {"data": []}, {"data": 3}, {"errors": "no"}, {"errors": []},
     {"errors": [1, None, {}]}, {"errors": [{"path": 3, "extensions": [], "message": None}]},
     {"errors": [{"extensions": {"exception": "x"}}], "data": None}],
)  # fmt: skip
def test_an_answer_of_unknown_shape_is_waited_out(saleor, shop, body):
    shop.answers(body)

    with pytest.raises(Transient):
        execute(saleor)


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Transient), (502, Transient), (401, Refused), (403, Refused), (404, Permanent)]
)
def test_a_status_says_what_to_do(saleor, shop, status, kind):
    shop.answers({}, status=status)

    with pytest.raises(kind):
        execute(saleor)


def test_neither_token_nor_values_are_in_an_error(outbound, shop, error):
    saleor = Saleor(api_url="https://shop.test/graphql/", token=Secret(HIDDEN), outbound=outbound)
    words = f'Variable "$emails" got invalid value ["{HIDDEN}"].'
    shop.answers({"errors": [error(code="GraphQLError", message=words)]}, status=400)

    with pytest.raises(Rejected) as caught:
        execute(saleor, {"emails": [HIDDEN]})

    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


def test_a_real_denial_is_refused(saleor, shop, captured):
    shop.answers(captured["shop as app"])

    with pytest.raises(Refused):
        execute(saleor)


def test_a_real_answer_with_a_hole_is_understood(saleor, shop, captured):
    rows = [row for row in captured.values() if "errors" in (row or {}) and row.get("data")]
    shop.answers(*rows)

    paths = [problem.path for _ in rows for problem in ask(saleor).problems]

    assert paths == [tuple(error["path"]) for row in rows for error in row["errors"]]
