"""The shop over HTTP: Saleor's API and keys, and what tests ask of the sandbox itself."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox import api, faults
from sandbox.faults import Fault
from sandbox.shop import Shop

Install = Callable[[flask.Flask, Shop], None]


class _Quiet(WSGIRequestHandler):
    """Answers without a line in the terminal for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def create_app(shop: Shop) -> flask.Flask:
    """Return the WSGI application of a shop."""
    app = flask.Flask("sandbox", static_folder=None)
    app.url_map.strict_slashes = False
    app.add_url_rule("/graphql/", view_func=lambda: _graphql(shop), methods=["POST"], endpoint="graphql")
    app.add_url_rule("/.well-known/jwks.json", view_func=lambda: _jwks(shop), endpoint="jwks")
    app.add_url_rule(
        "/_sandbox/faults", view_func=lambda: _add_fault(shop), methods=["POST"], endpoint="fault"
    )
    app.add_url_rule(
        "/_sandbox/faults", view_func=lambda: _clear_faults(shop), methods=["DELETE"], endpoint="behave"
    )
    return app


def _graphql(shop: Shop) -> flask.Response:
    token = _token()
    for fault in (shop.faults.take("slow"), shop.faults.take("status", "nonsense", "close")):
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        elif fault is not None:
            return _faulty(shop, fault, token)
    traceparent = flask.request.headers.get("traceparent")
    lost = shop.faults.take("drop", "half")
    cut = lost.kind if lost else None
    status, result = api.answer(
        shop, flask.request.get_data(), token=token, traceparent=traceparent, fault=cut
    )
    if cut == "drop":
        _cut()
    response = flask.Response(json.dumps(result), status=status, mimetype="application/json")
    return _half(response) if cut == "half" else response


def _half(response: flask.Response) -> flask.Response:
    """Promise the whole answer and send the first half of it."""
    whole = response.get_data()
    response.response = iter([whole[: len(whole) // 2]])
    response.headers["Content-Length"] = str(len(whole))
    return response


def _token() -> str | None:
    bare = flask.request.headers.get("Authorization-Bearer")
    kind, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    return bare or (token.strip() if kind.lower() in {"bearer", "jwt"} else None)


def _faulty(shop: Shop, fault: Fault, token: str | None) -> flask.Response:
    status = {"nonsense": 200, "close": 0}.get(fault.kind, fault.status)
    api.faulty(shop, status=status, fault=fault.kind, app=shop.app_of(token))
    if fault.kind == "close":
        _cut()
    response = flask.Response(fault.body, status=status or 200, mimetype="text/html")
    if fault.retry_after is not None:
        response.headers["Retry-After"] = f"{fault.retry_after:g}"
    return response


def _cut() -> None:
    """Cut the connection under the answer: the asker never learns what became of it."""
    channel: socket.socket = flask.request.environ["werkzeug.socket"]
    with suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _jwks(shop: Shop) -> flask.Response:
    fault = shop.faults.take("jwks")
    if fault is not None:
        return flask.Response(fault.body, status=fault.status)
    return flask.jsonify(shop.signer.jwks())


def _add_fault(shop: Shop) -> tuple[dict[str, Any], int]:
    try:
        faults.from_json(shop.faults, flask.request.get_json())
    except (KeyError, TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return {"active": len(shop.faults.active())}, 201


def _clear_faults(shop: Shop) -> dict[str, Any]:
    shop.faults.clear()
    return {"active": 0}


@contextmanager
def running(
    shop: Shop, *, host: str = "127.0.0.1", port: int = 0, add: Install | None = None
) -> Iterator[str]:
    """Serve a shop until the block ends and yield its base URL; `add` may put further routes on it.

    Raises `OSError` where the port is taken. A shop without a `url` gets this one. Pending
    webhooks go on; at the end sending stops, the shop stays open.
    """
    app = create_app(shop)
    if add is not None:
        add(app, shop)
    with socket.create_server((host, port)) as listening:
        server = make_server(host, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno())
    url = f"http://{host}:{server.port}"
    shop.url = shop.url or url
    thread = threading.Thread(target=_serve, args=(server,), name="sandbox-http", daemon=True)
    thread.start()
    shop.deliveries.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shop.deliveries.stop()


def _serve(server: BaseWSGIServer) -> None:
    server.serve_forever(poll_interval=0.05)
