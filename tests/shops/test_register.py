"""A shop is taken in when its own token proves which app it installed; every refusal says why and saves nothing."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text
from structlog.testing import capture_logs

from plugin.app import create_app
from plugin.installation import install
from plugin.secret import Secret
from plugin.shops import register, store

GIVEN = "t8Hy4EV7rnUAT82AjNabNk62JxeWS8"
APP = {"data": {"app": {"id": "QXBwOjE=", "identifier": "herkend"}}}
DENIED = {
    "data": {"app": None},
    "errors": [
        {
            "message": "No permission",
            "path": ["app"],
            "extensions": {"exception": {"code": "PermissionDenied"}},
        }
    ],
}


@pytest.fixture(autouse=True)
def answers(shop_server) -> dict:
    shop_server.answers["identifier"] = APP
    return shop_server.answers


def opened(installation):
    app = Flask(__name__)
    app.register_blueprint(register.blueprint(installation))
    return app.test_client()


@pytest.fixture
def ask(installation, shop_server):
    """Ask as Saleor does; what is named is changed, the address left out when it is None."""

    def send(
        body=None,
        *,
        api_url=shop_server.api_url,
        method="POST",
        path="/api/register",
        installation=installation,
    ):
        headers = {"Saleor-Domain": "elsewhere.example", "Saleor-Schema-Version": "3.23"}
        if api_url is not None:
            headers["Saleor-Api-Url"] = api_url
        body = json.dumps({"auth_token": GIVEN}) if body is None else body
        return opened(installation).open(path, method=method, data=body, headers=headers)

    return send


@pytest.fixture
def shops(installation):
    def listed() -> list[store.Shop]:
        with installation.db.begin() as connection:
            return store.all_shops(connection)

    return listed


def refusal(answer) -> tuple[int, str]:
    assert answer.json["success"] is False
    assert answer.json["error"]["message"]
    return answer.status_code, answer.json["error"]["code"]


def test_a_shop_is_taken_in_with_its_token_locked(ask, shops, installation, shop_server):
    answer = ask()
    (shop,) = shops()
    assert (answer.status_code, answer.json) == (200, {"success": True})
    assert (shop.api_url, shop.domain, shop.app_id) == (
        shop_server.api_url,
        shop_server.origin[7:],
        "QXBwOjE=",
    )
    assert (shop.state, shop.jwks) == ("active", shop_server.jwks)
    assert GIVEN.encode() not in shop.token
    assert installation.vault.unlock(shop.token) == Secret(GIVEN)


def test_the_shop_is_asked_with_the_token_that_came(ask, shop_server):
    ask()
    assert set(shop_server.tokens) == {f"Bearer {GIVEN}"}


@pytest.mark.parametrize("path", ["/api/register", "/api/register/"])
def test_there_is_no_redirect_which_saleor_would_take_for_a_success(ask, path):
    assert ask(path=path).status_code == 200


def test_the_address_is_kept_in_its_one_form(ask, shops, shop_server):
    ask(api_url=shop_server.api_url.replace("http://", "HTTP://").rstrip("/"))
    assert [shop.api_url for shop in shops()] == [shop_server.api_url]


def test_registering_again_takes_the_new_app_and_token_and_stays_one_shop(ask, shops, answers, installation):
    ask()
    (before,) = shops()
    with installation.db.begin() as connection:
        store.uninstall(connection, before.id, app_id=before.app_id, now=installation.clock())
    answers["identifier"] = {"data": {"app": {"id": "QXBwOjI=", "identifier": "herkend"}}}
    ask(json.dumps({"auth_token": "another"}))
    (after,) = shops()
    assert (after.id, after.app_id, after.state) == (before.id, "QXBwOjI=", "active")
    assert installation.vault.unlock(after.token) == Secret("another")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_than_post_are_refused(ask, shops, method):
    answer = ask(method=method)
    assert (answer.status_code, answer.headers["Allow"], shops()) == (405, "POST", [])


@pytest.mark.parametrize("api_url", [None, "", "  "])
def test_without_the_address_of_the_shop_nothing_is_asked(ask, shop_server, api_url):
    assert refusal(ask(api_url=api_url)) == (400, "MISSING_API_URL_HEADER")
    assert shop_server.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"auth_token": null}',
        b'{"auth_token": ""}',
        b'{"auth_token": 7}',
        b'{"auth_token": ["x"]}',
        b'{"auth_token": "two words"}',
        b'{"auth_token": "a\\r\\nHost: evil.example"}',
        b'{"auth_token": "\\u00e9"}',
        b'{"auth_token": "' + b"x" * 2000 + b'"}',
        b"[" * 60_000,
    ],
)
def test_without_a_usable_token_nothing_is_asked(ask, shop_server, shops, body):
    assert refusal(ask(body)) == (400, "MISSING_AUTH_TOKEN")
    assert (shop_server.asked, shops()) == ([], [])


def test_a_body_that_is_too_long_is_not_read(ask, shop_server):
    body = json.dumps({"auth_token": GIVEN, "filling": "x" * register.LARGEST_BODY})
    assert refusal(ask(body)) == (400, "BODY_TOO_LARGE")
    assert shop_server.asked == []


@pytest.mark.parametrize("api_url", ["nonsense", "ftp://shop.example/", "http://a@shop.example/graphql/"])
def test_what_is_no_address_of_a_shop_is_refused(ask, shop_server, api_url):
    assert refusal(ask(api_url=api_url)) == (403, "SALEOR_URL_PROHIBITED")
    assert shop_server.asked == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"http://127\.0\.0\.1:\d+/graphql/", 200),
        (r"http://127\.0\.0\.1", 403),
        (r"127\.0\.0\.1:\d+/graphql/", 403),
        (r"https://shop\.example/graphql/", 403),
    ],
)
def test_only_shops_whose_whole_address_is_allowed_are_served(ask, installation, pattern, expected):
    narrow = replace(installation, settings=replace(installation.settings, allowed_shops=re.compile(pattern)))
    assert ask(installation=narrow).status_code == expected


ALLOWED = r"https://(.+\.)?shop\.example/graphql/"


@pytest.mark.parametrize(
    "api_url",
    [
        "https://shop.example/graphql/",
        "https://shop.example/graphql",
        "HTTPS://SHOP.EXAMPLE/graphql/",
        "https://Shop.Example:443/graphql/",
        "https://nl.shop.example/graphql/",
    ],
)
def test_every_way_to_write_an_allowed_address_is_allowed(installation, api_url):
    assert register.allowed(api_url, re.compile(ALLOWED)) in {
        "https://shop.example/graphql/",
        "https://nl.shop.example/graphql/",
    }


@pytest.mark.parametrize(
    "api_url",
    [
        "http://shop.example/graphql/",
        "https://evilshop.example/graphql/",
        "https://shop.example.evil.test/graphql/",
        "https://shop.example/graphql/more/",
        "https://evil.test/https://shop.example/graphql/",
        "https://evil.test/graphql/?https://shop.example/graphql/",
        "https://evil.test/graphql/#https://shop.example/graphql/",
        "https://shop.example@evil.test/graphql/",
        "https://shop.example:secret@evil.test/graphql/",
        "https://evil.test\\@shop.example/graphql/",
        "https://evil.test\\.shop.example/graphql/",
        "https://shop.example/graphql/\n",
        "https://evil.test/\nhttps://shop.example/graphql/",
        "https://shop.example:8443/graphql/",
        "https://shop.example:443@evil.test/graphql/",
        "https://shop.example./graphql/",
        "https://shop\u3002example/graphql/",
        "https://sh\u043ep.example/graphql/",
        "https://xn--shp-fna.example/graphql/",
        "https://shop.example%2eevil.test/graphql/",
        "https://shop.example%00.evil.test/graphql/",
        "https://evil.test%2f.shop.example/graphql/",
        "https://evil.test%23.shop.example/graphql/",
        "https://evil.test;.shop.example/graphql/",
        "https://evil.test,.shop.example/graphql/",
        "https://[::1].shop.example/graphql/",
        "https://shop.example/graphql/..",
        "https://shop.example/graphql/../graphql/",
        "https://shop.example//graphql/",
        "https:/shop.example/graphql/",
        "//shop.example/graphql/",
        "shop.example/graphql/",
        "javascript://shop.example/graphql/",
    ],
)
def test_no_way_round_the_list_of_allowed_shops_is_known(api_url):
    with pytest.raises(register.No) as caught:
        register.allowed(api_url, re.compile(ALLOWED))
    assert (caught.value.status, caught.value.code) == (403, "SALEOR_URL_PROHIBITED")


def test_a_pattern_with_a_choice_is_anchored_as_a_whole():
    pattern = re.compile(r"https://a\.example/graphql/|https://b\.example/graphql/")
    assert register.allowed("https://b.example/graphql/", pattern) == "https://b.example/graphql/"
    for around in ("https://a.example/graphql/x/", "https://evil.test/https://b.example/graphql/"):
        with pytest.raises(register.No):
            register.allowed(around, pattern)


def test_a_shop_that_is_not_allowed_is_never_asked(ask, installation, shop_server):
    narrow = replace(installation, settings=replace(installation.settings, allowed_shops=re.compile("x")))
    assert refusal(ask(installation=narrow)) == (403, "SALEOR_URL_PROHIBITED")
    assert shop_server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        DENIED,
        {"data": {"app": None}},
        {"data": {"app": {"id": "QXBwOjE=", "identifier": "another.app"}}},
        {"data": {"app": {"id": "QXBwOjE=", "identifier": None}}},
        {"data": {"app": {"id": None, "identifier": "herkend"}}},
        {"data": None, "errors": [{"message": "boom"}]},
        {"nonsense": True},
        [],
    ],
    ids=str,
)
def test_a_token_that_does_not_prove_this_app_is_refused(ask, shops, answers, answer):
    answers["identifier"] = answer
    assert refusal(ask()) == (401, "UNKNOWN_APP_ID")
    assert shops() == []


def test_a_shop_that_cannot_be_reached_is_refused(ask, shops):
    assert refusal(ask(api_url="http://127.0.0.1:9/graphql/")) == (401, "UNKNOWN_APP_ID")
    assert shops() == []


def test_a_private_address_is_refused_and_the_merchant_is_told_why(
    ask, settings, database_url, clock, shop_server
):
    public_only = install(replace(settings, allow_networks=()), database_url=database_url, clock=clock)
    answer = ask(installation=public_only)
    public_only.db.close()
    assert refusal(answer) == (401, "UNKNOWN_APP_ID")
    assert "HERKEND_ALLOW_NETWORKS" in answer.json["error"]["message"]
    assert shop_server.asked == []


@pytest.mark.parametrize("jwks", [b"nonsense", [], {}, {"keys": []}, {"keys": [{"kty": "EC", "kid": "x"}]}])
def test_a_shop_without_keys_is_refused(ask, shops, shop_server, jwks):
    shop_server.jwks = jwks
    assert refusal(ask()) == (401, "JWKS_NOT_AVAILABLE")
    assert shops() == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_shop_that_does_not_show_its_keys_is_refused(ask, shops, shop_server, status):
    shop_server.jwks_status = status
    assert refusal(ask()) == (401, "JWKS_NOT_AVAILABLE")
    assert shops() == []


def test_nothing_but_public_rsa_keys_is_kept_of_a_jwks(ask, shops, shop_server):
    ours = shop_server.jwks["keys"][0]
    others = [7, {"kty": "EC", "kid": "x", "crv": "P-256"}, {**ours, "use": "enc"}]
    shop_server.jwks = {"keys": [*others, {**ours, "d": "private", "x5c": ["long"]}], "more": True}
    ask()
    assert shops()[0].jwks == {"keys": [ours]}


def test_facts_that_are_not_told_do_not_fail_an_installation(ask, shops):
    assert ask().status_code == 200
    assert shops()[0].saleor_version == "3.23"


def test_the_exact_version_and_the_main_currency_are_remembered(ask, shops, answers, installation):
    answers["shop"] = {
        "data": {
            "shop": {"name": "Bakker", "version": "3.23.28"},
            "channels": [{"slug": "nl", "isActive": True, "currencyCode": "EUR"}],
        }
    }
    ask()
    (shop,) = shops()
    with installation.db.begin() as connection:
        currency = store.policy(connection, shop.id).main_currency
    assert (shop.saleor_version, currency) == ("3.23.28", "EUR")


def test_a_shop_that_cannot_be_saved_is_told_so(ask, settings, clock):
    down = install(settings, database_url=Secret("postgresql://nobody@127.0.0.1:9/none"), clock=clock)
    assert refusal(ask(installation=down)) == (500, "NOT_SAVED")


def test_whatever_else_goes_wrong_is_a_failure_without_details(ask, installation, shops):
    def broken():
        raise RuntimeError(GIVEN)

    with capture_logs() as logs:
        answer = ask(installation=replace(installation, clock=broken))
    assert refusal(answer) == (500, "OTHER")
    assert GIVEN not in answer.text + str(logs)
    assert shops() == []


def test_no_transaction_is_open_while_the_shop_is_asked(ask, installation, shop_server):
    def busy() -> int:
        with installation.db.begin() as connection:
            return connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
            ).scalar_one()

    shop_server.meanwhile = busy
    ask()
    assert shop_server.seen == [0] * len(shop_server.asked)


def test_the_log_names_the_shop_and_never_the_token(ask, shop_server):
    with capture_logs() as logs:
        ask()
    (entry,) = [entry for entry in logs if entry["event"] == "shop registered"]
    assert (entry["address"], entry["api_url"]) == ("127.0.0.1", shop_server.api_url)
    assert GIVEN not in str(logs)


@pytest.fixture
def many(installation, shop_server):
    """Ask the same door again and again, from an address each time."""
    client = opened(installation)

    def send(times, *, address="192.0.2.1", body=None, api_url=shop_server.api_url):
        headers = {"Saleor-Api-Url": api_url}
        body = json.dumps({"auth_token": GIVEN}) if body is None else body
        around = {"REMOTE_ADDR": address}
        return [
            client.post("/api/register", data=body, headers=headers, environ_base=around)
            for _ in range(times)
        ]

    return send


def test_who_tries_too_often_is_told_in_words_and_in_seconds_when_to_try_again(many, shop_server):
    answers = many(11)
    last = answers[-1]
    wait = int(last.headers["Retry-After"])
    assert ([answer.status_code for answer in answers[:-1]], refusal(last)) == (
        [200] * 10,
        (429, "TOO_MANY_REQUESTS"),
    )
    assert (1 <= wait <= 60, f"in {wait} seconds" in last.json["error"]["message"]) == (True, True)
    assert shop_server.keys_fetched == 10


def test_who_tries_too_often_keeps_nobody_else_out(many):
    many(30)
    (answer,) = many(1, address="192.0.2.2")
    assert answer.status_code == 200


def test_neighbours_in_one_ipv6_network_are_one_caller(many):
    for number in range(10):
        many(1, address=f"2001:db8::{number:x}")
    assert [many(1, address=address)[0].status_code for address in ("2001:db8::ffff", "2001:db8:0:1::1")] == [
        429,
        200,
    ]


def test_what_is_refused_without_asking_anybody_does_not_count_as_a_try(many):
    many(20, body="nonsense")
    many(20, api_url="nonsense")
    assert many(1)[0].status_code == 200


@pytest.mark.parametrize(
    ("address", "named", "api_url", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1", "HTTPS://Shop.Example/graphql", "https://shop.example/graphql/"),
        ("2001:db8::7", "2001:db8::/64", "https://shop.example/?token=x", None),
        ("192.0.2.1", "192.0.2.1", "", None),
    ],
)
def test_a_refusal_says_in_the_log_who_asked_and_in_whose_name(many, address, named, api_url, canonical):
    with capture_logs() as logs:
        many(1, address=address, body="nonsense", api_url=api_url)
    (entry,) = [entry for entry in logs if entry["event"] == "registration refused"]
    assert (entry["address"], entry["api_url"]) == (named, canonical)


def test_after_many_failures_the_answers_stay_and_the_lines_end(many):
    with capture_logs() as logs:
        answers = many(70, body="nonsense")
    assert {refusal(answer) for answer in answers} == {(400, "MISSING_AUTH_TOKEN")}
    assert len([entry for entry in logs if entry["event"] == "registration refused"]) == 60


def test_strangers_servers_that_do_not_answer_leave_most_threads_free(installation, shop_server):
    slow = replace(installation, settings=replace(installation.settings, web_threads=8))
    client, began, let_go = opened(slow), threading.Barrier(3), threading.Event()

    def wait():
        began.wait(10)
        let_go.wait(10)

    def post(address):
        headers = {"Saleor-Api-Url": shop_server.api_url}
        around = {"REMOTE_ADDR": address}
        return client.application.test_client().post(
            "/api/register", data=json.dumps({"auth_token": GIVEN}), headers=headers, environ_base=around
        )

    shop_server.meanwhile = wait
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(post, f"192.0.2.{number}") for number in (1, 2)]
        began.wait(10)
        shop_server.meanwhile = lambda: None
        third = post("192.0.2.3")
        let_go.set()
        statuses = [each.result().status_code for each in held]
    assert (refusal(third), third.headers["Retry-After"], statuses) == (
        (429, "TOO_MANY_REQUESTS"),
        "5",
        [200, 200],
    )
    assert post("192.0.2.3").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "one_caller"),
    [(0, "192.0.2.{}", True), (1, "192.0.2.{}", False), (1, "192.0.2.{}, 198.51.100.1", True),
     (2, "192.0.2.{}, 198.51.100.1", False), (1, "", True)],
)  # fmt: skip
def test_the_callers_address_is_believed_of_so_many_proxies_as_the_settings_say(
    installation, shop_server, proxies, forwarded, one_caller
):
    behind = replace(installation, settings=replace(installation.settings, trusted_proxies=proxies))
    client = create_app(behind).test_client()
    statuses = [
        client.post(
            "/api/register",
            data=json.dumps({"auth_token": GIVEN}),
            headers={"Saleor-Api-Url": shop_server.api_url, "X-Forwarded-For": forwarded.format(number)},
        ).status_code
        for number in range(11)
    ]
    assert (statuses[-1] == 429) is one_caller
