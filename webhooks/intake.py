"""Saleor's deliveries come in here: verified, kept, answered. Nothing is decided while the shop waits.

It stands in front of Flask: what Flask does around a view takes longer than all that is done here (bench/README.md).
"""

import json
import re
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wsgi import get_input_stream

from plugin.errors import Invalid, Refused, Transient
from plugin.guard import Failures, caller
from plugin.inbox.keeper import Keeper
from plugin.inbox.store import Arrival
from plugin.installation import Installation
from plugin.shops import store as shops
from plugin.shops.address import canonical
from plugin.shops.jwks import KeySource
from plugin.shops.known import KnownShops
from plugin.shops.store import Shop
from webhooks.envelope import Envelope, envelope
from webhooks.registry import EVENTS, Event
from webhooks.signature import BadSignature, UnknownKey, check

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST_BODY = 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BY_PATH: Mapping[str, Event] = MappingProxyType(
    {event.route + slash: event for event in EVENTS for slash in ("", "/")}
)
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger(__name__)


class No(Refused):
    """A delivery is not taken in; Saleor sends it again only for a status of 500 or more."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Outdated(No):
    """The same, unless the shop was installed anew since we last looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the intake of one process works with."""

    installation: Installation
    shops: KnownShops
    keys: KeySource
    keeper: Keeper
    failures: Failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; nothing in it is believed yet. `api_url` is canonical, `caller` an IP address."""

    event: Event
    caller: str
    api_url: str
    signature: str
    traceparent: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop is told; `kind` is None when it is that the delivery is kept."""

    status: int
    kind: str | None = None
    message: str = ""


class Door:
    """The WSGI application of the registry's routes and no others."""

    def __init__(
        self, installation: Installation, *, keys: KeySource, failures: Failures | None = None
    ) -> None:
        db = installation.db
        self._desk = Desk(
            installation=installation,
            shops=KnownShops(db),
            keys=keys,
            keeper=Keeper(db),
            failures=failures or Failures(),
        )

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one delivery."""
        answer = _answer(self._desk, BY_PATH[environ["PATH_INFO"]], environ)
        return _send(answer, start_response, bare=environ["REQUEST_METHOD"] == "HEAD")


def blueprint(door: Door) -> Blueprint:
    """Tell Flask of the routes, too: whoever asks it for all of them is told of these."""
    routes = Blueprint("webhooks", __name__)
    for event in EVENTS:
        routes.add_url_rule(
            event.route,
            endpoint=event.key,
            view_func=lambda: door,
            methods=METHODS,
            strict_slashes=False,
            provide_automatic_options=False,
        )
    return routes


def in_front(app: "WSGIApplication", door: Door) -> "WSGIApplication":
    """Return the application with its deliveries answered before it sees them."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        taken = door if environ["PATH_INFO"] in BY_PATH else app
        return taken(environ, start_response)

    return answer


def _answer(desk: Desk, event: Event, environ: "WSGIEnvironment") -> Answer:
    try:
        _take_in(desk, _received(event, environ))
    except No as no:
        if not desk.failures.count(environ.get("REMOTE_ADDR")):
            address = caller(environ.get("REMOTE_ADDR"))
            log.info("delivery refused", webhook=event.key, address=address, kind=no.kind)
        return Answer(no.status, no.kind, str(no))
    except Transient as error:
        if not desk.failures.count(environ.get("REMOTE_ADDR")):
            address = caller(environ.get("REMOTE_ADDR"))
            log.warning("delivery put off", webhook=event.key, address=address, why=str(error))
        return Answer(503, "TRY_AGAIN_LATER", "This delivery cannot be kept now; please send it again.")
    except Exception as error:  # noqa: BLE001 - whatever it is, Saleor shall send the delivery again
        log.error("delivery failed", webhook=event.key, error=type(error).__name__, where=_where(error))  # noqa: TRY400 - the exception's text may hold the body
        return Answer(500, "OTHER", "Something went wrong here.")
    return Answer(202)


def _send(answer: Answer, start_response: "StartResponse", *, bare: bool) -> Iterable[bytes]:
    told: object = {"accepted": True}
    if answer.kind is not None:
        told = {"error": {"type": answer.kind, "message": answer.message}}
    body = json.dumps(told).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if answer.status == 405:  # noqa: PLR2004 - the method's status
        headers.append(("Allow", "POST"))
    start_response(f"{answer.status} {HTTP_STATUS_CODES[answer.status]}", headers)
    return [] if bare else [body]


def _received(event: Event, environ: "WSGIEnvironment") -> Received:
    """Check the request's form in the order of Saleor's own SDK."""
    if environ["REQUEST_METHOD"] != "POST":
        raise No(405, "WRONG_METHOD", "Deliveries come by POST.")
    body = _body(environ)
    api_url = _header(environ, "Saleor-Api-Url", missing="MISSING_API_URL_HEADER")
    if _header(environ, "Saleor-Event", missing="MISSING_EVENT_HEADER").lower() != event.key:
        raise No(400, "WRONG_EVENT", f"Only {event.key} is delivered here.")
    signature = _header(environ, "Saleor-Signature", missing="MISSING_SIGNATURE_HEADER")
    if not body:
        raise No(400, "MISSING_REQUEST_BODY", "The request has no body.")
    traceparent = environ.get("HTTP_TRACEPARENT", "")
    return Received(
        event=event,
        caller=environ.get("REMOTE_ADDR", ""),
        api_url=_canonical(api_url),
        signature=signature,
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
        body=body,
    )


def _body(environ: "WSGIEnvironment") -> bytes:
    """Read one byte more than is allowed, if it is there: a chunked body does not say how long it is."""
    try:
        body: bytes | None = get_input_stream(environ, max_content_length=LARGEST_BODY + 1).read()
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > LARGEST_BODY:
        raise No(413, "BODY_TOO_LARGE", f"A delivery has at most {LARGEST_BODY} bytes.")
    return body


def _header(environ: "WSGIEnvironment", name: str, *, missing: str) -> str:
    value: str = environ.get(f"HTTP_{name.upper().replace('-', '_')}", "").strip()
    if not value:
        raise No(400, missing, f"The header {name} is missing.")
    return value


def _canonical(api_url: str) -> str:
    try:
        return canonical(api_url)
    except Invalid as error:
        raise No(401, "NOT_REGISTERED", "This shop is not registered here.") from error


def _take_in(desk: Desk, received: Received) -> None:
    """Keep a delivery; what we remember of its shop may be out of date, and so may what stands in our tables.

    1. By the shop as it was some seconds ago.
    2. By the shop as it is now.
    3. By the shop's own word: when its key is unknown, ask for its keys, with no transaction open.
    """
    url = received.api_url
    with suppress(UnknownKey, Outdated):
        return _verify_and_keep(desk, received, shop=_remembered(desk, received))
    with suppress(UnknownKey):
        return _verify_and_keep(desk, received, shop=_registered(desk.shops.look_up(url)))
    fresh = desk.keys.fetch(url, sparing=desk.failures.over(received.caller))
    shop = _registered(desk.shops.look_up(url))
    with desk.installation.db.begin() as connection:
        shops.save_jwks(connection, shop.id, jwks=fresh)
    try:
        return _verify_and_keep(desk, received, shop=_registered(desk.shops.look_up(url)))
    except UnknownKey as error:
        raise No(401, "SIGNATURE_VERIFICATION_FAILED", str(error)) from error


def _remembered(desk: Desk, received: Received) -> Shop:
    """Find the shop; a caller who failed too often has no look-up of its own for an address that nobody has.

    It is put off, not refused: a shop may have registered since the addresses were listed.
    """
    shop = desk.shops.remembered(received.api_url)
    if shop is None and desk.failures.over(received.caller) and not desk.shops.listed(received.api_url):
        raise No(503, "TRY_AGAIN_LATER", "This shop is not registered here, or was just now.")
    return shop or _registered(desk.shops.look_up(received.api_url))


def _registered(shop: Shop | None) -> Shop:
    if shop is None:
        raise No(401, "NOT_REGISTERED", "This shop is not registered here.")
    return shop


def _verify_and_keep(desk: Desk, received: Received, *, shop: Shop) -> None:
    """Return once the delivery is durable; one that was kept before is as good as kept."""
    try:
        check(body=received.body, signature=received.signature, jwks=shop.jwks or {})
    except BadSignature as error:
        raise No(401, "SIGNATURE_VERIFICATION_FAILED", str(error)) from error
    told = _addressed(received, shop=shop)
    if told.by_app == shop.app_id:
        return  # the echo of what we wrote ourselves
    arrival = Arrival(
        shop_id=shop.id,
        app_id=shop.app_id,
        event=received.event.key,
        body=received.body,
        issued_at=told.issued_at,
        traceparent=received.traceparent,
        received_at=desk.installation.clock(),
    )
    if not desk.keeper.keep(arrival):
        raise Outdated(401, "NOT_REGISTERED", "This shop is not registered here.")


def _addressed(received: Received, *, shop: Shop) -> Envelope:
    """Open a verified delivery: what it is and for whom is in the body, which alone is signed."""
    try:
        told = envelope(json.loads(received.body))
    except (Invalid, ValueError, RecursionError) as error:
        raise No(400, "CANT_BE_PARSED", "The body cannot be understood.") from error
    if told.recipient != shop.app_id:
        raise Outdated(403, "WRONG_RECIPIENT", "This delivery is not for this app.")
    if told.typename != received.event.typename:
        raise No(403, "WRONG_TYPENAME", f"This delivery is not of the type {received.event.typename}.")
    return told


def _where(error: Exception) -> str:
    """Name the places an exception came through, without its text."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
