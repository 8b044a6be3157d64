"""Lists as Saleor gives them: filtered by `where`, sorted, and paged by cursors."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLResolveInfo

from sandbox.model import Account, Order, from_gid, gid
from sandbox.store import Store

LIMIT = 100
Info = GraphQLResolveInfo[Any]
Where = Mapping[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A row and where it stands."""

    node: Any
    cursor: str


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What lies before and after the page."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Connection:
    """One page of a list."""

    edges: tuple[Edge, ...]
    page_info: PageInfo
    total_count: int


def page(
    info: Info,
    rows: Iterable[Any],
    *,
    key: Callable[[Any], Key],
    descending: bool,
    args: Mapping[str, Any],
) -> Connection:
    """Cut the page that `first`/`after` or `last`/`before` ask for; `key` must be unique and JSON-ready."""
    first, last = _sizes(info, args)
    ordered = sorted(rows, key=key, reverse=descending)
    keys = [key(row) for row in ordered]
    start, end = 0, len(ordered)
    if args.get("after"):
        start = _place(keys, _key(args["after"]), descending=descending, behind=True)
    if args.get("before"):
        end = _place(keys, _key(args["before"]), descending=descending, behind=False)
    if first:
        low, high = start, min(end, start + first)
    else:
        low, high = max(start, end - last) if last else start, end
    edges = tuple(Edge(ordered[i], _cursor(keys[i])) for i in range(low, max(low, high)))
    return Connection(
        edges,
        PageInfo(
            has_next_page=high < len(ordered),
            has_previous_page=low > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        len(ordered),
    )


def _sizes(info: Info, args: Mapping[str, Any]) -> tuple[int, int]:
    first, last = args.get("first") or 0, args.get("last") or 0
    if not (first or last) and _asks_for_rows(info):
        raise GraphQLError(
            "You must provide a `first` or `last` value to properly paginate "
            f"the `{info.field_name}` connection."
        )
    for name, size in (("first", first), ("last", last)):
        if size < 0:
            raise GraphQLError(f"Argument `{name}` must be a non-negative integer.")
        if size > LIMIT:
            raise GraphQLError(
                f"Requesting {size} records on the `{info.field_name}` connection "
                f"exceeds the `{name}` limit of {LIMIT} records."
            )
    if first and last:
        raise GraphQLError("Argument `last` cannot be combined with `first`.")
    if first and args.get("before"):
        raise GraphQLError("Argument `first` cannot be combined with `before`.")
    if last and args.get("after"):
        raise GraphQLError("Argument `last` cannot be combined with `after`.")
    return first, last


def _asks_for_rows(info: Info) -> bool:
    wanted = [
        part for node in info.field_nodes if node.selection_set for part in node.selection_set.selections
    ]
    return any(not isinstance(part, FieldNode) or part.name.value in {"edges", "pageInfo"} for part in wanted)


def _cursor(key: Key) -> str:
    return base64.b64encode(json.dumps(list(key)).encode()).decode()


def _key(cursor: str) -> Key:
    try:
        return tuple(json.loads(base64.b64decode(cursor, validate=True)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise GraphQLError("Received cursor is invalid.") from error


def _place(keys: Sequence[Key], cursor: Key, *, descending: bool, behind: bool) -> int:
    """Count the rows up to the cursor: including its own row where `behind`."""
    try:
        if behind:
            return sum(1 for key in keys if (key >= cursor if descending else key <= cursor))
        return sum(1 for key in keys if (key > cursor if descending else key < cursor))
    except TypeError as error:
        raise GraphQLError("Received cursor is invalid.") from error


def matches(where: Where | None, value: Callable[[str], Any], metadata: Mapping[str, str]) -> bool:
    """Tell whether a row fits; `value` gives the row's value for the name of an input field."""
    if not where:
        return True
    for name, wanted in where.items():
        if wanted is None:
            continue
        if name == "AND":
            fits = all(matches(part, value, metadata) for part in wanted)
        elif name == "OR":
            fits = any(matches(part, value, metadata) for part in wanted)
        elif name == "metadata":
            fits = wanted["key"] in metadata and _one(wanted.get("value") or {}, metadata[wanted["key"]])
        elif name == "ids":
            fits = value(name) in wanted
        elif isinstance(wanted, Mapping):
            fits = _one(wanted, value(name))
        else:
            fits = value(name) == wanted
        if not fits:
            return False
    return True


def _one(wanted: Mapping[str, Any], value: Any) -> bool:  # noqa: ANN401 - any column
    if "eq" in wanted and value != wanted["eq"]:
        return False
    if wanted.get("oneOf") is not None and value not in wanted["oneOf"]:
        return False
    if wanted.get("gte") is not None and not (value is not None and value >= wanted["gte"]):
        return False
    return not (wanted.get("lte") is not None and not (value is not None and value <= wanted["lte"]))


def check_where(where: Where | None) -> None:
    """Refuse what Saleor refuses: an operator beside other conditions in one object."""
    if not where:
        return
    if {"AND", "OR"} & set(where) and len(where) > 1:
        raise GraphQLError("Cannot mix operators with other filter inputs.")
    for name in ("AND", "OR"):
        for part in where.get(name) or ():
            check_where(part)


def orders_matching(store: Store, where: Where | None, *, channels: Mapping[str, str]) -> list[Order]:
    """Return the orders that fit, in no order; `channels` are the ids by slug."""
    check_where(where)
    known = _candidates(store, where)
    rows = store.orders.values() if known is None else [store.orders[key] for key in known]
    return [order for order in rows if matches(where, partial(_of_order, order, channels), order.metadata)]


def _candidates(store: Store, where: Where | None) -> set[str] | None:
    """Narrow by the indexes on person and e-mail; None is "look at all of them"."""
    for name, wanted in (where or {}).items():
        if name == "OR":
            parts = [_candidates(store, part) for part in wanted]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                return set().union(*known)
        if name in {"user", "userEmail"} and wanted:
            values = [wanted["eq"]] if "eq" in wanted else wanted.get("oneOf") or []
            if name == "userEmail":
                return {key for text in values for key in store.by_email.get(text, ())}
            return {key for text in values for key in store.by_user.get(_user_number(text), ())}
    return None


def _user_number(text: str) -> int:
    try:
        kind, key = from_gid(text)
        return int(key) if kind == "User" else 0
    except ValueError:
        return 0


def _of_order(order: Order, channels: Mapping[str, str], name: str) -> Any:  # noqa: ANN401 - any column
    known: dict[str, Callable[[], Any]] = {
        "ids": lambda: order.gid,
        "createdAt": lambda: order.created,
        "updatedAt": lambda: order.updated_at,
        "user": lambda: None if order.user_id is None else gid("User", order.user_id),
        "userEmail": lambda: order.user_email,
        "status": lambda: order.status,
        "voucherCode": lambda: order.voucher_code,
        "channelId": lambda: channels[order.channel],
    }
    return known[name]()


def of_account(account: Account, name: str) -> Any:  # noqa: ANN401 - any column
    """Return the account's value for an input field of `CustomerWhereInput`."""
    known: dict[str, Any] = {
        "ids": account.gid,
        "email": account.email,
        "isActive": account.is_active,
        "dateJoined": account.date_joined,
        "updatedAt": account.updated_at,
    }
    return known[name]
