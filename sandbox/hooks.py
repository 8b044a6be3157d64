"""Webhooks as an app changes its own: created, updated and deleted by three mutations."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.access import Context, own_app
from sandbox.model import App, Webhook, from_gid

Info = GraphQLResolveInfo[Any]
Answer = dict[str, Any]
FIELDS = {"name": "name", "targetUrl": "target_url", "isActive": "is_active", "query": "query"}


class Wrong(Exception):
    """The shop does not take that; carries the entry for `errors`."""

    def __init__(self, field: str | None, message: str, code: str) -> None:
        super().__init__(message)
        self.entry = {"field": field, "message": message, "code": code}


def create(_source: object, info: Info, *, input: Mapping[str, Any]) -> Answer:  # noqa: A002 - Saleor's name
    """Answer `webhookCreate`."""
    app, context = own_app(info), info.context
    blank = Webhook(id=0, name="", target_url="", query="", events=())
    try:
        hook = _changed(context, app, blank, input)
    except Wrong as wrong:
        return {"webhook": None, "errors": [wrong.entry]}
    hook = replace(hook, id=context.shop.store.next("webhook"))
    context.shop.store.put(replace(app, webhooks=(*app.webhooks, hook)))
    return {"webhook": hook, "errors": []}


def update(
    _source: object,
    info: Info,
    *,
    input: Mapping[str, Any],  # noqa: A002 - Saleor's name
    id: str | None = None,  # noqa: A002 - Saleor's name
    identifier: str | None = None,
) -> Answer:
    """Answer `webhookUpdate`."""
    app, context = own_app(info), info.context
    try:
        hook = _changed(context, app, _meant(app, id=id, identifier=identifier), input)
    except Wrong as wrong:
        return {"webhook": None, "errors": [wrong.entry]}
    _put(context, app, hook)
    return {"webhook": hook, "errors": []}


def delete(
    _source: object,
    info: Info,
    *,
    id: str | None = None,  # noqa: A002 - Saleor's name
    identifier: str | None = None,
) -> Answer:
    """Answer `webhookDelete`."""
    app, context = own_app(info), info.context
    try:
        hook = _meant(app, id=id, identifier=identifier)
    except Wrong as wrong:
        return {"webhook": None, "errors": [wrong.entry]}
    context.shop.store.put(replace(app, webhooks=tuple(one for one in app.webhooks if one.id != hook.id)))
    return {"webhook": hook, "errors": []}


def _put(context: Context, app: App, hook: Webhook) -> None:
    hooks = tuple(hook if one.id == hook.id else one for one in app.webhooks)
    context.shop.store.put(replace(app, webhooks=hooks))


def _meant(app: App, *, id: str | None, identifier: str | None) -> Webhook:  # noqa: A002 - Saleor's name
    if (id is None) == (identifier is None):
        raise GraphQLError("At least one of arguments is required: 'id', 'identifier'.")
    for hook in app.webhooks:
        if id is not None and _key(id) == str(hook.id):
            return hook
        if identifier is not None and hook.identifier == identifier:
            return hook
    raise Wrong(
        "id" if identifier is None else "identifier",
        f"Couldn't resolve to a node: {id or identifier}",
        "NOT_FOUND",
    )


def _key(id: str) -> str:  # noqa: A002 - Saleor's name
    try:
        kind, key = from_gid(id)
    except ValueError:
        return ""
    return key if kind == "Webhook" else ""


def _changed(context: Context, app: App, hook: Webhook, input: Mapping[str, Any]) -> Webhook:  # noqa: A002 - Saleor's name
    """Return the webhook as it is to be; events that are not named come from the query, as in Saleor."""
    changes: dict[str, Any] = {FIELDS[name]: input[name] for name in FIELDS if name in input}
    if "identifier" in input:
        changes["identifier"] = (input["identifier"] or "").strip() or None
    events = tuple(event.lower() for event in input.get("asyncEvents") or ())
    if "query" in input:
        asked_for = _events(context, input["query"])
        events = events or asked_for
    if events:
        changes["events"] = events
    found = replace(hook, **changes)
    if not found.target_url:
        raise Wrong("targetUrl", "This field cannot be blank.", "REQUIRED")
    others = {one.identifier for one in app.webhooks if one.id != hook.id} - {None}
    if found.identifier in others:
        raise Wrong("identifier", "Webhook with this App and Identifier already exists.", "UNIQUE")
    return found


def _events(context: Context, query: str) -> tuple[str, ...]:
    """Check the query, and return the events that it has fragments for."""
    try:
        return context.shop.events_of(query)
    except GraphQLError as error:
        raise Wrong("query", error.message, "GRAPHQL_ERROR") from error
