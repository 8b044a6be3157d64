"""Whoever fails again and again costs little, and never keeps out who is signed in, not even from the same address."""

from structlog.testing import capture_logs

from plugin.guard import FAILURES_A_MINUTE

FORGED = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.e30.AAAA"


def fail(dashboard, times):
    return [dashboard.get_with(FORGED, "/dashboard/state") for _ in range(times)]


def test_after_many_failures_the_answer_is_short(dashboard):
    answers = fail(dashboard, FAILURES_A_MINUTE + 2)
    assert [answer.status_code for answer in answers[-3:]] == [401, 429, 429]
    assert (answers[-1].headers["Retry-After"], answers[-1].data) == ("60", b"")


def test_staff_is_let_in_from_an_address_where_others_fail(dashboard):
    fail(dashboard, FAILURES_A_MINUTE + 2)
    assert dashboard.get("/dashboard/state").status_code == 200


def test_a_token_that_ended_and_a_missing_permission_are_no_strangers_failures(dashboard):
    for _ in range(FAILURES_A_MINUTE + 2):
        ended = dashboard.get("/dashboard/state", exp=1).status_code
        without = dashboard.get("/dashboard/state", user_permissions=[]).status_code
    assert (ended, without) == (401, 403)


def test_the_shops_new_key_is_found_though_others_fail_from_the_same_address(dashboard, shop_with_new_key):
    dashboard.api_url = shop_with_new_key.api_url
    fail(dashboard, FAILURES_A_MINUTE + 2)
    dashboard.header = {"kid": "three"}
    unknown = [dashboard.get("/dashboard/state").status_code for _ in range(3)]
    dashboard.header = {"kid": "two"}
    known = dashboard.get("/dashboard/state", iss=shop_with_new_key.api_url).status_code
    assert (known, shop_with_new_key.asked, 200 in unknown) == (200, 1, False)


def test_failures_are_no_lines_of_the_log(dashboard):
    with capture_logs() as logs:
        fail(dashboard, 5)
    assert logs == []
