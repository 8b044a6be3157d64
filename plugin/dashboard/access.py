"""Says which member of which shop's staff is asking: the Dashboard sends a token that the shop has signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jwt
from jwt.exceptions import PyJWTError
from werkzeug.datastructures import Headers

from plugin.errors import Invalid, Refused
from plugin.installation import Installation
from plugin.shops import store
from plugin.shops.address import canonical
from plugin.shops.jwks import KeySource
from plugin.shops.store import Shop

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHM = "RS256"
LONGEST_TOKEN = 16 * 1024
# The time is judged by the clock we are handed, and the audience is the claim `app`.
TIMELESS: "Options" = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
MANAGE_APPS, MANAGE_ORDERS, MANAGE_USERS = "MANAGE_APPS", "MANAGE_ORDERS", "MANAGE_USERS"


class Expired(Refused):
    """The token was good and has ended: the Dashboard has, or will soon have, a fresh one."""


class NotPermitted(Refused):
    """This is staff of the shop, but without the permission for what was asked."""


class _UnknownKey(Refused):
    """The token was made with a key that we have not seen: the shop may have a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Somebody who is signed in to the Dashboard of a shop where we are installed."""

    shop: Shop
    user_id: str
    email: str
    permissions: frozenset[str]


def staff(
    installation: Installation,
    headers: Headers,
    *,
    keys: KeySource,
    any_of: frozenset[str],
    sparing: bool = False,
) -> Staff:
    """Return who asks; raise Expired, NotPermitted, or Refused for everybody else.

    The shop is looked up before any key is fetched, so a stranger cannot make us call an address of his own; `sparing`
    is how a shop is asked for its keys for somebody who failed too often.
    Raises Transient when the database, or a key not seen yet, cannot be reached.
    """
    token = headers.get("authorization-bearer", "")
    if not token or len(token) > LONGEST_TOKEN:
        raise Refused("The request does not come from the Dashboard.")
    shop = _shop(installation, headers.get("saleor-api-url", ""))
    try:
        found = verify(token, shop=shop, now=installation.clock())
    except _UnknownKey:
        shop = _with_fresh_keys(installation, shop, jwks=keys.fetch(shop.api_url, sparing=sparing))
        found = verify(token, shop=shop, now=installation.clock())
    if not found.permissions & any_of:
        raise NotPermitted("This needs one of the permissions " + ", ".join(sorted(any_of)) + ".")
    return found


def verify(token: str, *, shop: Shop, now: datetime) -> Staff:
    """Check a token against the shop it claims to come from; pure.

    Access tokens of staff and customers are signed with the same key, hence `type` and `app`.
    """
    claims = _claims(token, jwks=shop.jwks or {})
    meant_for_us = (
        claims.get("type") == "thirdparty"
        and claims.get("app") == shop.app_id
        and _without_scheme(claims.get("iss")) == _without_scheme(shop.api_url)
    )
    user_id, email, permissions = (claims.get(name) for name in ("user_id", "email", "user_permissions"))
    if not meant_for_us or not isinstance(user_id, str) or not isinstance(permissions, list):
        raise Refused("The token is not one of the Dashboard for this app.")
    if not isinstance(claims.get("exp"), int) or claims["exp"] <= now.timestamp():
        raise Expired("The token has ended.")
    return Staff(
        shop=shop,
        user_id=user_id,
        email=email if isinstance(email, str) else "",
        permissions=frozenset(name for name in permissions if isinstance(name, str)),
    )


def _shop(installation: Installation, api_url: str) -> Shop:
    try:
        address = canonical(api_url)
    except Invalid as error:
        raise Refused("The request names no shop.") from error
    with installation.db.begin() as connection:
        shop = store.by_api_url(connection, address)
    if shop is None or shop.state == "uninstalled":
        raise Refused("The shop is not registered here.")
    return shop


def _with_fresh_keys(installation: Installation, shop: Shop, *, jwks: Mapping[str, Any]) -> Shop:
    with installation.db.begin() as connection:
        store.save_jwks(connection, shop.id, jwks=jwks)
        return store.by_id(connection, shop.id)


def _claims(token: str, *, jwks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the token says, if a key of the shop signed it."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = jwt.PyJWK(_named(key_id, jwks), algorithm=ALGORITHM)
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options=TIMELESS)
    except (PyJWTError, ValueError, TypeError) as error:
        raise Refused("The token was not signed by the shop.") from error
    return claims


def _named(key_id: object, jwks: Mapping[str, Any]) -> dict[str, Any]:
    for key in jwks.get("keys", ()):
        if key_id and key.get("kid") == key_id and key.get("kty") == "RSA":
            return dict(key)
    raise _UnknownKey("The token names a key that is not among the shop's.")


def _without_scheme(address: object) -> str:
    """Reduce an API address to what follows http:// or https://: behind a proxy Saleor may not know which it is."""
    try:
        return canonical(str(address)).partition("://")[2]
    except Invalid:
        return ""
