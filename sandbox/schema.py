"""The GraphQL schema of a version of Saleor, with the resolvers bound to it."""

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

VERSIONS = ("3.22", "3.23")
PATCHES = {"3.22": "3.22.67", "3.23": "3.23.28"}


@cache
def load(version: str) -> GraphQLSchema:
    """Build the schema of a version in `VERSIONS`; one object per version and process."""
    folder = resources.files("sandbox")
    text = folder.joinpath("schema.graphql").read_text(encoding="utf-8")
    for later in VERSIONS[1 : VERSIONS.index(version) + 1]:
        text += folder.joinpath(f"schema.{later}.graphql").read_text(encoding="utf-8")
    schema = build_schema(text)
    for kind in schema.type_map.values():
        _bind(kind)
    return schema


@cache
def checked(version: str, query: str) -> DocumentNode:
    """Parse and validate a subscription; raises the first `GraphQLError`."""
    document = parse(query)
    for error in validate(load(version), document):
        raise error
    return document


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


SCALARS: dict[str, tuple[Any, Any]] = {
    "DateTime": (lambda value: value.isoformat(), _moment),
    "Metadata": (dict, dict),
    "UUID": (str, UUID),
}
