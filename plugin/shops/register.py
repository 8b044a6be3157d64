"""A shop installs us: Saleor hands over a token, we prove that it works, and remember the shop."""

import re
from dataclasses import dataclass

import structlog
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Regexp
from werkzeug.exceptions import RequestEntityTooLarge

from plugin.errors import HerkendError, Invalid, Refused
from plugin.guard import Failures, Few, Registrations, caller
from plugin.installation import Installation
from plugin.saleor.calls import AppIdentity, ShopFacts, app_identity, shop_facts
from plugin.saleor.client import Saleor
from plugin.secret import Secret
from plugin.shops import store
from plugin.shops.address import canonical, domain
from plugin.shops.jwks import fetch
from plugin.shops.manifest import SCHEMA_HEADER, identifier

LARGEST_BODY = 64 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger(__name__)


class No(Refused):
    """The shop is not taken in; the merchant sees this text and nothing else. `wait` is in seconds."""

    def __init__(self, status: int, code: str, message: str, *, wait: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a shop asks with; `api_url` is canonical, `schema` the version in the header, not yet proved."""

    api_url: str
    token: Secret
    schema: str


def blueprint(installation: Installation, *, failures: Failures | None = None) -> Blueprint:
    """Open the route that the manifest names as tokenTargetUrl."""
    door = Blueprint("register", __name__)
    failures = failures or Failures()
    limits = Registrations()
    few = Few(max(2, installation.settings.web_threads // 4))

    def answer() -> ResponseReturnValue:
        try:
            asked = _asked(installation)
            with few.one() as there_is_room:
                _not_too_often(asked, limits=limits, there_is_room=there_is_room)
                _register(installation, asked)
        except No as no:
            if not failures.count(request.remote_addr):
                _say_refused(no)
            return _refusal(no)
        except Exception as error:  # noqa: BLE001 - Saleor takes any other answer for a success
            log.error("registration failed", error=type(error).__name__)  # noqa: TRY400 - its text may hold the token
            return _refusal(No(500, "OTHER", "Something went wrong here. Please install the app again."))
        log.info("shop registered", address=caller(request.remote_addr), api_url=asked.api_url)
        return jsonify({"success": True})

    door.add_url_rule(
        "/api/register",
        view_func=answer,
        methods=METHODS,
        strict_slashes=False,
        provide_automatic_options=False,
    )
    return door


class _Body(Schema):
    class Meta:
        unknown = EXCLUDE

    # A token goes into a header: visible ASCII, and an end.
    auth_token = fields.String(required=True, validate=Regexp(r"[!-~]{1,1024}\Z"))


_BODY = _Body()


def _asked(installation: Installation) -> Asked:
    """Check the request's form in the order of Saleor's own SDK."""
    if request.method != "POST":
        raise No(405, "WRONG_METHOD", "A shop registers by POST.")
    body = _body()
    api_url = request.headers.get("Saleor-Api-Url", "").strip()
    if not api_url:
        raise No(400, "MISSING_API_URL_HEADER", "The header Saleor-Api-Url is missing.")
    try:
        token = Secret(_BODY.loads(body)["auth_token"])
    except (ValidationError, ValueError, RecursionError) as error:
        raise No(400, "MISSING_AUTH_TOKEN", "The body has no usable auth_token.") from error
    return Asked(
        api_url=allowed(api_url, installation.settings.allowed_shops),
        token=token,
        schema=request.headers.get(SCHEMA_HEADER, "")[:20],
    )


def _body() -> bytes:
    """Read one byte more than is allowed, if it is there: a chunked body does not say how long it is."""
    request.max_content_length = LARGEST_BODY + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > LARGEST_BODY:
        raise No(400, "BODY_TOO_LARGE", f"A registration has at most {LARGEST_BODY} bytes.")
    return body


def allowed(api_url: str, pattern: re.Pattern[str] | None) -> str:
    """Return the canonical address if `pattern` (HERKEND_ALLOWED_SHOPS) matches the whole of it; raise No."""
    try:
        address = canonical(api_url)
    except Invalid as error:
        raise No(403, "SALEOR_URL_PROHIBITED", str(error)) from error
    if pattern is not None and not pattern.fullmatch(address):
        raise No(403, "SALEOR_URL_PROHIBITED", f"This installation of Herkend does not serve {address}.")
    return address


def _not_too_often(asked: Asked, *, limits: Registrations, there_is_room: bool) -> None:
    """Bound what strangers can have us ask, and whom: so far nobody has proved anything."""
    wait = limits.wait(caller=caller(request.remote_addr), api_url=asked.api_url)
    if not wait and there_is_room:
        return
    wait = wait or 5
    words = f"{wait} seconds" if wait < 100 else f"{-(-wait // 60)} minutes"  # noqa: PLR2004 - easier to read
    message = f"Too many shops are registering just now. Please install the app again in {words}."
    raise No(429, "TOO_MANY_REQUESTS", message, wait=wait)


def _register(installation: Installation, asked: Asked) -> None:
    """Take a shop in.

    1. Prove the token: the request itself is not signed, but only this shop knows a token that works there.
    2. Fetch the keys its deliveries are signed with.
    3. Ask what is good to know; without it the shop is taken in all the same.
    4. Save everything at once, with no request to the shop left to make.
    """
    saleor = Saleor(api_url=asked.api_url, token=asked.token, outbound=installation.outbound)
    app = _proved(saleor)
    try:
        jwks = fetch(installation.outbound, api_url=asked.api_url)
    except HerkendError as error:
        raise No(
            401, "JWKS_NOT_AVAILABLE", f"{error} Can {asked.api_url} be reached from outside?"
        ) from error
    facts = _facts(saleor, asked=asked)
    try:
        with installation.db.begin() as connection:
            store.encrypting(connection)
            store.register(
                connection,
                api_url=asked.api_url,
                domain=domain(asked.api_url),
                app_id=app.id,
                token=installation.vault.lock(asked.token),
                saleor_version=facts.version or asked.schema,
                jwks=jwks,
                main_currency=facts.main_currency,
                now=installation.clock(),
            )
    except HerkendError as error:
        raise No(500, "NOT_SAVED", "The shop could not be saved. Please install the app again.") from error


def _proved(saleor: Saleor) -> AppIdentity:
    try:
        app = app_identity(saleor)
    except HerkendError as error:
        raise No(401, "UNKNOWN_APP_ID", f"The shop did not say which app it installed: {error}") from error
    if app.identifier != identifier():
        raise No(401, "UNKNOWN_APP_ID", f"The token that came belongs to another app than {identifier()}.")
    return app


def _facts(saleor: Saleor, *, asked: Asked) -> ShopFacts:
    try:
        return shop_facts(saleor)
    except HerkendError as error:
        log.warning("shop facts unknown", api_url=asked.api_url, why=str(error))
        return ShopFacts(name="", version="", main_currency=None)


def _say_refused(no: No) -> None:
    """Log who asked in vain, and in whose name, as far as that is a shop's address at all."""
    try:
        api_url = canonical(request.headers.get("Saleor-Api-Url", "").strip())
    except Invalid:
        api_url = None
    address = caller(request.remote_addr)
    log.warning("registration refused", address=address, api_url=api_url, code=no.code, why=str(no))


def _refusal(no: No) -> ResponseReturnValue:
    headers = {"Allow": "POST"} if no.status == 405 else {}  # noqa: PLR2004 - the method's status
    if no.wait:
        headers["Retry-After"] = str(no.wait)
    return jsonify({"success": False, "error": {"code": no.code, "message": str(no)}}), no.status, headers
