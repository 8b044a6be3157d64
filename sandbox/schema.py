"""The GraphQL schema of a version of Saleor, with the resolvers bound to it."""

import re
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from uuid import UUID

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    parse,
    validate,
)

from sandbox.resolvers import FIELDS, named, plain
from sandbox.words import FAMILIES

VERSIONS = ("3.22", "3.23")
PATCHES = {"3.22": "3.22.67", "3.23": "3.23.28"}
# What stands behind schema.graphql; 3.23.5 is a 3.23 of before webhooks had identifiers (3.23.23).
PARTS = {"3.22": ("3.22",), "3.23.5": ("3.23", "3.22"), "3.23": ("3.23", "3.23.23")}
IDENTIFIERS_SINCE = 23


@cache
def load(version: str) -> GraphQLSchema:
    """Build the schema of a version in `PARTS`; one object per version and process."""
    folder = resources.files("sandbox")
    text = folder.joinpath("schema.graphql").read_text(encoding="utf-8")
    for part in PARTS[version]:
        text += folder.joinpath(f"schema.{part}.graphql").read_text(encoding="utf-8")
    schema = build_schema(text)
    for kind in schema.type_map.values():
        _bind(kind)
    return schema


def of_patch(version: str, patch: str) -> str:
    """Return which of `PARTS` a patch of a version speaks."""
    return "3.23.5" if version == "3.23" and int(patch.split(".")[2]) < IDENTIFIERS_SINCE else version


@cache
def checked(version: str, query: str) -> DocumentNode:
    """Parse and validate a subscription; raises the first `GraphQLError`."""
    document = parse(query)
    for error in validate(load(version), document):
        raise error
    return document


def events_of(version: str, query: str) -> tuple[str, ...]:
    """Check a subscription, and return the events it has fragments for, in lower case; raises `GraphQLError`."""
    checked(version, query)
    if "subscription" not in query:
        raise GraphQLError("Subscription operation can't be found.")
    types = re.findall(r"\bon\s+([A-Z]\w+)", query)
    known = [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in types]
    events = tuple(name for name in known if name.partition("_")[0] in FAMILIES and "_" in name)
    if not events:
        raise GraphQLError("Can't find a single event.")
    return events


def _bind(kind: object) -> None:
    if isinstance(kind, GraphQLScalarType) and kind.name in SCALARS:
        kind.coerce_output_value, kind.coerce_input_value = SCALARS[kind.name]
    if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
        kind.resolve_type = named
    if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
        for name, field in kind.fields.items():
            field.resolve = FIELDS.get((kind.name, name)) or FIELDS.get(("*", name)) or plain


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever a client sent
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise GraphQLError(f'DateTime cannot represent value: "{value}"') from error
    if found.tzinfo is None:
        raise GraphQLError(f'DateTime cannot represent value without a time zone: "{value}"')
    return found


def _count(value: Any) -> int:  # noqa: ANN401 - whatever a client sent
    if not isinstance(value, int) or value < 0:
        raise GraphQLError(f"Value cannot be lower than 0. Unsupported value: {value}")
    return value


SCALARS: dict[str, tuple[Any, Any]] = {
    "DateTime": (lambda value: value.isoformat(), _moment),
    "Metadata": (dict, dict),
    "Minute": (int, _count),
    "PositiveInt": (int, _count),
    "UUID": (str, UUID),
}
