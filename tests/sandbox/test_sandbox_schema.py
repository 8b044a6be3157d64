"""The sandbox plays no field that Saleor lacks: its schema is held against the published one, line by line."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from sandbox.schema import PARTS, VERSIONS, load, of_patch

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "saleor"


def published(version: str) -> GraphQLSchema:
    path = PUBLISHED / f"schema-{version}.graphql"
    if not path.is_file():
        pytest.skip(f"Saleor's own schema {version} is not beside this repository")
    return build_schema(path.read_text(encoding="utf-8"), assume_valid=True)


def strangers(ours: GraphQLSchema, theirs: GraphQLSchema) -> list[str]:
    """Name everything in `ours` that `theirs` has not, or has differently."""
    wrong = []
    for name, kind in ours.type_map.items():
        if name.startswith("__"):
            continue
        original = theirs.type_map.get(name)
        if type(original) is not type(kind):
            wrong.append(name)
        elif isinstance(kind, GraphQLEnumType):
            wrong += [f"{name}.{value}" for value in kind.values if value not in original.values]
        elif isinstance(kind, GraphQLUnionType):
            if [t.name for t in kind.types] != [t.name for t in original.types]:
                wrong.append(name)
        elif isinstance(kind, GraphQLInputObjectType):
            wrong += [
                f"{name}.{key}"
                for key, field in kind.fields.items()
                if key not in original.fields or str(original.fields[key].type) != str(field.type)
            ]
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            wrong += different_fields(name, kind, original)
    return wrong


def different_fields(name, kind, original) -> list[str]:
    known_interfaces = {one.name for one in original.interfaces}
    wrong = [f"{name} implements {one.name}" for one in kind.interfaces if one.name not in known_interfaces]
    for key, field in kind.fields.items():
        known = original.fields.get(key)
        if known is None or str(known.type) != str(field.type):
            wrong.append(f"{name}.{key}")
            continue
        wrong += [
            f"{name}.{key}({argument}:)"
            for argument, given in field.args.items()
            if argument not in known.args or str(known.args[argument].type) != str(given.type)
        ]
        wrong += [
            f"{name}.{key} lacks {argument}"
            for argument, given in known.args.items()
            if str(given.type).endswith("!") and argument not in field.args
        ]
    return wrong


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_the_sandbox_knows_is_in_saleors_own_schema_of_that_version(version):
    assert strangers(load(version), published(version)) == []


def test_the_comparison_would_notice_an_invented_field():
    theirs = build_schema("type Query { a: Int } enum E { X } input I { a: Int }")
    ours = build_schema("type Query { a: Int! b(c: Int): Int } enum E { X Y } input I { a: Boolean }")

    assert sorted(strangers(ours, theirs)) == ["E.Y", "I.a", "Query.a", "Query.b"]


def test_only_3_23_knows_the_event_of_a_deleted_customer():
    assert [v for v in VERSIONS if "CustomerDeleted" in load(v).type_map] == ["3.23"]


def test_a_webhook_has_an_identifier_from_3_23_23_on():
    patches = [("3.22", "3.22.67"), ("3.23", "3.23.22"), ("3.23", "3.23.23")]
    spoken = [of_patch(*patch) for patch in patches]
    assert (spoken, [v for v in PARTS if "identifier" in load(v).type_map["Webhook"].fields]) == (
        ["3.22", "3.23.5", "3.23"],
        ["3.23"],
    )
