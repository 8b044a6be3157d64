"""The shop's GraphQL API: one request in, status and answer out, worded as Saleor words them."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
    visit,
)
from graphql.language import Visitor

from sandbox.access import Context
from sandbox.model import App
from sandbox.requestlog import Request

if TYPE_CHECKING:
    from sandbox.state import State

MUTATIONS = 4
ALIASES = 100
COST = {"cost": {"requestedQueryCost": 1, "maximumAvailable": 50000}}
Answer = tuple[int, dict[str, Any]]


class _Count(Visitor):
    """Counts what Saleor limits."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases = 0
        self.mutations = 0

    def enter_field(self, node: FieldNode, *_args: object) -> None:
        self.aliases += node.alias is not None

    def enter_operation_definition(self, node: OperationDefinitionNode, *_args: object) -> None:
        if node.operation is OperationType.MUTATION:
            self.mutations += len(node.selection_set.selections)


def answer(
    shop: "State",
    body: bytes,
    *,
    token: str | None,
    traceparent: str | None = None,
    fault: str | None = None,
) -> Answer:
    """Answer one POST to the API and note it in the request log, with the fault by which the answer is lost."""
    started, at = time.monotonic(), shop.now()
    context = Context(shop=shop, app=shop.app_of(token))
    asked = _read(body)
    if asked is None:
        status, result = 400, _invalid([GraphQLError("Unable to parse query.")])
        document = None
    else:
        status, result, document = _run(asked, context)
    entry = _entry(asked or {}, document, (status, result), context, started=started, at=at)
    shop.requests.add(replace(entry, traceparent=traceparent, fault=fault))
    return status, result


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None


def _run(asked: Mapping[str, Any], context: Context) -> tuple[int, dict[str, Any], DocumentNode | None]:
    query, variables = asked.get("query"), asked.get("variables") or {}
    if not query or not isinstance(query, str):
        return 400, _invalid([GraphQLError("Must provide a query string.")]), None
    try:
        document = parse(query)
    except GraphQLSyntaxError as error:
        return 400, _invalid([error]), None
    known = context.shop.schema
    errors = _over_limit(document) or validate(known, document)
    if errors:
        return 400, _invalid(errors), document
    with context.shop.store.writing():
        done = execute_sync(
            known,
            document,
            variable_values=variables,
            operation_name=asked.get("operationName"),
            context_value=context,
        )
    context.shop.deliveries.wake()
    return (*_said(done), document)


def _over_limit(document: DocumentNode) -> list[GraphQLError]:
    count = _Count()
    visit(document, count)
    if count.mutations > MUTATIONS:
        return [GraphQLError(f"Number of mutations exceed the limit of {MUTATIONS}")]
    if count.aliases > ALIASES:
        return [GraphQLError(f"Number of aliases exceed the limit of {ALIASES}")]
    return []


def _said(done: ExecutionResult) -> Answer:
    result: dict[str, Any] = {}
    if done.errors:
        result["errors"] = [shown(error) for error in done.errors]
    if done.data is None and done.errors and not any(error.path for error in done.errors):
        return 400, result | {"extensions": COST}
    return 200, result | {"data": done.data, "extensions": COST}


def _invalid(errors: list[GraphQLError]) -> dict[str, Any]:
    return {"errors": [shown(error) for error in errors], "extensions": COST}


def shown(error: GraphQLError) -> dict[str, Any]:
    """Return an error as Saleor shows it; what is a bug here reads as an internal error there."""
    cause = error.original_error or error
    known = isinstance(cause, GraphQLError)
    told: dict[str, Any] = {"message": error.message if known else "Internal Server Error"}
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        told["path"] = list(error.path)
    told["extensions"] = error.extensions or {"exception": {"code": type(cause).__name__}}
    return told


def _entry(
    asked: Mapping[str, Any],
    document: DocumentNode | None,
    said: Answer,
    context: Context,
    *,
    started: float,
    at: datetime,
) -> Request:
    status, result = said
    parts = document.definitions if document else ()
    operations = [part for part in parts if isinstance(part, OperationDefinitionNode)]
    first = operations[0] if operations else None
    ended = time.monotonic()
    return Request(
        at=at,
        ended=ended,
        ms=(ended - started) * 1000,
        status=status,
        operation=first.operation.value if first else "",
        name=asked.get("operationName") or (first.name.value if first and first.name else None),
        fields=tuple(_top(first)) if first else (),
        variables=asked.get("variables") or {},
        query=str(asked.get("query") or ""),
        app_id=context.app.id if context.app else None,
        errors=tuple(error["message"] for error in result.get("errors", ())),
        mutations=tuple(context.mutations),
    )


def _top(operation: OperationDefinitionNode) -> list[tuple[str, str]]:
    fields = [part for part in operation.selection_set.selections if isinstance(part, FieldNode)]
    return [((part.alias or part.name).value, part.name.value) for part in fields]


def faulty(shop: "State", *, status: int, fault: str, app: App | None) -> None:
    """Note a request that a fault answered."""
    shop.requests.add(
        Request(
            at=shop.now(),
            ended=time.monotonic(),
            ms=0.0,
            status=status,
            operation="",
            name=None,
            fields=(),
            variables={},
            query="",
            app_id=app.id if app else None,
            errors=(),
            mutations=(),
            fault=fault,
        )
    )
