"""Saleor's deliveries come in here: verified, kept, answered. Nothing is decided while the shop waits."""

import json
import re
import traceback
from dataclasses import dataclass
from functools import partial

import structlog
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from werkzeug.exceptions import RequestEntityTooLarge

from plugin.errors import Invalid, Refused, Transient
from plugin.inbox import store as inbox
from plugin.installation import Installation
from plugin.shops import store as shops
from plugin.shops.address import canonical
from plugin.shops.jwks import KeySource
from plugin.shops.store import Shop
from webhooks.envelope import Envelope, envelope
from webhooks.registry import EVENTS, Event
from webhooks.signature import BadSignature, UnknownKey, check

LARGEST_BODY = 1024 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger(__name__)


class No(Refused):
    """A delivery is not taken in; Saleor sends it again only for a status of 500 or more."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; nothing in it is believed yet. `api_url` is canonical."""

    event: Event
    api_url: str
    signature: str
    traceparent: str | None
    body: bytes


def blueprint(installation: Installation, *, keys: KeySource) -> Blueprint:
    """Open one route for each event of the registry."""
    door = Blueprint("webhooks", __name__)
    for event in EVENTS:
        door.add_url_rule(
            event.route,
            endpoint=event.key,
            view_func=partial(_answer, installation, keys=keys, event=event),
            methods=METHODS,
            strict_slashes=False,
            provide_automatic_options=False,
        )
    return door


def _answer(installation: Installation, *, keys: KeySource, event: Event) -> ResponseReturnValue:
    try:
        _take_in(installation, _received(event), keys=keys)
    except No as no:
        log.info("delivery refused", event_name=event.key, kind=no.kind)
        return _error(no.status, no.kind, str(no))
    except Transient as error:
        log.warning("delivery put off", event_name=event.key, why=str(error))
        return _error(503, "TRY_AGAIN_LATER", "This delivery cannot be kept now; please send it again.")
    except Exception as error:  # noqa: BLE001 - whatever it is, Saleor shall send the delivery again
        log.error("delivery failed", event_name=event.key, error=type(error).__name__, where=_where(error))  # noqa: TRY400 - the exception's text may hold the body
        return _error(500, "OTHER", "Something went wrong here.")
    return jsonify({"accepted": True}), 202


def _received(event: Event) -> Received:
    """Check the request's form in the order of Saleor's own SDK."""
    if request.method != "POST":
        raise No(405, "WRONG_METHOD", "Deliveries come by POST.")
    body = _body()
    api_url = _header("Saleor-Api-Url", missing="MISSING_API_URL_HEADER")
    if _header("Saleor-Event", missing="MISSING_EVENT_HEADER").lower() != event.key:
        raise No(400, "WRONG_EVENT", f"Only {event.key} is delivered here.")
    signature = _header("Saleor-Signature", missing="MISSING_SIGNATURE_HEADER")
    if not body:
        raise No(400, "MISSING_REQUEST_BODY", "The request has no body.")
    traceparent = request.headers.get("traceparent", "")
    return Received(
        event=event,
        api_url=_canonical(api_url),
        signature=signature,
        traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
        body=body,
    )


def _body() -> bytes:
    """Read one byte more than is allowed, if it is there: a chunked body does not say how long it is."""
    request.max_content_length = LARGEST_BODY + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > LARGEST_BODY:
        raise No(413, "BODY_TOO_LARGE", f"A delivery has at most {LARGEST_BODY} bytes.")
    return body


def _header(name: str, *, missing: str) -> str:
    value = request.headers.get(name, "").strip()
    if not value:
        raise No(400, missing, f"The header {name} is missing.")
    return value


def _canonical(api_url: str) -> str:
    try:
        return canonical(api_url)
    except Invalid as error:
        raise No(401, "NOT_REGISTERED", "This shop is not registered here.") from error


def _take_in(installation: Installation, received: Received, *, keys: KeySource) -> None:
    """Keep a delivery; when its key is unknown, ask the shop for its keys once, with no transaction open."""
    try:
        _verify_and_keep(installation, received)
    except UnknownKey:
        fresh = keys.fetch(received.api_url)
        with installation.db.begin() as connection:
            shop = _registered(connection, received.api_url)
            shops.save_jwks(connection, shop.id, jwks=fresh)
        try:
            _verify_and_keep(installation, received)
        except UnknownKey as error:
            raise No(401, "SIGNATURE_VERIFICATION_FAILED", str(error)) from error


def _verify_and_keep(installation: Installation, received: Received) -> None:
    """Read the shop, verify, add the row, in one transaction; one that was kept before is as good as kept."""
    with installation.db.begin() as connection:
        shop = _registered(connection, received.api_url)
        try:
            check(body=received.body, signature=received.signature, jwks=shop.jwks or {})
        except BadSignature as error:
            raise No(401, "SIGNATURE_VERIFICATION_FAILED", str(error)) from error
        told = _addressed(received, shop=shop)
        if told.by_app == shop.app_id:
            return  # the echo of what we wrote ourselves
        inbox.keep(
            connection,
            shop_id=shop.id,
            event=received.event.key,
            body=received.body,
            issued_at=told.issued_at,
            traceparent=received.traceparent,
            now=installation.clock(),
        )


def _registered(connection: Connection, api_url: str) -> Shop:
    shop = shops.by_api_url(connection, api_url)
    if shop is None or shop.state == "uninstalled":
        raise No(401, "NOT_REGISTERED", "This shop is not registered here.")
    return shop


def _addressed(received: Received, *, shop: Shop) -> Envelope:
    """Open a verified delivery: what it is and for whom is in the body, which alone is signed."""
    try:
        told = envelope(json.loads(received.body))
    except (Invalid, ValueError, RecursionError) as error:
        raise No(400, "CANT_BE_PARSED", "The body cannot be understood.") from error
    if told.recipient != shop.app_id:
        raise No(403, "WRONG_RECIPIENT", "This delivery is not for this app.")
    if told.typename != received.event.typename:
        raise No(403, "WRONG_TYPENAME", f"This delivery is not of the type {received.event.typename}.")
    return told


def _error(status: int, kind: str, message: str) -> ResponseReturnValue:
    headers = {"Allow": "POST"} if status == 405 else {}  # noqa: PLR2004 - the method's status
    return jsonify({"error": {"type": kind, "message": message}}), status, headers


def _where(error: Exception) -> str:
    """Name the places an exception came through, without its text."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
