"""Tokens as the Dashboard hands them out, and forged ones."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

API_URL = "https://shop.example/graphql/"
APP_ID = "QXBwOjE="


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks(key: rsa.RSAPrivateKey, *, kid: str = "one") -> dict:
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {"keys": [{**public, "kid": kid, "use": "sig", "alg": "RS256"}]}


@dataclass
class Dashboard:
    """Asks as the Dashboard does; `claims`, `header` and `key` can be anything."""

    client: object
    key: rsa.RSAPrivateKey
    now: datetime
    api_url: str = API_URL
    header: dict = field(default_factory=lambda: {"kid": "one"})
    headers: dict = field(default_factory=dict)

    def token(self, **claims) -> str:
        told = {
            "iss": API_URL,
            "exp": int((self.now + timedelta(minutes=5)).timestamp()),
            "type": "thirdparty",
            "app": APP_ID,
            "user_id": "VXNlcjoyMQ==",
            "email": "admin@shop.example",
            "is_staff": True,
            "user_permissions": ["MANAGE_APPS", "MANAGE_ORDERS", "MANAGE_USERS"],
        } | claims
        return jwt.encode(told, self.key, algorithm="RS256", headers=self.header)

    def get(self, path: str, **claims):
        return self.get_with(self.token(**claims), path)

    def get_with(self, token: str, path: str):
        headers = {"authorization-bearer": token, "saleor-api-url": self.api_url, **self.headers}
        return self.client.get(path, headers=headers)


def encoded(part: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed_with_hmac(token: str, *, secret: bytes) -> str:
    """Sign a token's claims once more, with a public key taken for a shared secret."""
    start = encoded({"alg": "HS256", "kid": "one"}) + "." + token.split(".")[1]
    digest = hmac.digest(secret, start.encode(), hashlib.sha256)
    return f"{start}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
