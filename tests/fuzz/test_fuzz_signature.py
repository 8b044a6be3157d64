"""Whatever stands in a signature, a key set or a body: it fits, by an independent reckoning, or it is refused."""

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import strategies as st

from tests.fuzz.for_a_while import for_a_while, fuzz
from tests.fuzz.strategies import JSON, edited, spoiled
from webhooks.signature import BadSignature, UnknownKey, check

BODY = b'{"__typename": "OrderPaid", "recipient": {"id": "QXBwOjE="}}'
HEADER = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": "our-shop", "typ": "JWT"}


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def really_fits(shop_key, *, body: bytes, signature: str) -> bool:
    """Check by hand what RFC 7797 says, with the one key that there is."""
    header, _, mac = signature.partition("..")
    try:
        padded = mac + "=" * (-len(mac) % 4)
        signed = header.encode() + b"." + body
        shop_key.private.public_key().verify(base64.urlsafe_b64decode(padded), signed, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


@for_a_while
def test_only_the_shops_own_signature_of_these_bytes_fits(shop_key, other_key, seconds, record_property):
    real, others = shop_key.sign(BODY), other_key.sign(BODY)

    def any_signature(signature, jwks, body):
        try:
            check(body=body, signature=signature, jwks=jwks)
        except (BadSignature, UnknownKey):
            return
        assert really_fits(shop_key, body=body, signature=signature)

    headers = spoiled(HEADER).map(lambda header: f"{segment(header)}..{real.rpartition('.')[2]}")
    signatures = edited(real) | st.just(real) | st.just(others) | headers | st.text()
    keys = spoiled(shop_key.jwks) | st.just(shop_key.jwks) | st.just({"keys": [*shop_key.jwks["keys"], 1]})
    tried = fuzz(
        any_signature,
        seconds=seconds,
        signature=signatures,
        jwks=(keys | JSON).filter(lambda it: isinstance(it, dict)),
        body=st.just(BODY) | st.binary() | edited(BODY.decode()).map(str.encode),
    )
    record_property("examples tried", tried)
