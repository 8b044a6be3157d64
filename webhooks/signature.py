"""Says whether a shop signed these very bytes: a detached JWS (RFC 7797), RS256 and nothing else.

Pure: no network, no clock. The caller decides where keys come from and what an unknown one means.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWS
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_decode

from plugin.errors import Refused

ALGORITHM = "RS256"
SMALLEST_KEY = 2048
LARGEST_KEY = 8192
LONGEST_KEY = 2048
LONGEST_SIGNATURE = 4096

FORM = re.compile(r"[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+")

# The two halves of PyJWT: its reading of headers, and its RS256. `PyJWS.decode` puts them together, reads the header
# twice more on its way, and takes four times as long as the cryptography itself (bench/README.md).
_JWS = PyJWS(algorithms=[ALGORITHM])
_RS256 = RSAAlgorithm(RSAAlgorithm.SHA256)


class BadSignature(Refused):
    """What was sent is no signature of these bytes by the key it names."""


class UnknownKey(Refused):
    """The signature names a key that is not in the JWKS: the shop may have a new one."""


def check(*, body: bytes, signature: str, jwks: Mapping[str, Any]) -> None:
    """Return when `signature` (the header's text) was made over `body` by a key of `jwks`.

    Raises UnknownKey when the JWKS has no key of that name, and BadSignature for everything else, such as a
    key that is there but unfit to sign (not RSA, not for signatures, too small).
    """
    if len(signature) > LONGEST_SIGNATURE:
        raise BadSignature("The signature is too long to be one.")
    if FORM.fullmatch(signature) is None:
        raise BadSignature("The signature is malformed.")
    header, _, mac = signature.partition("..")
    key = _public_key(_named(_key_id(header), jwks))
    try:
        fits = _RS256.verify(b"%b.%b" % (header.encode(), body), key, base64url_decode(mac))
    except ValueError as error:
        raise BadSignature("The signature is malformed.") from error
    if not fits:
        raise BadSignature("The signature does not fit the body.")


@lru_cache(maxsize=256)
def _key_id(encoded: str) -> str:
    """Return the `kid` of a header that has exactly the form Saleor sends; nothing in it is believed yet.

    A shop's header is the same in thousands of deliveries: it is read once.
    """
    try:
        header = _JWS.get_unverified_header(f"{encoded}..")
    except (PyJWTError, ValueError) as error:
        raise BadSignature("The signature is malformed.") from error
    form = (header.get("alg"), header.get("b64"), header.get("crit"))
    if form != (ALGORITHM, False, ["b64"]) or header["b64"] is not False:
        raise BadSignature("The signature is not a detached RS256 one.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise BadSignature("The signature does not name its key.")
    return key_id


def _named(key_id: str, jwks: Mapping[str, Any]) -> object:
    keys = jwks.get("keys")
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, Mapping) and key.get("kid") == key_id:
            return key
    raise UnknownKey("The signature was made with a key that is not among the shop's.")


def _public_key(key: object) -> RSAPublicKey:
    """Return the public half of an RSA key that is meant for RS256 signatures."""
    numbers = _numbers(key)
    if numbers is None:
        raise BadSignature("The key named is not an RSA key for signatures.")
    built = _build(*numbers)
    if not SMALLEST_KEY <= built.key_size <= LARGEST_KEY:
        raise BadSignature(f"The key named has {built.key_size} bits.")
    return built


def _numbers(key: object) -> tuple[str, str] | None:
    """Return modulus and exponent as the JWK writes them, if its other members leave it fit for us."""
    if not isinstance(key, Mapping) or key.get("kty") != "RSA":
        return None
    if key.get("use", "sig") != "sig" or key.get("alg", ALGORITHM) != ALGORITHM:
        return None
    operations = key.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    modulus, exponent = key.get("n"), key.get("e")
    if not isinstance(modulus, str) or not isinstance(exponent, str) or len(modulus + exponent) > LONGEST_KEY:
        return None
    return modulus, exponent


@lru_cache(maxsize=1024)
def _build(modulus: str, exponent: str) -> RSAPublicKey:
    """Build a key once: a shop signs thousands of deliveries with the same one."""
    try:
        built = RSAAlgorithm.from_jwk({"kty": "RSA", "n": modulus, "e": exponent})
    except (PyJWTError, ValueError, TypeError) as error:
        raise BadSignature("The key named is malformed.") from error
    if not isinstance(built, RSAPublicKey):  # pragma: no cover - without "d" it cannot be a private one
        raise BadSignature("The key named is not a public one.")
    return built
