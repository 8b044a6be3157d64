"""How the shop signs: one RSA key for its webhooks (detached JWS) and for the tokens of its Dashboard."""

import base64
import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STAFF_PERMISSIONS = ("MANAGE_USERS", "MANAGE_ORDERS", "MANAGE_APPS", "MANAGE_SETTINGS", "MANAGE_DISCOUNTS")


def new_key() -> str:
    """Make a private key, as PEM text."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


class Signer:
    """A private key and the names under which its public half is known."""

    def __init__(self, pem: str) -> None:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the shop signs with RSA")
        self.key = key
        numbers = key.public_key().public_numbers()
        self.n, self.e = _number(numbers.n), _number(numbers.e)
        self.kid = self.thumbprint(n=self.n, e=self.e)

    @staticmethod
    def thumbprint(*, n: str, e: str) -> str:
        """Return the name of a key that follows from the key itself (RFC 7638)."""
        canonical = json.dumps({"e": e, "kty": "RSA", "n": n}, separators=(",", ":"))
        return _text(hashlib.sha256(canonical.encode()).digest())

    def jwks(self) -> dict[str, Any]:
        """Return the public key as the shop publishes it."""
        shown = {"kty": "RSA", "key_ops": ["verify"], "n": self.n, "e": self.e}
        return {"keys": [shown | {"use": "sig", "kid": self.kid, "alg": "RS256"}]}

    def detached(self, body: bytes) -> str:
        """Sign a body: RS256 over header and raw bytes, the payload itself left out (`b64: false`)."""
        header = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": self.kid, "typ": "JWT"}
        head = _text(json.dumps(header, separators=(",", ":")).encode())
        signature = self.key.sign(head.encode() + b"." + body, padding.PKCS1v15(), hashes.SHA256())
        return f"{head}..{_text(signature)}"

    def staff_token(
        self,
        *,
        issuer: str,
        app_id: str,
        user_id: str,
        email: str,
        now: datetime,
        app_permissions: tuple[str, ...],
        user_permissions: tuple[str, ...] = STAFF_PERMISSIONS,
        minutes: int = 5,
    ) -> str:
        """Return the token that the Dashboard hands to an app's page."""
        claims = {
            "iat": int(now.timestamp()),
            "owner": "saleor",
            "iss": issuer,
            "exp": int((now + timedelta(minutes=minutes)).timestamp()),
            "token": secrets.token_hex(6),
            "email": email,
            "type": "thirdparty",
            "user_id": user_id,
            "is_staff": True,
            "app": app_id,
            "permissions": list(app_permissions),
            "user_permissions": list(user_permissions),
        }
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
