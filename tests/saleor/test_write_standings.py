import pytest

from plugin.errors import Permanent, Refused, Transient
from plugin.saleor.calls import Outcome, Write, write_standings

FINE = {"errors": []}
ADA = Write(target_id="VXNlcjox", kind="user", public="regular", private='{"v":1}')
BOB = Write(target_id="VXNlcjoy", kind="user", public=None, private=None)
GUEST = Write(target_id="T3JkZXI6MQ==", kind="order", public=None, private='{"v":2}')
STAFF = "To access this path, you need one of the following permissions: MANAGE_STAFF"
USERS = "To access this path, you need one of the following permissions: MANAGE_USERS"


def own(code, message="words"):
    return {"errors": [{"code": code, "message": message}]}


def flat(text):
    return " ".join(text.split())


def test_a_user_gets_the_tier_in_public_and_the_reasons_in_private(saleor, shop):
    shop.gives_data({"public0": FINE, "private0": FINE})

    outcomes = write_standings(saleor, [ADA])

    assert outcomes == [Outcome(target_id="VXNlcjox", error=None, gone=False)]
    assert shop.asked[0]["variables"] == {"target0": "VXNlcjox", "public0": "regular", "private0": '{"v":1}'}
    assert flat(shop.asked[0]["query"]) == (
        "mutation WriteStandings($target0: ID!, $public0: String!, $private0: String!) {"
        ' public0: updateMetadata(id: $target0, input: [{ key: "herkend.tier", value: $public0 }])'
        " { errors { code message } }"
        " private0: updatePrivateMetadata("
        ' id: $target0, input: [{ key: "herkend.standing", value: $private0 }] )'
        " { errors { code message } } }"
    )


def test_nothing_is_written_as_the_key_taken_away(saleor, shop):
    shop.gives_data({"public0": FINE, "private0": FINE})

    write_standings(saleor, [BOB])

    assert shop.asked[0]["variables"] == {"target0": "VXNlcjoy"}
    assert flat(shop.asked[0]["query"]) == (
        "mutation WriteStandings($target0: ID!) {"
        ' public0: deleteMetadata(id: $target0, keys: ["herkend.tier"]) { errors { code message } }'
        ' private0: deletePrivateMetadata(id: $target0, keys: ["herkend.standing"]) { errors { code message } } }'
    )


def test_an_order_gets_the_private_key_alone_whatever_it_is_handed(saleor, shop):
    shop.gives_data({"private0": FINE})

    write_standings(saleor, [Write(target_id="T3JkZXI6MQ==", kind="order", public="regular", private="{}")])

    assert shop.asked[0]["variables"] == {"target0": "T3JkZXI6MQ==", "private0": "{}"}
    assert "public" not in shop.asked[0]["query"]


def test_two_targets_share_one_request(saleor, shop):
    shop.gives_data({"public0": FINE, "private0": FINE, "private1": FINE})

    outcomes = write_standings(saleor, [ADA, GUEST])

    assert outcomes == [Outcome(target_id="VXNlcjox"), Outcome(target_id="T3JkZXI6MQ==")]
    assert len(shop.asked) == 1


def test_nothing_to_write_asks_nothing(saleor, shop):
    assert (write_standings(saleor, []), shop.asked) == ([], [])


def test_more_than_two_targets_are_a_mistake_of_ours(saleor):
    with pytest.raises(ValueError, match="at most 2"):
        write_standings(saleor, [ADA, BOB, GUEST])


def test_a_mutations_own_error_is_that_targets_error(saleor, shop):
    shop.gives_data({"public0": FINE, "private0": own("INVALID"), "public1": FINE, "private1": FINE})

    assert write_standings(saleor, [ADA, BOB]) == [
        Outcome(target_id="VXNlcjox", error="INVALID: words"),
        Outcome(target_id="VXNlcjoy"),
    ]


def test_a_deleted_user_is_gone_though_the_private_mutation_says_denied(saleor, shop, error):
    shop.answers(
        {
            "data": {"public0": own("NOT_FOUND", "Couldn't resolve user."), "private0": None,
                     "public1": FINE, "private1": FINE},
            "errors": [error("private0")],
        }
    )  # fmt: skip

    assert write_standings(saleor, [ADA, BOB]) == [
        Outcome(target_id="VXNlcjox", error="NOT_FOUND: Couldn't resolve user.", gone=True),
        Outcome(target_id="VXNlcjoy"),
    ]


def test_a_deleted_order_is_gone(saleor, shop):
    shop.gives_data({"private0": own("NOT_FOUND")})

    assert write_standings(saleor, [GUEST])[0].gone is True


def test_a_top_level_error_belongs_to_the_target_of_its_alias(saleor, shop, error):
    shop.answers(
        {
            "data": {"public0": FINE, "private0": FINE, "public1": FINE, "private1": None},
            "errors": [error("private1", code="OperationalError")],
        }
    )

    assert write_standings(saleor, [ADA, BOB]) == [
        Outcome(target_id="VXNlcjox"),
        Outcome(target_id="VXNlcjoy", error="OperationalError at private1"),
    ]


def test_a_mutation_that_says_nothing_does_not_count_as_done(saleor, shop):
    shop.gives_data({"public0": FINE})

    assert write_standings(saleor, [ADA])[0].error == "Saleor did not say whether this was written."


@pytest.mark.parametrize("path", [(), ("elsewhere",)])
def test_an_error_of_nobody_fails_the_request(saleor, shop, error, path):
    shop.answers(
        {"data": {"public0": FINE, "private0": FINE}, "errors": [error(*path, code="OperationalError")]}
    )

    with pytest.raises(Transient):
        write_standings(saleor, [ADA])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failed_request_counts_for_nobody(saleor, shop, status):
    shop.answers({}, status=status)

    with pytest.raises(Transient):
        write_standings(saleor, [ADA, BOB])


def test_a_dead_token_is_refused(saleor, shop, error):
    shop.answers(
        {
            "data": {"public0": None, "private0": None},
            "errors": [error("public0", message=USERS), error("private0")],
        }
    )

    with pytest.raises(Refused):
        write_standings(saleor, [ADA])


def staff(error):
    problems = [error(alias, message=STAFF) for alias in ("public0", "private0")]
    return {"data": {"public0": None, "private0": None}, "errors": problems}


def test_a_staff_members_account_is_that_targets_error(saleor, shop, error):
    shop.answers(staff(error), {"data": {"app": {"id": "QXBwOjE=", "identifier": "herkend"}}})

    assert write_standings(saleor, [ADA]) == [
        Outcome(
            target_id="VXNlcjox",
            error="This is a staff member's account: writing there takes a permission that Herkend does not ask for.",
            gone=True,
        )
    ]


@pytest.mark.parametrize("denied", [True, False])
def test_a_dead_token_is_refused_though_a_staff_member_was_written_on(saleor, shop, error, denied):
    shop.answers(staff(error), {"data": {"app": None}, "errors": [error("app")] if denied else []})

    with pytest.raises(Refused):
        write_standings(saleor, [ADA])


def rejected(error):
    return {"errors": [error(code="GraphQLError", message="Invalid ID.")]}


def test_when_a_request_is_rejected_for_one_target_the_other_is_still_written(saleor, shop, error):
    shop.answers(rejected(error), rejected(error), status=400)
    shop.gives_data({"public0": FINE, "private0": FINE})

    assert write_standings(saleor, [ADA, BOB]) == [
        Outcome(target_id="VXNlcjox", error="WriteStandings: Saleor answered GraphQLError at the request."),
        Outcome(target_id="VXNlcjoy"),
    ]


def unanswered(error):
    return {"data": None, "errors": [error(code="ValueError")]}


def test_when_a_request_gets_no_data_for_one_target_the_other_is_still_written(saleor, shop, error):
    shop.answers(unanswered(error), unanswered(error))
    shop.gives_data({"public0": FINE, "private0": FINE})

    assert write_standings(saleor, [ADA, BOB]) == [
        Outcome(target_id="VXNlcjox", error="WriteStandings: Saleor answered ValueError at the request."),
        Outcome(target_id="VXNlcjoy"),
    ]


def test_when_nobody_gets_an_answer_nothing_counts_as_done(saleor, shop, error):
    shop.answers(unanswered(error), unanswered(error), unanswered(error))

    with pytest.raises(Transient):
        write_standings(saleor, [ADA, BOB])


def test_a_shop_that_moved_away_is_nobodys_error_but_the_requests(saleor, shop):
    shop.answers({}, status=404)

    with pytest.raises(Permanent):
        write_standings(saleor, [ADA, BOB])


def test_real_answers_to_such_mutations_count_as_done(saleor, shop, captured):
    public = captured["customer updateMetadata as app"]["data"]["updateMetadata"]
    private = captured["customer updatePrivateMetadata as app"]["data"]["updatePrivateMetadata"]
    shop.gives_data({"public0": public, "private0": private})

    assert write_standings(saleor, [ADA]) == [Outcome(target_id="VXNlcjox")]
