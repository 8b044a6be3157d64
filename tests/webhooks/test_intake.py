"""What a shop signed for us is kept before it is answered; everything else leaves no row."""

import io
import json
from dataclasses import replace

import jwt
import pytest
from flask import Flask
from sqlalchemy import event as sql
from sqlalchemy import text
from structlog.testing import capture_logs

from plugin.app import create_app
from plugin.installation import install
from plugin.secret import Secret
from plugin.shops import store as shops
from plugin.shops.jwks import KeySource
from tests.shop_server import serving
from tests.told import register
from webhooks import intake
from webhooks.registry import BY_EVENT, EVENTS

OUR_APP = "QXBwOjE="
EVENT = BY_EVENT["order_created"]
everything = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)


@pytest.fixture
def shop_server():
    with serving() as server:
        yield server


@pytest.fixture
def shop(installation, shop_server, shop_key):
    return registered(installation, shop_server.api_url, shop_key.jwks)


def registered(installation, api_url: str, jwks: dict, app_id: str = OUR_APP):
    return register(installation, api_url=api_url, jwks=jwks, app_id=app_id)


@pytest.fixture
def door(installation):
    return opened(installation)


def opened(installation):
    app = Flask(__name__)
    app.wsgi_app = intake.in_front(
        app.wsgi_app, intake.Door(installation, keys=KeySource(installation.outbound))
    )
    return app.test_client()


@pytest.fixture
def deliver(door, shop, shop_key):
    """Send a delivery as the shop would; what is named is changed, a header set to None left out."""

    def send(event=EVENT, body=None, *, key=shop_key, headers=None, door=door, method="POST", **payload):
        body = json.dumps(told(event, **payload)).encode() if body is None else body
        sent = {
            "Saleor-Api-Url": shop.api_url,
            "Saleor-Event": event.key,
            "Saleor-Signature": key.sign(body),
            **(headers or {}),
        }
        sent = {name: value for name, value in sent.items() if value is not None}
        return door.open(event.route, method=method, data=body, headers=sent)

    return send


def told(event, **changes: object) -> dict:
    return {
        "__typename": event.typename,
        "issuedAt": "2026-11-21T20:35:05.403736+00:00",
        "issuingPrincipal": {"__typename": "User", "id": OUR_APP},
        "recipient": {"id": OUR_APP},
        **changes,
    }


def kept(installation) -> list[dict]:
    with installation.db.begin() as connection:
        rows = connection.execute(text("SELECT * FROM deliveries ORDER BY id")).mappings()
        return [dict(row) for row in rows]


def refusal(response) -> tuple[int, str]:
    assert set(response.json) == {"error"}
    assert set(response.json["error"]) == {"type", "message"}
    return response.status_code, response.json["error"]["type"]


@everything
def test_a_signed_delivery_is_kept_as_it_came(deliver, installation, shop, event):
    body = json.dumps(told(event), indent=3).encode() + b"\n"
    assert deliver(event, body).status_code == 202
    (row,) = kept(installation)
    assert (row["shop_id"], row["event"], row["body"]) == (shop.id, event.key, body)
    assert row["issued_at"].isoformat() == "2026-11-21T20:35:05.403736+00:00"


def test_the_same_delivery_twice_is_kept_once_and_accepted_twice(deliver, installation):
    assert [deliver().status_code, deliver().status_code] == [202, 202]
    assert len(kept(installation)) == 1


def test_the_names_of_headers_are_written_in_any_case(deliver, installation, shop, shop_key):
    body = json.dumps(told(EVENT)).encode()
    headers = {
        "Saleor-Api-Url": None,
        "Saleor-Event": None,
        "Saleor-Signature": None,
        "saleor-api-url": shop.api_url,
        "SALEOR-EVENT": EVENT.key.upper(),
        "sAlEoR-sIgNaTuRe": shop_key.sign(body),
    }
    assert deliver(body=body, headers=headers).status_code == 202
    assert len(kept(installation)) == 1


def test_the_shops_address_may_be_written_in_another_way(deliver, shop):
    written = shop.api_url.replace("http://", "HTTP://").rstrip("/")
    assert deliver(headers={"Saleor-Api-Url": written}).status_code == 202


def test_the_trace_is_kept_and_nonsense_instead_of_it_is_not(deliver, installation):
    trace = "00-1c3e74e2ed0737188346629f632ca7f6-a290b668d2bbee26-01"
    deliver(headers={"traceparent": trace})
    deliver(version="other", headers={"traceparent": "x" * 5000})
    assert [row["traceparent"] for row in kept(installation)] == [trace, None]


def test_what_we_wrote_ourselves_comes_back_and_is_not_kept(deliver, installation):
    ours = {"__typename": "App", "id": OUR_APP}
    assert deliver(BY_EVENT["customer_updated"], issuingPrincipal=ours).status_code == 202
    assert kept(installation) == []


def test_what_another_app_wrote_is_kept(deliver, installation):
    deliver(BY_EVENT["customer_updated"], issuingPrincipal={"__typename": "App", "id": "QXBwOjI="})
    assert len(kept(installation)) == 1


@pytest.mark.parametrize("issued_at", [None, "nonsense", 7])
def test_a_delivery_that_does_not_say_when_is_kept_all_the_same(deliver, installation, issued_at):
    assert deliver(issuedAt=issued_at).status_code == 202
    assert kept(installation)[0]["issued_at"] is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_than_post_are_refused(deliver, method):
    answers = [deliver(event, method=method) for event in EVENTS]
    assert {(answer.status_code, answer.headers["Allow"]) for answer in answers} == {(405, "POST")}


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Saleor-Api-Url", None, (400, "MISSING_API_URL_HEADER")),
        ("Saleor-Api-Url", "  ", (400, "MISSING_API_URL_HEADER")),
        ("Saleor-Event", None, (400, "MISSING_EVENT_HEADER")),
        ("Saleor-Event", "order_paid", (400, "WRONG_EVENT")),
        ("Saleor-Signature", None, (400, "MISSING_SIGNATURE_HEADER")),
        ("Saleor-Api-Url", "https://unknown.example/graphql/", (401, "NOT_REGISTERED")),
        ("Saleor-Api-Url", "nonsense", (401, "NOT_REGISTERED")),
        ("Saleor-Api-Url", "http://[::1", (401, "NOT_REGISTERED")),
        ("Saleor-Signature", "nonsense", (401, "SIGNATURE_VERIFICATION_FAILED")),
    ],
)
def test_a_wrong_header_is_refused_by_its_name_and_leaves_no_row(
    deliver, installation, header, value, expected
):
    assert refusal(deliver(headers={header: value})) == expected
    assert kept(installation) == []


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        (["Saleor-Api-Url", "Saleor-Event", "Saleor-Signature"], "MISSING_API_URL_HEADER"),
        (["Saleor-Event", "Saleor-Signature"], "MISSING_EVENT_HEADER"),
        (["Saleor-Signature"], "MISSING_SIGNATURE_HEADER"),
        ([], "MISSING_REQUEST_BODY"),
    ],
)
def test_of_several_faults_the_first_in_saleors_order_is_named(deliver, left_out, expected):
    assert refusal(deliver(body=b"", headers=dict.fromkeys(left_out))) == (400, expected)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_a_signed_body_that_is_no_json_is_refused(deliver, installation, body):
    assert refusal(deliver(body=body)) == (400, "CANT_BE_PARSED")
    assert kept(installation) == []


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b'"x"', b"null", b"{}", b'[{"type": "User", "id": "VXNlcjox"}]']
)
def test_a_signed_body_without_an_envelope_is_refused(deliver, installation, body):
    assert refusal(deliver(BY_EVENT["customer_created"], body)) == (400, "CANT_BE_PARSED")
    assert kept(installation) == []


@pytest.mark.parametrize("recipient", [None, {}, {"id": None}, {"id": "QXBwOjI="}, {"id": ""}])
def test_a_delivery_to_another_app_is_refused(deliver, installation, recipient):
    assert refusal(deliver(recipient=recipient)) == (403, "WRONG_RECIPIENT")
    assert kept(installation) == []


def test_a_delivery_of_another_type_is_refused_whatever_its_header_says(deliver, installation):
    assert refusal(deliver(__typename="OrderPaid")) == (403, "WRONG_TYPENAME")
    assert kept(installation) == []


def test_a_delivery_to_the_app_as_it_was_before_a_reinstall_is_refused(deliver, installation, shop, shop_key):
    registered(installation, shop.api_url, shop_key.jwks, app_id="QXBwOjk=")
    assert refusal(deliver(BY_EVENT["app_deleted"])) == (403, "WRONG_RECIPIENT")


def test_a_shop_that_uninstalled_us_is_not_registered_any_more(deliver, installation, shop):
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=OUR_APP, now=installation.clock())
    assert refusal(deliver()) == (401, "NOT_REGISTERED")
    assert kept(installation) == []


def test_a_shop_that_leaves_between_two_deliveries_is_not_registered_any_more(deliver, installation, shop):
    assert deliver().status_code == 202
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=OUR_APP, now=installation.clock())
    assert refusal(deliver(version="other")) == (401, "NOT_REGISTERED")
    assert refusal(deliver()) == (401, "NOT_REGISTERED")


def test_a_shop_that_installs_the_app_anew_between_two_deliveries_is_heard_at_once(
    deliver, installation, shop, shop_key
):
    assert deliver().status_code == 202
    registered(installation, shop.api_url, shop_key.jwks, app_id="QXBwOjk=")
    assert refusal(deliver(version="other")) == (403, "WRONG_RECIPIENT")
    assert deliver(recipient={"id": "QXBwOjk="}).status_code == 202
    assert len(kept(installation)) == 2


def test_a_key_that_another_process_fetched_is_found_without_asking_the_shop(
    deliver, installation, shop, shop_server, other_key
):
    assert deliver().status_code == 202
    with installation.db.begin() as connection:
        shops.save_jwks(connection, shop.id, jwks=other_key.jwks)
    assert deliver(key=other_key, version="other").status_code == 202
    assert shop_server.asked == []


def test_a_shop_that_is_known_costs_a_delivery_one_statement_and_its_limit(deliver, installation):
    deliver()
    asked = []
    sql.listen(installation.db.engine, "before_cursor_execute", lambda *it: asked.append(it[2]))
    assert deliver(version="other").status_code == 202
    assert [it.split()[0] for it in asked] == ["SET", "INSERT"]  # the first is its time limit


@everything
def test_flask_itself_answers_as_what_stands_in_front_of_it(installation, deliver, event):
    behind = Flask(__name__)
    behind.register_blueprint(
        intake.blueprint(intake.Door(installation, keys=KeySource(installation.outbound)))
    )
    client = behind.test_client()
    assert deliver(event, door=client).status_code == 202
    assert refusal(deliver(event, door=client, method="GET"))[0] == 405
    assert len(kept(installation)) == 1


def test_a_paused_shop_is_listened_to_or_it_could_never_resume(deliver, installation, shop):
    with installation.db.begin() as connection:
        shops.pause(connection, shop.id, app_id=OUR_APP, said_at=installation.clock())
    assert deliver(BY_EVENT["app_status_changed"]).status_code == 202


def test_one_shop_cannot_speak_for_another(deliver, installation, shop_server, other_key, shop):
    registered(installation, "http://other.example/graphql/", other_key.jwks)
    shop_server.jwks = {"keys": []}
    deliver(key=other_key, headers={"Saleor-Api-Url": "http://other.example/graphql/"})
    shop_server.jwks = shop.jwks
    assert refusal(deliver(key=other_key)) == (401, "SIGNATURE_VERIFICATION_FAILED")
    assert [row["shop_id"] for row in kept(installation)] == [shop.id + 1]


def test_a_known_key_that_does_not_fit_is_refused_without_asking_the_shop(
    deliver, installation, shop_server, shop_key
):
    answer = deliver(headers={"Saleor-Signature": shop_key.sign(b"another body")})
    assert refusal(answer) == (401, "SIGNATURE_VERIFICATION_FAILED")
    assert (kept(installation), shop_server.asked) == ([], [])


def test_a_shops_new_key_is_fetched_once_and_remembered(deliver, installation, shop_server, other_key):
    shop_server.jwks = other_key.jwks
    answers = [deliver(key=other_key, version=str(number)).status_code for number in range(20)]
    assert (answers, shop_server.keys_fetched, len(kept(installation))) == ([202] * 20, 1, 20)


def test_the_old_key_is_refused_once_the_shop_shows_a_new_one(deliver, shop_server, other_key, shop_key):
    shop_server.jwks = other_key.jwks
    deliver(key=other_key)
    assert refusal(deliver(key=shop_key)) == (401, "SIGNATURE_VERIFICATION_FAILED")


def test_a_key_that_the_shop_does_not_show_is_refused(deliver, installation, shop_server, shop, other_key):
    shop_server.jwks = shop.jwks
    assert refusal(deliver(key=other_key)) == (401, "SIGNATURE_VERIFICATION_FAILED")
    assert kept(installation) == []


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {}),
        (302, {}),
        (403, {}),
        (200, b"nonsense"),
        (200, []),
        (200, {}),
        (200, {"keys": []}),
        (200, {"keys": [{"kty": "EC", "kid": "x"}]}),
    ],
)
def test_while_a_needed_key_cannot_be_had_the_shop_is_asked_to_send_again(
    deliver, installation, shop_server, other_key, answer
):
    shop_server.jwks_status, shop_server.jwks = answer
    assert refusal(deliver(key=other_key)) == (503, "TRY_AGAIN_LATER")
    assert kept(installation) == []


def test_an_unusable_answer_does_not_cost_the_keys_we_have(deliver, shop_server, other_key):
    shop_server.jwks = {"keys": []}
    deliver(key=other_key)
    assert deliver().status_code == 202


def test_a_shop_whose_keys_cannot_be_reached_is_asked_to_send_again(installation, deliver):
    gone = "http://127.0.0.1:9/graphql/"
    registered(installation, gone, {"keys": []})
    assert refusal(deliver(headers={"Saleor-Api-Url": gone})) == (503, "TRY_AGAIN_LATER")
    assert kept(installation) == []


def test_a_stranger_cannot_make_us_ask_a_shop_all_day(deliver, shop_server, shop, other_key):
    shop_server.jwks = shop.jwks
    answers = [refusal(deliver(key=other_key))[0] for _ in range(8)]
    assert (answers, shop_server.keys_fetched) == ([401] * 5 + [503] * 3, 5)
    assert deliver().status_code == 202


def test_the_dashboards_door_shares_the_limit(deliver, installation, shop_server, shop, other_key):
    shop_server.jwks = shop.jwks
    client = create_app(installation).test_client()
    for _ in range(8):
        deliver(key=other_key, door=client)
    token = jwt.encode(
        {"iss": shop.api_url}, other_key.private, algorithm="RS256", headers={"kid": other_key.kid}
    )
    headers = {"authorization-bearer": token, "saleor-api-url": shop.api_url}
    assert client.get("/dashboard/state", headers=headers).status_code == 503
    assert shop_server.keys_fetched == 5


def test_the_limit_of_one_shop_is_not_another_shops(deliver, installation, shop_server, shop, other_key):
    shop_server.jwks = shop.jwks
    for _ in range(8):
        deliver(key=other_key)
    with serving() as second:
        second.jwks = other_key.jwks
        registered(installation, second.api_url, {"keys": []})
        assert deliver(key=other_key, headers={"Saleor-Api-Url": second.api_url}).status_code == 202


def test_without_a_database_the_shop_is_asked_to_send_again(settings, clock, deliver):
    down = install(settings, database_url=Secret("postgresql://nobody@127.0.0.1:9/none"), clock=clock)
    assert refusal(deliver(door=opened(down))) == (503, "TRY_AGAIN_LATER")


def test_whatever_else_goes_wrong_is_told_without_details_and_logged_without_the_body(installation, deliver):
    def broken():
        raise RuntimeError("ada@example.com")

    failing = opened(replace(installation, clock=broken))
    with capture_logs() as logs:
        answer = deliver(door=failing, note="ada@example.com")
    assert refusal(answer) == (500, "OTHER")
    assert kept(installation) == []
    assert "ada@example.com" not in answer.text + str(logs)
    assert [entry["error"] for entry in logs] == ["RuntimeError"]


def test_a_body_of_exactly_the_limit_is_taken(deliver, installation):
    assert deliver(body=padded(intake.LARGEST_BODY)).status_code == 202
    assert len(kept(installation)) == 1


@pytest.mark.parametrize("over", [1, 2, 1000])
def test_a_body_over_the_limit_is_refused(deliver, installation, over):
    assert refusal(deliver(body=padded(intake.LARGEST_BODY + over))) == (413, "BODY_TOO_LARGE")
    assert kept(installation) == []


@pytest.mark.parametrize(("size", "status"), [(intake.LARGEST_BODY, 202), (intake.LARGEST_BODY + 1, 413)])
def test_a_body_that_does_not_say_how_long_it_is_is_read_no_further_than_the_limit(
    door, shop, shop_key, size, status
):
    body = padded(size)
    answer = door.post(
        EVENT.route,
        input_stream=io.BytesIO(body),
        headers={
            "Transfer-Encoding": "chunked",
            "Saleor-Api-Url": shop.api_url,
            "Saleor-Event": EVENT.key,
            "Saleor-Signature": shop_key.sign(body),
        },
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == status


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("POST", 400)])
def test_no_route_redirects(door, slash, method, status):
    assert {door.open(event.route + slash, method=method).status_code for event in EVENTS} == {status}


def test_the_real_deliveries_of_a_running_saleor_are_kept(door, installation, deliveries, captured_jwks):
    ours = [delivery for delivery in deliveries if delivery.event in BY_EVENT]
    registered(installation, "http://localhost:8000/graphql/", captured_jwks, app_id="QXBwOjE=")
    expected = [202 if d.payload["recipient"]["id"] == "QXBwOjE=" else 403 for d in ours]
    answers = [door.post(BY_EVENT[d.event].route, data=d.body, headers=d.headers).status_code for d in ours]
    echoes = [d for d in ours if (d.payload["issuingPrincipal"] or {}).get("__typename") == "App"]
    assert answers == expected
    assert len(kept(installation)) == expected.count(202) - len(echoes)


def padded(size: int) -> bytes:
    body = json.dumps(told(EVENT, filling="")).encode()
    return body.replace(b'"filling": ""', b'"filling": "' + b"x" * (size - len(body)) + b'"')
