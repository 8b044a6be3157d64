"""A shop on loopback that installs us."""

import pytest

from tests.shop_server import ShopServer, serving

KEY = {
    "kty": "RSA",
    "use": "sig",
    "alg": "RS256",
    "key_ops": ["verify"],
    "kid": "k1",
    "n": "AQAB" * 80,
    "e": "AQAB",
}


@pytest.fixture
def shop_server() -> ShopServer:
    with serving() as server:
        server.jwks = {"keys": [KEY]}
        yield server
