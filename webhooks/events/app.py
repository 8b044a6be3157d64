"""Events of our own app: the shop deleted it, or switched it off or on."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length

from plugin.customers.facts import AppChange, Facts
from plugin.errors import Permanent
from webhooks.envelope import envelope, subject


def parse_deleted(payload: object) -> Facts:
    """Return which app was deleted: `isActive` is false by then, whatever it was before."""
    app = _app(payload)
    said_at = envelope(payload).seen_at
    return Facts(app=AppChange(app_id=app["id"], said_at=said_at, deleted=True, active=False))


def parse_status(payload: object) -> Facts:
    """Return whether the app is switched on now; raise Permanent when that is not said."""
    app = _app(payload)
    if app["active"] is None:
        raise Permanent("The shop told that the app was switched on or off, but not which.")
    said_at = envelope(payload).seen_at
    return Facts(app=AppChange(app_id=app["id"], said_at=said_at, deleted=False, active=app["active"]))


class _App(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.String(required=True, validate=Length(min=1))
    active = fields.Boolean(
        load_default=None, allow_none=True, truthy={True}, falsy={False}, data_key="isActive"
    )


_APP = _App()


def _app(payload: object) -> dict[str, Any]:
    try:
        app: dict[str, Any] = _APP.load(subject(payload, name="app"))
    except ValidationError as error:
        raise Permanent(f"This app cannot be understood: {', '.join(error.messages_dict)}.") from None
    return app
