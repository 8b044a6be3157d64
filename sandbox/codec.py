"""The model as JSON text and back, so that it can stand in a database."""

import base64
import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox import model

TAG = "__"
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        model.Account,
        model.Line,
        model.OrderEvent,
        model.MoneyEvent,
        model.Transaction,
        model.Payment,
        model.Fulfilment,
        model.GiftCard,
        model.Order,
        model.Webhook,
        model.AppProblem,
        model.App,
        model.Attempt,
        model.Delivery,
    )
}


def dumps(thing: object) -> str:
    """Write one dataclass of the model."""
    return json.dumps(_plain(thing), separators=(",", ":"))


def loads(text: str) -> Any:  # noqa: ANN401 - whichever dataclass was written
    """Read what `dumps` wrote."""
    return json.loads(text, object_hook=_made)


def _plain(value: object) -> object:  # noqa: PLR0911 - one return a type
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, Decimal):
        return {TAG: "n", "v": str(value)}
    if isinstance(value, datetime):
        return {TAG: "t", "v": value.isoformat()}
    if isinstance(value, bytes):
        return {TAG: "b", "v": base64.b64encode(value).decode()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {TAG: type(value).__name__} | {
            part.name: _plain(getattr(value, part.name)) for part in fields(value)
        }
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


def _made(found: dict[str, Any]) -> Any:  # noqa: ANN401 - see loads
    kind = found.pop(TAG, None)
    if kind is None:
        return found
    if kind == "n":
        return Decimal(found["v"])
    if kind == "t":
        return datetime.fromisoformat(found["v"])
    if kind == "b":
        return base64.b64decode(found["v"])
    return KINDS[kind](**{key: tuple(v) if isinstance(v, list) else v for key, v in found.items()})
