"""What a running Saleor really sent, its schemas, and a shop's own key."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from graphql import GraphQLSchema, build_schema
from jwt import PyJWS
from jwt.algorithms import RSAAlgorithm

SALEOR = Path(__file__).parents[3] / "shared" / "saleor"


@dataclass(frozen=True)
class Captured:
    event: str
    headers: dict
    body: bytes

    @property
    def signature(self) -> str:
        return self.headers["Saleor-Signature"]

    @property
    def payload(self) -> dict:
        return json.loads(self.body)


@pytest.fixture(scope="session")
def saleor() -> Path:
    if not SALEOR.is_dir():
        pytest.skip("Saleor's schemas and captured deliveries (../shared/saleor) are not here.")
    return SALEOR


@pytest.fixture(scope="session")
def deliveries(saleor) -> list[Captured]:
    lines = (saleor / "captures" / "deliveries.jsonl").read_text().splitlines()
    return [
        Captured(row["event"], row["headers"], base64.b64decode(row["body_b64"]))
        for row in map(json.loads, lines)
    ]


@pytest.fixture(scope="session")
def captured_jwks(saleor) -> dict:
    return json.loads((saleor / "captures" / "jwks.json").read_text())


@pytest.fixture(scope="session")
def schemas(saleor) -> dict[str, GraphQLSchema]:
    return {
        version: build_schema((saleor / f"schema-{version}.graphql").read_text(), assume_valid=True)
        for version in ("3.22", "3.23")
    }


@dataclass(frozen=True)
class ShopKey:
    """A shop's private key; `sign` makes signatures as Saleor does."""

    private: rsa.RSAPrivateKey
    kid: str

    @property
    def jwk(self) -> dict:
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "use": "sig", "alg": "RS256", "kid": self.kid}

    @property
    def jwks(self) -> dict:
        return {"keys": [self.jwk]}

    def sign(self, body: bytes, **header: object) -> str:
        return PyJWS().encode(
            body,
            self.private,
            "RS256",
            headers={"kid": self.kid, "b64": False, **header},
            is_payload_detached=True,
        )


@pytest.fixture(scope="session")
def new_shop_key() -> Callable[[str], ShopKey]:
    return lambda kid: ShopKey(rsa.generate_private_key(public_exponent=65537, key_size=2048), kid)


@pytest.fixture(scope="session")
def shop_key(new_shop_key) -> ShopKey:
    return new_shop_key("our-shop")


@pytest.fixture(scope="session")
def other_key(new_shop_key) -> ShopKey:
    return new_shop_key("other-shop")
