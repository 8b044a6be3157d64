"""What stands around every event: which one it is, for whom, by whom and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load

from plugin.errors import Invalid, Permanent
from plugin.saleor.shapes import Maybe, Moment

MOST_COMPLAINTS = 3
UNDATED = datetime.fromtimestamp(0, tz=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One delivery's own words about itself, to be believed once its signature fits.

    `by_app` is the id of the app that caused the event, if one did.
    """

    typename: str
    issued_at: datetime | None
    recipient: str | None
    by_app: str | None

    @property
    def seen_at(self) -> datetime:
        """When Saleor told it; of two equal states, the one that does not say loses."""
        return self.issued_at or UNDATED


def envelope(payload: object) -> Envelope:
    """Read the envelope of a delivery; raise Invalid when there is none that can be read."""
    if not isinstance(payload, Mapping):
        raise Invalid("The body is not a JSON object.")
    try:
        told: Envelope = _ENVELOPE.load(payload)
    except ValidationError as error:
        raise Invalid("The body does not say which event it is: " + ", ".join(error.messages_dict)) from None
    return told


def subject(payload: object, *, name: str) -> Mapping[str, Any]:
    """Return what the event is about; raise Permanent, with the shop's reasons, when that was not shown."""
    found = payload.get(name) if isinstance(payload, Mapping) else None
    if isinstance(found, Mapping):
        return found
    reasons = unreadable(payload, below=(name,)) or ["it is missing"]
    raise Permanent(f"The shop told of an event without its {name}: {'; '.join(reasons)}.")


def unreadable(payload: object, *, below: tuple[str, ...]) -> list[str]:
    """Return what the shop would not show at or below a path of the event, with its reasons.

    Saleor sends a field it refuses as null, and its reason in an `errors` list beside the event's fields.
    """
    errors = payload.get("errors") if isinstance(payload, Mapping) else None
    found = [
        f"{'.'.join(map(str, error['path']))} ({_code(error)})"
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, Mapping) and _is_below(error.get("path"), ("event", *below))
    ]
    return found[:MOST_COMPLAINTS]


def _code(error: Mapping[str, Any]) -> str:
    """Return the kind of an error; never its message, which may quote what the customer wrote."""
    for name in ("extensions", "exception"):
        inner = error.get(name)
        error = inner if isinstance(inner, Mapping) else {}
    return str(error.get("code") or "no reason given")


def _is_below(path: object, above: tuple[str, ...]) -> bool:
    return isinstance(path, list) and tuple(path[: len(above)]) == above


class _Named(Schema):
    class Meta:
        unknown = EXCLUDE

    typename = fields.String(load_default="", allow_none=True, data_key="__typename")
    id = fields.String(load_default=None, allow_none=True)


class _Envelope(Schema):
    class Meta:
        unknown = EXCLUDE

    typename = fields.String(required=True, data_key="__typename")
    issued_at = Maybe(Moment(), data_key="issuedAt")
    recipient = fields.Nested(_Named, load_default=None, allow_none=True)
    principal = fields.Nested(_Named, load_default=None, allow_none=True, data_key="issuingPrincipal")

    @post_load
    def _envelope(self, found: dict[str, Any], **_: Any) -> Envelope:  # noqa: ANN401 - marshmallow's own
        recipient, principal = found["recipient"], found["principal"]
        return Envelope(
            typename=found["typename"],
            issued_at=found["issued_at"],
            recipient=recipient["id"] if recipient else None,
            by_app=principal["id"] if principal and principal["typename"] == "App" else None,
        )


_ENVELOPE = _Envelope()
