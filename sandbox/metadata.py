"""Metadata: read by key, written and deleted by the four mutations, with the events that a change fires."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.access import Context, denied, require
from sandbox.model import Account, App, Order, from_gid
from sandbox.requestlog import Mutation

Owner = Account | Order | App
Info = GraphQLResolveInfo[Any]


@dataclass(frozen=True, slots=True)
class MetadataError:
    """An entry in a mutation's own `errors`."""

    field: str | None
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class Written:
    """The answer of a metadata mutation."""

    item: Owner | None
    errors: tuple[MetadataError, ...] = ()


class Unwritable(Exception):
    """The object is not there; carries the entry for `errors`."""

    def __init__(self, error: MetadataError) -> None:
        super().__init__(error.message)
        self.error = error


def public_items(owner: Owner, _info: Info) -> list[dict[str, str]]:
    """Answer `metadata`."""
    return _items(owner.metadata)


def public_field(owner: Owner, _info: Info, *, key: str) -> str | None:
    """Answer `metafield`."""
    return owner.metadata.get(key)


def public_fields(owner: Owner, _info: Info, *, keys: list[str] | None = None) -> dict[str, str]:
    """Answer `metafields`: without keys everything."""
    return _some(owner.metadata, keys)


def private_items(owner: Owner, info: Info) -> list[dict[str, str]]:
    """Answer `privateMetadata`."""
    return _items(_private(owner, info))


def private_field(owner: Owner, info: Info, *, key: str) -> str | None:
    """Answer `privateMetafield`."""
    return _private(owner, info).get(key)


def private_fields(owner: Owner, info: Info, *, keys: list[str] | None = None) -> dict[str, str]:
    """Answer `privateMetafields`: without keys everything."""
    return _some(_private(owner, info), keys)


def _items(found: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(found.items())]


def _some(found: Mapping[str, str], keys: list[str] | None) -> dict[str, str]:
    return {key: value for key, value in found.items() if keys is None or key in keys}


def _private(owner: Owner, info: Info) -> Mapping[str, str]:
    context: Context = info.context
    if isinstance(owner, Account):
        if owner.id not in context.shop.store.accounts:
            denied()
        require(info, "MANAGE_STAFF" if owner.is_staff else "MANAGE_USERS")
    elif isinstance(owner, Order):
        require(info, "MANAGE_ORDERS")
    elif context.app is None or context.app.id != owner.id:
        denied("MANAGE_APPS")
    return owner.private_metadata


def update_public(_source: object, info: Info, *, id: str, input: list[dict[str, str]]) -> Written:  # noqa: A002 - Saleor's names
    """Answer `updateMetadata`."""
    return _write(info, id, {item["key"]: item["value"] for item in input}, private=False)


def update_private(_source: object, info: Info, *, id: str, input: list[dict[str, str]]) -> Written:  # noqa: A002 - Saleor's names
    """Answer `updatePrivateMetadata`."""
    return _write(info, id, {item["key"]: item["value"] for item in input}, private=True)


def delete_public(_source: object, info: Info, *, id: str, keys: list[str]) -> Written:  # noqa: A002 - Saleor's names
    """Answer `deleteMetadata`."""
    return _write(info, id, dict.fromkeys(keys), private=False)


def delete_private(_source: object, info: Info, *, id: str, keys: list[str]) -> Written:  # noqa: A002 - Saleor's names
    """Answer `deletePrivateMetadata`."""
    return _write(info, id, dict.fromkeys(keys), private=True)


def _write(info: Info, target: str, changes: Mapping[str, str | None], *, private: bool) -> Written:
    context: Context = info.context
    error: str | None = "not done"
    try:
        owner = _owner(info, target, private=private)
        _check_keys(changes)
        written = Written(context.shop.write_metadata(owner, changes, private=private, principal=context.app))
        error = None
    except Unwritable as missing:
        error = missing.error.message
        written = Written(None, (missing.error,))
    except GraphQLError as refused:
        error = refused.message
        raise
    finally:
        context.mutations += [_noted(info, target, key, value, error) for key, value in changes.items()]
    return written


def _check_keys(changes: Mapping[str, str | None]) -> None:
    if any(not key.strip() for key in changes):
        raise Unwritable(MetadataError("input", "Metadata key cannot be empty.", "REQUIRED"))


def _noted(info: Info, target: str, key: str, value: str | None, error: str | None) -> Mutation:
    context: Context = info.context
    return Mutation(
        at=context.shop.now(),
        ended=time.monotonic(),
        kind=info.field_name,
        target_id=target,
        key=key,
        value=value,
        app_id=context.app.id if context.app else None,
        alias=str(info.path.key),
        error=error,
    )


def _owner(info: Info, target: str, *, private: bool) -> Owner:
    """Find what is to be written; the order of the checks, and that of an unknown user, is Saleor's."""
    context: Context = info.context
    context.shop.faults.refuse_target(target)
    try:
        kind, key = from_gid(target)
    except ValueError:
        raise Unwritable(MetadataError("id", "Couldn't resolve to a node.", "GRAPHQL_ERROR")) from None
    if kind == "User":
        return _user(info, key, private=private)
    if kind == "Order":
        require(info, "MANAGE_ORDERS")
        found: Owner | None = context.shop.store.orders.get(key)
    elif kind == "App":
        found = context.app if context.app is not None and str(context.app.id) == key else None
        if found is None:
            denied("MANAGE_APPS")
    else:
        raise Unwritable(MetadataError("id", f"Couldn't resolve to a item with meta: {target}", "NOT_FOUND"))
    if found is None:
        raise Unwritable(MetadataError("id", f"Couldn't resolve to a node: {target}", "NOT_FOUND"))
    return found


def _user(info: Info, key: str, *, private: bool) -> Account:
    context: Context = info.context
    found = context.shop.store.accounts.get(int(key)) if key.isdecimal() else None
    if found is None and private:
        denied()
    if found is None:
        raise Unwritable(MetadataError("id", "Couldn't resolve user.", "NOT_FOUND"))
    require(info, "MANAGE_STAFF" if found.is_staff else "MANAGE_USERS")
    return found


def changed(owner: Any, changes: Mapping[str, str | None], *, private: bool) -> Any:  # noqa: ANN401 - owner in, owner out
    """Return the owner with these keys set, or deleted where the value is None."""
    name = "private_metadata" if private else "metadata"
    old = getattr(owner, name)
    new = {key: value for key, value in {**old, **changes}.items() if value is not None}
    return replace(owner, **{name: new})
