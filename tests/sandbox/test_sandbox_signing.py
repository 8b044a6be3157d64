"""The shop's signatures are what a real shop's are, and check out with other people's libraries."""

import base64
import json

import jwt
import pytest
from jwt import PyJWK

from sandbox.signing import Signer, new_key
from tests.sandbox.sandbox_app import captured, captured_json, fetch

BODY = '{"order": {"id": "Ij€"}}'.encode()


@pytest.fixture(scope="module")
def signer():
    return Signer(new_key())


def part(text: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_pyjwt_verifies_a_detached_signature_with_the_published_key(signer):
    key = PyJWK(signer.jwks()["keys"][0])

    found = jwt.api_jws.decode_complete(
        signer.detached(BODY), key.key, algorithms=["RS256"], detached_payload=BODY
    )

    assert found["payload"] == BODY


def test_one_changed_byte_fails(signer):
    key = PyJWK(signer.jwks()["keys"][0])

    with pytest.raises(jwt.InvalidSignatureError):
        jwt.api_jws.decode_complete(
            signer.detached(BODY), key.key, algorithms=["RS256"], detached_payload=BODY + b" "
        )


def test_the_header_has_exactly_what_a_real_shop_sends(signer):
    real = part(dict(captured("deliveries.jsonl")[0]["headers"])["Saleor-Signature"].split(".")[0])

    ours = part(signer.detached(BODY).split(".")[0])

    assert ours | {"kid": real["kid"]} == real


def test_the_key_is_published_as_a_real_shop_publishes_it_under_its_thumbprint(signer):
    real = captured_json("jwks.json")["keys"][0]
    n, e = real["n"], real["e"]
    shaped = signer.jwks()["keys"][0]

    assert set(shaped) == set(real)
    assert Signer.thumbprint(n=n, e=e) == real["kid"]


def test_the_dashboards_token_has_the_claims_of_a_real_one(shop):
    token = shop.staff_token()
    key = PyJWK(json.loads(fetch(f"{shop.url}/.well-known/jwks.json")[2])["keys"][0])

    claims = jwt.decode(
        token, key.key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )

    assert set(claims) == {
        "iat", "owner", "iss", "exp", "token", "email", "type", "user_id", "is_staff", "app", "permissions",
        "user_permissions",
    }  # fmt: skip
    assert (claims["iss"], claims["app"], claims["type"]) == (shop.api_url, shop.app.gid, "thirdparty")
