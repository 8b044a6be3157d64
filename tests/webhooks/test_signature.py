"""Only what the shop signed, byte for byte, by the one algorithm, is believed."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from webhooks.signature import BadSignature, UnknownKey, check

BODY = b'{"__typename": "OrderCreated"}'


def test_every_delivery_of_a_running_saleor_passes(deliveries, captured_jwks):
    for delivery in deliveries:
        check(body=delivery.body, signature=delivery.signature, jwks=captured_jwks)
    assert len(deliveries) == 149


def test_one_changed_byte_of_a_real_delivery_is_refused(deliveries, captured_jwks):
    for delivery in deliveries:
        middle = len(delivery.body) // 2
        changed = delivery.body[:middle] + bytes([delivery.body[middle] ^ 1]) + delivery.body[middle + 1 :]
        assert refused(changed, delivery.signature, captured_jwks)


def test_a_real_signature_of_another_body_is_refused(deliveries, captured_jwks):
    assert refused(deliveries[0].body, deliveries[1].signature, captured_jwks)


def test_a_real_delivery_is_not_signed_by_another_shop(deliveries, other_key):
    with pytest.raises(UnknownKey):
        check(body=deliveries[0].body, signature=deliveries[0].signature, jwks=other_key.jwks)


def test_another_shops_key_under_the_same_name_is_refused(deliveries, captured_jwks, other_key):
    renamed = {**other_key.jwk, "kid": captured_jwks["keys"][0]["kid"]}
    assert refused(deliveries[0].body, deliveries[0].signature, {"keys": [renamed]})


def test_hs256_with_the_real_public_key_as_its_secret_is_refused(deliveries, captured_jwks):
    key = captured_jwks["keys"][0]
    public = RSAAlgorithm.from_jwk(key)
    forms = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(key).encode(),
        key["n"].encode(),
    ]
    for secret in forms:
        head = segment({"alg": "HS256", "b64": False, "crit": ["b64"], "kid": key["kid"]})
        mac = hmac.new(secret, head + b"." + deliveries[0].body, hashlib.sha256).digest()
        assert refused(deliveries[0].body, detached(head, mac), captured_jwks)


def test_the_shops_own_signature_passes(shop_key):
    check(body=BODY, signature=shop_key.sign(BODY), jwks=shop_key.jwks)


def test_the_right_one_of_several_keys_is_taken(shop_key, other_key):
    jwks = {"keys": [other_key.jwk, "nonsense", {"kty": "EC"}, shop_key.jwk]}
    check(body=BODY, signature=shop_key.sign(BODY), jwks=jwks)


def test_an_empty_body_can_be_signed_and_not_swapped(shop_key):
    check(body=b"", signature=shop_key.sign(b""), jwks=shop_key.jwks)
    assert refused(BODY, shop_key.sign(b""), shop_key.jwks)


@pytest.mark.parametrize("jwks", [{}, {"keys": None}, {"keys": []}, {"keys": "x"}, {"keys": [{"kid": None}]}])
def test_without_that_key_in_the_jwks_the_key_is_unknown(shop_key, jwks):
    with pytest.raises(UnknownKey):
        check(body=BODY, signature=shop_key.sign(BODY), jwks=jwks)


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "RS512"},
        {"alg": "RS384"},
        {"alg": "PS256"},
        {"alg": "HS256"},
        {"alg": "rs256"},
        {"alg": ["RS256"]},
        {"alg": None},
        {"crit": None},
        {"crit": []},
        {"crit": "b64"},
        {"crit": ["b64", "exp"], "exp": 1},
        {"crit": ["b64", "b64"]},
        {"crit": ["exp"], "exp": 1},
        {"b64": True},
        {"b64": 0},
        {"b64": None},
        {"b64": "false"},
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"kid": ["our-shop"]},
    ],
    ids=str,
)
def test_a_header_in_any_other_form_is_refused_though_the_signature_fits(shop_key, changes):
    assert refused(BODY, hand_signed(shop_key, **changes), shop_key.jwks)


@pytest.mark.parametrize("missing", ["alg", "b64", "crit", "kid"])
def test_a_header_without_one_of_its_members_is_refused(shop_key, missing):
    assert refused(BODY, hand_signed(shop_key, without=missing), shop_key.jwks)


def test_the_hand_made_form_of_these_tests_passes_when_nothing_is_changed(shop_key):
    check(body=BODY, signature=hand_signed(shop_key), jwks=shop_key.jwks)


def test_a_payload_inside_the_signature_is_refused(shop_key):
    head, _, mac = shop_key.sign(BODY).split(".")
    inside = base64.urlsafe_b64encode(BODY).rstrip(b"=").decode()
    assert refused(BODY, f"{head}.{inside}.{mac}", shop_key.jwks)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        ".",
        "..",
        "a..b",
        "....",
        "\x00",
        "é..é",
        "eyJ!..AA",
        "bm90IGpzb24..AA",
        "W10..AA",
        "x" * 5000,
        "/w..AA",
    ],
)
def test_nonsense_is_refused(shop_key, nonsense):
    assert refused(BODY, nonsense, shop_key.jwks)


@pytest.mark.parametrize("spoil", ["{0}.", ".{0}", "{0}!", "{0}=====", "{0}\n", " {0}"])
def test_a_signature_with_something_around_it_is_refused(shop_key, spoil):
    assert refused(BODY, spoil.format(shop_key.sign(BODY)), shop_key.jwks)


def test_an_empty_signature_is_refused(shop_key):
    assert refused(BODY, shop_key.sign(BODY).rsplit(".", 1)[0] + ".", shop_key.jwks)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": None},
        {"use": "enc"},
        {"alg": "RS512"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"n": None},
        {"n": ""},
        {"n": "!!"},
        {"n": "A" * 5000},
        {"e": "AQ"},
        {"e": 65537},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_key_that_is_not_for_rsa_signatures_is_refused_and_not_unknown(shop_key, changes):
    jwks = {"keys": [{**shop_key.jwk, **changes}]}
    assert refused(BODY, shop_key.sign(BODY), jwks)


@pytest.mark.parametrize("size", [1024, 2040])
def test_a_key_that_is_too_small_is_refused(shop_key, size):
    private = rsa.generate_private_key(public_exponent=65537, key_size=size)
    small = type(shop_key)(private, "small")
    assert refused(BODY, hand_signed(small), small.jwks)


def test_an_elliptic_key_under_that_name_is_refused(shop_key):
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    jwk = {**ECAlgorithm.to_jwk(public, as_dict=True), "kid": shop_key.kid}
    assert refused(BODY, shop_key.sign(BODY), {"keys": [jwk]})


def test_the_private_half_of_a_carelessly_published_key_is_not_used(shop_key):
    published = {
        **RSAAlgorithm.to_jwk(shop_key.private, as_dict=True),
        "kid": shop_key.kid,
        "key_ops": ["verify"],
    }
    check(body=BODY, signature=shop_key.sign(BODY), jwks={"keys": [published]})


def refused(body: bytes, signature: str, jwks: dict) -> bool:
    """Whether it is refused for good: an unknown key would be looked up again."""
    with pytest.raises(BadSignature):
        check(body=body, signature=signature, jwks=jwks)
    return True


def hand_signed(key, *, without: str = "", **changes: object) -> str:
    """Sign with RS256 whatever the header claims, so that only the header can be what is refused."""
    header = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": key.kid, "typ": "JWT", **changes}
    header.pop(without, None)
    head = segment(header)
    return detached(head, key.private.sign(head + b"." + BODY, padding.PKCS1v15(), hashes.SHA256()))


def segment(header: dict) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")


def detached(head: bytes, mac: bytes) -> str:
    return head.decode() + ".." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
