"""Whatever is delivered: an answer from the list, no traceback, no row unless it was accepted; and every row ends."""

import itertools
import json
from ipaddress import ip_address

import pytest
from hypothesis import strategies as st
from sqlalchemy import text

from plugin.app import create_app
from plugin.review import review_batch
from tests.fuzz.for_a_while import for_a_while, fuzz
from tests.fuzz.strategies import HEADER, JSON, edited, spoiled
from tests.told import register
from webhooks.process import process_batch
from webhooks.registry import BY_EVENT, EVENTS

API_URL = "http://127.0.0.1:9/graphql/"  # where nobody answers
# Told apart by what the shop is to do: 202 it is kept, 503 send it again, all others never again.
DOCUMENTED = {202, 400, 401, 403, 404, 405, 413, 429, 503}
STATES = "SELECT state, count(*) FROM deliveries GROUP BY 1"
NAMES = [
    "Saleor-Api-Url",
    "Saleor-Event",
    "Saleor-Signature",
    "Traceparent",
    "Content-Type",
    "Content-Length",
]
NAMES += [
    "Transfer-Encoding",
    "Content-Encoding",
    "Host",
    "X-Forwarded-For",
    "Authorization",
    "Expect",
    "Cookie",
]


@pytest.fixture
def shop(installation, shop_key, deliveries):
    recipient = next(it.payload["recipient"]["id"] for it in deliveries if it.payload.get("recipient"))
    return register(installation, api_url=API_URL, app_id=recipient, jwks=shop_key.jwks)


@pytest.fixture
def send(installation, shop):
    """Send as if each request came from another address: there are limits on what one may get wrong."""
    client = create_app(installation).test_client()
    addresses = itertools.count(int(ip_address("10.0.0.1")))

    def send(path, body, headers, *, method="POST"):
        stranger = {"REMOTE_ADDR": str(ip_address(next(addresses)))}
        return client.open(path, method=method, data=body, headers=headers, environ_overrides=stranger)

    return send


@pytest.fixture
def states(installation):
    def states() -> dict[str, int]:
        with installation.db.begin() as connection:
            return dict(tuple(row) for row in connection.execute(text(STATES)))

    return states


def fine(answer) -> bool:
    assert answer.status_code in DOCUMENTED, (answer.status_code, answer.get_data())
    assert b"Traceback" not in answer.get_data()
    return answer.status_code == 202


@for_a_while
def test_what_a_shop_signed_is_processed_or_buried_whatever_it_is(  # noqa: PLR0917 - fixtures
    installation, shop, shop_key, deliveries, send, states, seconds, record_property
):
    known = [it for it in deliveries if it.event in BY_EVENT]

    def any_signed_delivery(told):
        delivery, body = told
        before = sum(states().values())
        headers = {"Saleor-Api-Url": API_URL, "Saleor-Event": delivery.event}
        headers["Saleor-Signature"] = shop_key.sign(body)
        accepted = fine(send(BY_EVENT[delivery.event].route, body, headers))
        assert sum(states().values()) - before <= accepted
        while process_batch(installation):
            pass
        review_batch(installation)
        assert states().keys() <= {"done", "dead"}

    def bodies(delivery):
        kept = frozenset({("__typename",), ("recipient", "id")})
        whole = json.loads(delivery.body)
        raw = st.binary(max_size=50) | edited(delivery.body.decode()).map(str.encode)
        return spoiled(whole, keep=kept).map(lambda it: json.dumps(it).encode()) | raw

    tried = fuzz(
        any_signed_delivery,
        seconds=seconds,
        told=st.sampled_from(known).flatmap(lambda it: st.tuples(st.just(it), bodies(it))),
    )
    record_property("examples tried", tried)
    assert states().get("done", 0) > 0


@for_a_while
def test_what_a_stranger_sends_is_refused_without_a_row(deliveries, send, states, seconds, record_property):
    captured = deliveries[0]
    signed = {
        "Saleor-Api-Url": API_URL,
        "Saleor-Event": captured.event,
        "Saleor-Signature": captured.signature,
    }

    def any_request(path, method, body, headers):
        fine(send(path, body, {name: value for name, value in headers.items() if value}, method=method))
        assert states() == {}

    tried = fuzz(
        any_request,
        seconds=seconds,
        path=st.sampled_from(
            [event.route for event in EVENTS] + ["/api/webhooks/", "/api/webhooks/none"]
        ).flatmap(lambda path: st.sampled_from([path, path + "/", path + "?a=%00", path + "/%ff"])),
        method=st.sampled_from(["POST"] * 5 + ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"]),
        body=st.binary() | JSON.map(lambda it: json.dumps(it).encode()) | st.just(captured.body),
        headers=st.dictionaries(
            st.sampled_from(NAMES), HEADER | st.sampled_from(sorted(signed.values())), max_size=5
        )
        | st.dictionaries(st.sampled_from(sorted(signed)), HEADER, max_size=2).map(
            lambda some: signed | some
        ),
    )
    record_property("examples tried", tried)
