"""The one page that the Dashboard frames, the parts it loads, and the files it is made of."""

from pathlib import Path

from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory
from flask.typing import ResponseReturnValue

from plugin.dashboard import access, frame
from plugin.dashboard.access import MANAGE_APPS, MANAGE_ORDERS, MANAGE_USERS, Expired, NotPermitted, Staff
from plugin.dashboard.facts import standing_of, state_of
from plugin.errors import HerkendError, Invalid, Refused, Transient
from plugin.guard import Failures
from plugin.installation import Installation
from plugin.shops.jwks import KeySource

STATIC = Path(__file__).parent / "static"
MAY_SEE_STATE = frozenset({MANAGE_APPS, MANAGE_ORDERS, MANAGE_USERS})
MAY_SEE_CUSTOMERS = frozenset({MANAGE_ORDERS, MANAGE_USERS})
# Which text the page shows, and with which status; the first that fits.
REFUSALS: tuple[tuple[type[HerkendError], str, int], ...] = (
    (Expired, "expired", 401),
    (NotPermitted, "not-permitted", 403),
    (Refused, "refused", 401),
    (Invalid, "invalid", 400),
    (Transient, "later", 503),
)


def blueprint(installation: Installation, *, keys: KeySource, failures: Failures) -> Blueprint:
    """Open the routes of the Dashboard's frame."""
    door = frame.door("dashboard", installation)

    def staff(any_of: frozenset[str]) -> Staff:
        sparing = failures.over(request.remote_addr)
        return access.staff(installation, request.headers, keys=keys, any_of=any_of, sparing=sparing)

    @door.get("/", strict_slashes=False)
    def shell() -> str:
        return render_template("shell.html")

    @door.get("/static/<path:name>", strict_slashes=False)
    def static(name: str) -> Response:
        return send_from_directory(STATIC, name)

    @door.get("/dashboard/state", strict_slashes=False)
    def state() -> ResponseReturnValue:
        return _state(installation, staff(MAY_SEE_STATE))

    @door.get("/dashboard/standing", strict_slashes=False)
    def standing() -> ResponseReturnValue:
        return _standing(installation, staff(MAY_SEE_CUSTOMERS))

    def refuse(error: HerkendError) -> ResponseReturnValue:
        stranger = isinstance(error, Refused) and not isinstance(error, Expired | NotPermitted)
        if stranger and failures.count(request.remote_addr):
            return "", 429, {"Retry-After": "60"}
        return _refuse(error)

    for kind, _, _ in REFUSALS:
        door.register_error_handler(kind, refuse)
    return door


def _state(installation: Installation, staff: Staff) -> ResponseReturnValue:
    with installation.db.begin() as connection:
        found = state_of(connection, staff.shop)
    return render_template("state.html", staff=staff, shop=staff.shop, state=found, now=installation.clock())


def _standing(installation: Installation, staff: Staff) -> ResponseReturnValue:
    user_id, email = (request.args.get(name, "").strip() or None for name in ("userId", "email"))
    if (user_id is None) == (email is None):
        raise Invalid("Name a customer by userId or by email.")
    with installation.db.begin() as connection:
        found = standing_of(connection, staff.shop, user_id=user_id, email=email)
    return jsonify(found)


def _refuse(error: HerkendError) -> ResponseReturnValue:
    """Say in the form of what was asked for, a part of the page or JSON, why it is not given."""
    why, status = next((why, status) for kind, why, status in REFUSALS if isinstance(error, kind))
    if request.endpoint == "dashboard.standing":
        return jsonify({"error": {"type": why, "message": str(error)}}), status
    return render_template("refused.html", why=why), status
