"""A shop on loopback, for tests that need no more of it than its keys and a word about itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class ShopServer:
    """Answers GraphQL with `answers` (the first whose name stands in the query) and its keys with `jwks`.

    `jwks` is JSON-ready, or raw bytes to be sent as they are. `asked` lists what came, in order; `seen`
    what `meanwhile` returned each time.
    """

    def __init__(self, address: str) -> None:
        self.origin = address
        self.api_url = address + "/graphql/"
        self.jwks: object = {"keys": []}
        self.jwks_status = 200
        self.answers: dict[str, object] = {}
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.seen: list[object] = []

    @property
    def keys_fetched(self) -> int:
        return self.asked.count("/.well-known/jwks.json")


@contextmanager
def serving() -> Iterator[ShopServer]:
    """Open a shop on a free port, and close it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            shop.seen.append(shop.meanwhile())
            body = shop.jwks if isinstance(shop.jwks, bytes) else json.dumps(shop.jwks).encode()
            self._send(shop.jwks_status, body)

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
            shop.asked.append(query)
            shop.seen.append(shop.meanwhile())
            shop.tokens.append(self.headers.get("Authorization"))
            answer = next((answer for name, answer in shop.answers.items() if name in query), {"errors": []})
            self._send(200, json.dumps(answer).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop = ShopServer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
