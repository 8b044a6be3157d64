"""What watches this installation comes in here: does it answer, can it work, how does it fare."""

import hmac
from http import HTTPStatus

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from plugin.errors import Transient
from plugin.health import metrics, store
from plugin.health.readiness import AWAY, Readiness
from plugin.installation import Installation


def blueprint(installation: Installation) -> Blueprint:
    """Open `/healthz` and `/readyz` to everybody, `/metrics` to who has its token."""
    door = Blueprint("health", __name__)
    readiness = Readiness(installation.db)

    def healthz() -> ResponseReturnValue:
        return jsonify({"status": "ok"})

    def readyz() -> ResponseReturnValue:
        return _ready(readiness.problem())

    def metrics() -> ResponseReturnValue:
        return _metrics(installation, readiness)

    for view in (healthz, readyz, metrics):
        door.add_url_rule(
            f"/{view.__name__}", view_func=view, methods=["GET"], provide_automatic_options=False
        )
    door.after_request(_fresh)
    return door


def _ready(problem: str | None) -> ResponseReturnValue:
    if problem is None:
        return jsonify({"status": "ok"})
    return jsonify({"status": "not ready", "problem": problem}), HTTPStatus.SERVICE_UNAVAILABLE


def _metrics(installation: Installation, readiness: Readiness) -> ResponseReturnValue:
    if installation.settings.metrics_token is None:
        abort(HTTPStatus.NOT_FOUND)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    token = installation.settings.metrics_token.reveal()
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        words = "This takes the header `Authorization: Bearer` with the token that is set in HERKEND_METRICS_TOKEN.\n"
        return words, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"}
    if problem := readiness.problem():
        return problem, HTTPStatus.SERVICE_UNAVAILABLE
    now = installation.clock()
    try:
        with installation.db.begin() as connection:
            found = store.figures(connection, now=now)
    except Transient:
        return AWAY, HTTPStatus.SERVICE_UNAVAILABLE
    return Response(metrics.text(found, now=now), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _fresh(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
