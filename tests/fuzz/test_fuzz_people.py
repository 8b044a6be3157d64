"""Whatever asks to be registered, and whatever token asks for a page: an answer from the list, and no row."""

import itertools
import json
import re
from ipaddress import ip_address

import jwt
import pytest
from hypothesis import strategies as st
from sqlalchemy import text

from plugin.app import create_app
from tests.dashboard.conftest import register, shop  # noqa: F401 - fixtures
from tests.dashboard.dashboard_tokens import API_URL, Dashboard
from tests.fuzz.for_a_while import for_a_while, fuzz
from tests.fuzz.strategies import HEADER, edited, spoiled

SHOPS = "SELECT count(*) FROM shops"
PAGES = ["/dashboard/state", "/dashboard/standing?userId=VXNlcjox", "/dashboard/standing?email=a@b", "/"]
# Nowhere: what is no address, what is closed to us, and where nobody answers.
ADDRESSES = [
    "http://127.0.0.1:9/graphql/",
    "http://10.0.0.1/graphql/",
    "http://169.254.169.254/graphql/",
    "http://[::1]:9/graphql/",
    "http://[::ffff:a00:1]/graphql/",
    "http://0x7f000001/graphql/",
    "ftp://127.0.0.1/graphql/",
    "http://127.0.0.1:99999/graphql/",
    "http://a@127.0.0.1:9/graphql/",
    "",
]


@pytest.fixture
def client(installation):
    """Ask as if each request came from another address: there are limits on what one may get wrong."""
    client = create_app(installation).test_client()
    addresses = itertools.count(int(ip_address("10.0.0.1")))

    class Strangers:
        def open(self, path, **request):
            stranger = {"REMOTE_ADDR": str(ip_address(next(addresses)))}
            return client.open(path, environ_overrides=stranger, **request)

    return Strangers()


@pytest.fixture
def shops_known(installation):
    def shops_known() -> int:
        with installation.db.begin() as connection:
            return connection.execute(text(SHOPS)).scalar_one()

    return shops_known


def fine(answer, *, documented: set[int]) -> None:
    assert answer.status_code in documented, (answer.status_code, answer.get_data())
    assert b"Traceback" not in answer.get_data()


@for_a_while
def test_whatever_asks_to_be_registered_is_refused_without_a_row(
    client, shops_known, seconds, record_property
):
    def any_registration(method, address, schema, body):
        headers = {"Saleor-Api-Url": address, "Saleor-Schema-Version": schema}
        headers |= {"Content-Type": "application/json"}
        answer = client.open("/api/register", method=method, headers=headers, data=body)
        fine(answer, documented={400, 401, 403, 405, 413, 429, 503})
        assert shops_known() == 0

    tried = fuzz(
        any_registration,
        seconds=seconds,
        method=st.sampled_from(["POST"] * 6 + ["GET", "PUT"]),
        address=st.sampled_from(ADDRESSES)
        | st.sampled_from(ADDRESSES).flatmap(edited).filter(nowhere)
        | JUNK,
        schema=st.sampled_from(["3.23", "3.22", ""]) | HEADER,
        body=spoiled({"auth_token": "token"}).map(lambda it: json.dumps(it).encode()) | st.binary(),
    )
    record_property("examples tried", tried)


JUNK = st.text("abc:/[]@?#%.-_ 0\xe9", max_size=60).filter(lambda text: "//" not in text)


def nowhere(address: str) -> bool:
    """Tell whether asking for an edited address asks no name server, and nobody but ourselves."""
    host = address.partition("//")[2].partition("/")[0].rpartition("@")[2]
    return (
        re.fullmatch(r"(127\.0\.0\.1|10\.0\.0\.1|169\.254\.169\.254|\[::1\])(:9|:0|:99999)?", host)
        is not None
    )


@for_a_while
def test_no_token_but_a_signed_one_opens_a_page(  # noqa: PLR0917 - fixtures
    client,
    shop,  # noqa: F811 - the fixture
    key,
    strangers_key,
    clock,
    shops_known,
    seconds,
    record_property,
):
    dashboard = Dashboard(client=client, key=key, now=clock())
    real = dashboard.token()
    claims = jwt.decode(real, options={"verify_signature": False})

    def any_token(path, token, address):
        answer = client.open(path, headers={"authorization-bearer": token, "saleor-api-url": address})
        opened = {200, 404} if path == "/" or signed_by(key, token) else set()
        fine(answer, documented=opened | {400, 401, 403, 429, 503})
        assert shops_known() == 1

    told = spoiled(claims).filter(lambda it: isinstance(it, dict))
    heads = spoiled({"kid": "one"}).filter(lambda it: isinstance(it, dict) and not {"alg", "b64"} & it.keys())
    ours = told.map(lambda claims: signed(claims, {"kid": "one"}, by=key))
    forged = st.builds(lambda claims, header: signed(claims, header, by=strangers_key), told, heads)
    tried = fuzz(
        any_token,
        seconds=seconds,
        path=st.sampled_from(PAGES),
        token=ours | forged | edited(real) | HEADER,
        address=st.just(API_URL) | HEADER,
    )
    record_property("examples tried", tried)


def signed(claims, header, *, by) -> str:
    """Sign what PyJWT signs; it refuses some forms itself."""
    try:
        return jwt.encode(claims, by, algorithm="RS256", headers=header)
    except (TypeError, ValueError, jwt.PyJWTError):
        return "x"


def signed_by(key, token) -> bool:
    """Tell by a library alone whether the key signed a token; what it says is another matter."""
    try:
        jwt.api_jws.decode(token, key.public_key(), algorithms=["RS256"])
    except (ValueError, jwt.PyJWTError):
        return False
    return True
