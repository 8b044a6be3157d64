"""Reads an answer by its schema: an unknown shape is the shop's trouble, and to be asked again."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError

from plugin.errors import Transient


class Shape(Schema):
    """The part of an answer that we asked for."""

    class Meta:
        """What else may come with it."""

        unknown = EXCLUDE


def read(schema: Schema, data: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return what the operation `name` was answered; raise Transient when it is not of that shape."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError:
        raise Transient(f"{name}: Saleor's answer has an unknown shape.") from None
    return loaded
