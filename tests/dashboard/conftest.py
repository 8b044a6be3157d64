"""A registered shop, its key, and the tokens its Dashboard hands out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from plugin.secret import Secret
from plugin.shops import store
from plugin.shops.store import Shop
from tests.dashboard.dashboard_tokens import API_URL, APP_ID, Dashboard, jwks, new_key


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture(scope="session")
def strangers_key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture
def register(installation, key):
    """Register a shop as its installation would."""

    def register(api_url: str = API_URL, *, app_id: str = APP_ID, keys: dict | None = None) -> Shop:
        with installation.db.begin() as connection:
            return store.register(
                connection,
                api_url=api_url,
                domain=api_url.split("/")[2],
                app_id=app_id,
                token=installation.vault.lock(Secret("app token")),
                saleor_version="3.23.28",
                jwks=keys or jwks(key),
                main_currency="EUR",
                now=installation.clock(),
            )

    return register


@pytest.fixture
def shop(register) -> Shop:
    return register()


@pytest.fixture
def dashboard(client, key, shop, clock) -> Dashboard:
    return Dashboard(client=client, key=key, now=clock(), api_url=shop.api_url)


@dataclass
class KeyServer:
    """A shop on loopback that has changed its key to "two"."""

    api_url: str
    asked: int = 0


@pytest.fixture
def shop_with_new_key(register, key) -> Iterator[KeyServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked += self.path == "/.well-known/jwks.json"
            body = json.dumps(jwks(key, kid="two")).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop = KeyServer(api_url=f"http://127.0.0.1:{server.server_port}/graphql/")
        register(shop.api_url)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield shop
        server.shutdown()
        thread.join()
