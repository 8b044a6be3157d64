"""Whatever a shop answers, in JSON or not: it is understood, or it is trouble that has a name."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import strategies as st

from plugin.errors import HerkendError
from plugin.outbound import Outbound
from plugin.saleor import calls
from plugin.saleor.client import Saleor
from plugin.saleor.standings import Write
from plugin.secret import Secret
from plugin.shops import jwks
from tests.fuzz.for_a_while import for_a_while, fuzz
from tests.fuzz.strategies import JSON, spoiled
from tests.saleor.conftest import captured, examples  # noqa: F401 - fixtures
from tests.shop_server import serving

USER, ORDER = "VXNlcjox", "T3JkZXI6MQ=="
WRITES = [
    Write(target_id=USER, kind="user", public="regular", private="{}"),
    Write(target_id=ORDER, kind="order", public=None, private=None),
]


@pytest.fixture
def shop_server():
    with serving() as server:
        yield server


def questions(outbound, server):
    saleor = Saleor(api_url=server.api_url, token=Secret("token"), outbound=outbound)
    clock = lambda: datetime.now(tz=UTC)  # noqa: E731 - so short
    return [
        lambda: calls.app_identity(saleor),
        lambda: calls.shop_facts(saleor),
        lambda: calls.person_history(
            saleor, user_id=USER, emails=["ada@example.com"], clock=clock, after=None
        ),
        lambda: calls.write_standings(saleor, WRITES),
        lambda: jwks.fetch(outbound, api_url=server.api_url),
    ]


@for_a_while
def test_no_answer_is_more_than_trouble(shop_server, captured, examples, seconds, record_property):  # noqa: F811 - fixtures
    asked = questions(Outbound(allow_networks=[ip_network("127.0.0.0/8")]), shop_server)

    def any_answer(answer):
        shop_server.answers = {"": answer}
        shop_server.jwks = answer
        for ask in asked:
            with suppress(HerkendError):
                ask()

    real = [whole for whole in captured.values() if isinstance(whole, dict)]
    history = {
        "data": {"user": {"id": USER, "orders": {"edges": [{"node": it} for it in examples.values()]}}}
    }
    data = st.dictionaries(
        st.sampled_from(["app", "shop", "channels", "user", "user0", "guest0", "keys"]), JSON
    )
    wholes = st.sampled_from([*real, json.loads(json.dumps(history, default=str))])
    tried = fuzz(
        any_answer,
        seconds=seconds,
        answer=wholes.flatmap(spoiled)
        | JSON
        | st.builds(lambda data, errors: {"data": data, "errors": errors}, data | JSON, JSON | st.just([])),
    )
    record_property("examples tried", tried)
