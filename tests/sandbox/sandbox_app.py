"""An app of a few lines for the shop to talk to, a clock that can be set, and words with the shop over HTTP."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.shop import Shop

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "saleor" / "captures"
ABOUT = "issuedAt version issuingPrincipal { __typename ... on App { id } ... on User { id email } } recipient { id }"
ORDER = (
    "id status isPaid updatedAt userEmail user { id email } totalCharged { amount } totalRefunded { amount }"
)
USER = 'id email isConfirmed isActive firstName updatedAt metafields(keys: ["a"])'
EVENTS = {
    "ORDER_CREATED": "order", "ORDER_CONFIRMED": "order", "ORDER_PAID": "order", "ORDER_FULLY_PAID": "order",
    "ORDER_UPDATED": "order", "ORDER_CANCELLED": "order", "ORDER_EXPIRED": "order", "ORDER_REFUNDED": "order",
    "ORDER_FULLY_REFUNDED": "order", "ORDER_FULFILLED": "order", "ORDER_METADATA_UPDATED": "order",
    "CUSTOMER_CREATED": "user", "CUSTOMER_UPDATED": "user", "CUSTOMER_METADATA_UPDATED": "user",
    "CUSTOMER_DELETED": "user", "ACCOUNT_CONFIRMED": "user", "ACCOUNT_DELETED": "user",
    "APP_DELETED": "app", "APP_STATUS_CHANGED": "app",
}  # fmt: skip


def subscription(event: str, fields: str | None = None) -> str:
    subject = EVENTS[event]
    own = fields or {"order": ORDER, "user": USER, "app": "id isActive"}[subject]
    name = "".join(part.capitalize() for part in event.split("_"))
    return f"subscription {{ event {{ __typename {ABOUT} ... on {name} {{ {subject} {{ {own} }} }} }} }}"


@dataclass
class FakeApp:
    """Records what it is sent; `answers` are statuses by path, used up one by one, then 202."""

    url: str = ""
    events: tuple[str, ...] = tuple(EVENTS)
    permissions: tuple[str, ...] = ("MANAGE_ORDERS", "MANAGE_USERS")
    manifest_changes: dict = field(default_factory=dict)
    registering: tuple[int, dict] = (200, {"success": True})
    answers: dict[str, list] = field(default_factory=dict)
    standing: dict | None = None
    heard: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    on_register: object = None

    @property
    def manifest_url(self) -> str:
        return f"{self.url}/manifest"

    def manifest(self) -> dict:
        hooks = [
            {"name": one, "targetUrl": f"{self.url}/{one}", "asyncEvents": [one], "query": subscription(one)}
            for one in self.events
        ]
        known = {
            "id": "herkend",
            "name": "Herkend",
            "version": "0.1.0",
            "permissions": list(self.permissions),
        }
        known |= {"tokenTargetUrl": f"{self.url}/register", "appUrl": f"{self.url}/", "webhooks": hooks}
        return known | self.manifest_changes

    def bodies(self, event: str) -> list[dict]:
        return [json.loads(body) for path, body, _ in self.heard if path == f"/{event}"]

    def names(self) -> list[str]:
        return [path[1:] for path, _, _ in self.heard if path != "/register"]


class _Handler(BaseHTTPRequestHandler):
    server: ThreadingHTTPServer

    def log_message(self, *_args):
        pass

    @property
    def app(self) -> FakeApp:
        return self.server.app  # type: ignore[attr-defined]

    def answer(self, status, told):
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.app.asked.append((self.path, dict(self.headers)))
        if self.path == "/manifest":
            self.answer(200, self.app.manifest())
        elif self.app.standing is not None:
            self.answer(200, self.app.standing)
        else:
            self.answer(403, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.app.heard.append((self.path, body, dict(self.headers)))
        if self.path == "/register":
            if self.app.on_register:
                self.app.on_register(json.loads(body), self.headers)
            self.answer(*self.app.registering)
            return
        queue = self.app.answers.get(self.path[1:], [])
        status = queue.pop(0) if queue else 202
        if status == "cut":
            self.close_connection = True
            self.connection.close()
        elif status == "slow":
            time.sleep(0.6)
            self.answer(202, {})
        else:
            self.answer(status, {})

    def finish(self):
        with suppress(OSError, ValueError):
            super().finish()


@contextmanager
def serving(app: FakeApp):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.app = app  # type: ignore[attr-defined]
    app.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


def fetch(url: str, body: bytes | None = None, *, method: str | None = None, headers=None):
    """Return status, headers and body of one request."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method or ("POST" if body is not None else "GET"), path, body, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def ask(shop: Shop, query: str, variables: dict | None = None, *, token: str | None = None):
    """Ask the shop's API as its app, or with another token; return status and answer."""
    bearer = token if token is not None else shop.app.token
    body = json.dumps({"query": query, "variables": variables}).encode()
    status, _, text = fetch(shop.api_url, body, headers={"Authorization": f"Bearer {bearer}"})
    return status, json.loads(text)


def captured_text(name: str) -> str:
    path = CAPTURES / name
    if not path.is_file():
        pytest.skip(f"the captures of a real Saleor are not beside this repository: {name}")
    return path.read_text(encoding="utf-8")


def captured_json(name: str) -> dict:
    return json.loads(captured_text(name))


def captured(name: str) -> list[dict]:
    return [json.loads(line) for line in captured_text(name).splitlines() if line.strip()]
