"""Only staff of the shop, signed in to its Dashboard, with a permission for it: everybody else is refused."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plugin.shops import store
from tests.dashboard.dashboard_tokens import API_URL, encoded, jwks, signed_with_hmac

STATE = "/dashboard/state"


def test_staff_of_the_shop_is_let_in(dashboard):
    assert dashboard.get(STATE).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"type": "access"},
        {"type": None},
        {"app": "QXBwOjI="},
        {"app": None},
        {"iss": "https://other.example/graphql/"},
        {"iss": ""},
        {"user_id": None},
        {"user_permissions": None},
        {"user_permissions": "MANAGE_APPS"},
    ],
    ids=str,
)
def test_a_token_that_is_not_the_dashboards_for_this_app_is_refused(dashboard, claims):
    assert dashboard.get(STATE, **claims).status_code == 401


def test_the_issuer_may_have_the_other_scheme(dashboard):
    assert dashboard.get(STATE, iss=API_URL.replace("https", "http")).status_code == 200


def test_staff_without_the_permission_is_told_so(dashboard):
    assert dashboard.get(STATE, user_permissions=["MANAGE_PRODUCTS"]).status_code == 403


def test_the_apps_own_permissions_do_not_help_its_user(dashboard):
    claims = {"permissions": ["MANAGE_APPS"], "user_permissions": []}
    assert dashboard.get(STATE, **claims).status_code == 403


def test_a_token_that_has_ended_is_refused(dashboard, clock):
    token = dashboard.token()
    clock.move(minutes=5, seconds=1)
    assert dashboard.get_with(token, STATE).status_code == 401


@pytest.mark.parametrize("end", [None, "tomorrow", 0])
def test_a_token_without_a_sensible_end_is_refused(dashboard, end):
    assert dashboard.get(STATE, exp=end).status_code == 401


def test_a_token_signed_by_somebody_else_is_refused(dashboard, strangers_key):
    dashboard.key = strangers_key
    assert dashboard.get(STATE).status_code == 401


def test_an_unsigned_token_is_refused(dashboard):
    header, claims, _ = dashboard.token().split(".")
    unsigned = f"{encoded({'alg': 'none', 'kid': 'one'})}.{claims}."
    answers = [dashboard.get_with(token, STATE) for token in (unsigned, f"{header}.{claims}.")]
    assert [answer.status_code for answer in answers] == [401, 401]


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(dashboard, key):
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forged = signed_with_hmac(dashboard.token(), secret=public)
    assert dashboard.get_with(forged, STATE).status_code == 401


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "e" * 20_000])
def test_what_is_no_token_is_refused(dashboard, token):
    assert dashboard.get_with(token, STATE).status_code == 401


@pytest.mark.parametrize("api_url", ["", "shop.example", "https://nowhere.example/graphql/", "http://[::1"])
def test_a_shop_that_is_not_here_is_refused_without_asking_it_for_keys(dashboard, api_url):
    dashboard.api_url, dashboard.header = api_url, {"kid": "another"}
    assert dashboard.get(STATE).status_code == 401


def test_staff_of_another_shop_is_refused(dashboard, register, strangers_key):
    other = "https://other.example/graphql/"
    register(other, keys=jwks(strangers_key))
    dashboard.key = strangers_key
    assert dashboard.get(STATE, iss=other).status_code == 401


def test_staff_of_a_shop_that_removed_the_app_is_refused(dashboard, installation, shop):
    with installation.db.begin() as connection:
        store.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())
    assert dashboard.get(STATE).status_code == 401


def test_a_key_not_seen_before_is_fetched_from_the_shop_once(dashboard, shop_with_new_key):
    dashboard.api_url, claims = shop_with_new_key.api_url, {"iss": shop_with_new_key.api_url}
    dashboard.header = {"kid": "two"}
    answers = [dashboard.get(STATE, **claims).status_code for _ in range(2)]
    assert (answers, shop_with_new_key.asked) == ([200, 200], 1)


def test_a_shop_whose_new_key_cannot_be_had_is_asked_to_try_again(dashboard, register):
    gone = "http://127.0.0.1:9/graphql/"
    register(gone)
    dashboard.api_url, dashboard.header = gone, {"kid": "two"}
    assert dashboard.get(STATE, iss=gone).status_code == 503


def test_a_refusal_says_nothing_about_the_reason_to_a_stranger(dashboard):
    unknown, forged = dashboard.get_with("a.b.c", STATE), dashboard.get(STATE, type="access")
    assert unknown.text == forged.text


def test_a_token_ends_at_its_second(dashboard, clock):
    end = int((clock() + timedelta(seconds=2)).timestamp())
    token = dashboard.token(exp=end)
    clock.move(seconds=3)
    assert dashboard.get_with(token, "/dashboard/standing?userId=x").json["error"]["type"] == "expired"
