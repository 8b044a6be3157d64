"""One person's account and orders, read from the shop a page at a time, around whatever cannot be read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from plugin.clock import Clock
from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.errors import Invalid, Permanent, Refused, Transient
from plugin.saleor import shapes
from plugin.saleor.client import Answer, Problem, Saleor, operation

NAME = "PersonHistory"
IDS = "PersonOrderIds"
SINGLY = "OrdersSingly"
PLACE, FIELD = 2, 4  # in the path of a problem: orders.edges.<place>.node.<field>

# What the shape of an order can do without (plugin.saleor.shapes), and so can be left out of a question.
DISPENSABLE = frozenset({
    "number", "origin", "created", "channel", "languageCodeEnum", "undiscountedTotal", "voucherCode", "giftCards",
    "events", "transactions", "lines",
})  # fmt: skip

_Orders = tuple[tuple[OrderSnapshot, ...], tuple[str, ...]]  # read, and the ids of the unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A page of a person's orders, with the account if there is one.

    `unreadable` are the ids of orders that the shop has and could not, or not sensibly, tell. `next` is where the
    next page begins, None on the last.
    """

    account: AccountSnapshot | None
    orders: tuple[OrderSnapshot, ...]
    unreadable: tuple[str, ...]
    next: str | None


def person_history(
    saleor: Saleor, *, user_id: str | None, emails: Sequence[str], clock: Clock, after: str | None = None
) -> HistoryPage:
    """Read up to 100 orders of a user and of these addresses (as typed: Saleor compares letter by letter).

    One request a page. The account is the user's, or without a `user_id` the one of the first address. Only when an
    order makes the whole page unreadable are its orders asked for one by one, in a few requests. Raise Refused when
    a permission is missing, else Transient or Permanent as `Saleor.execute` does.
    """
    if not user_id and not emails:
        return HistoryPage(account=None, orders=(), unreadable=(), next=None)
    asked = {"where": _where(user_id, emails), "after": after}
    whom = {"user": user_id} if user_id else {"email": emails[0].lower()}
    seen_at = clock()
    answer = saleor.ask(operation("person_history", "account", "order"), {**whom, **asked}, name=NAME)
    _check(answer)
    account = _account(answer.data.get("account"), seen_at=seen_at)
    if answer.data.get("orders") is None:
        page, (orders, unreadable) = _around_the_bad(saleor, asked, clock=clock)
    else:
        page = _page(answer.data["orders"], name=NAME)
        orders, unreadable = _snapshots(page["nodes"], answer.problems, seen_at=seen_at)
    return HistoryPage(
        account=account,
        orders=orders,
        unreadable=unreadable,
        next=page["next"],
    )


def _account(data: object, *, seen_at: datetime) -> AccountSnapshot | None:
    try:
        return None if data is None else shapes.account(data, seen_at=seen_at)
    except Invalid as error:
        raise Permanent(f"{NAME}: {error}") from None


def _where(user_id: str | None, emails: Sequence[str]) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = []
    if user_id:
        conditions.append({"user": {"eq": user_id}})
    if emails:
        conditions.append({"userEmail": {"oneOf": list(emails)}})
    return {"OR": conditions} if len(conditions) > 1 else conditions[0]


def _check(answer: Answer) -> None:
    """Raise what is wrong with more than single orders."""
    for problem in answer.problems:
        if problem.denied:
            raise Refused(f"{NAME}: Saleor answered {problem}.")
        if not _in_an_order(problem):
            raise Transient(f"{NAME}: Saleor answered {problem}.")
    if answer.data.get("orders") is None and not answer.problems:
        raise Transient(f"{NAME}: Saleor's answer has no orders.")


def _in_an_order(problem: Problem) -> bool:
    return problem.path[:2] == ("orders", "edges") and len(problem.path) > FIELD


def _page(orders: object, *, name: str) -> dict[str, Any]:
    try:
        loaded = _PageShape().load(orders)  # type: ignore[arg-type] # it says so itself when this is no mapping
    except ValidationError:
        raise Transient(f"{name}: Saleor's answer has an unknown shape.") from None
    more = loaded["info"]["more"]
    if more and not loaded["info"]["cursor"]:
        raise Transient(f"{name}: Saleor says that there is more, and not where.")
    return {
        "nodes": [edge["node"] for edge in loaded["edges"]],
        "next": loaded["info"]["cursor"] if more else None,
    }


def _snapshots(nodes: Sequence[Any], problems: Sequence[Problem], *, seen_at: datetime) -> _Orders:
    """Return the orders that could be read and the ids of the others."""
    spoilt = {problem.path[PLACE] for problem in problems if problem.path[FIELD] not in DISPENSABLE}
    told = [None if place in spoilt else _told(node, seen_at=seen_at) for place, node in enumerate(nodes)]
    unreadable = (str(node.get("id")) for node, order in zip(nodes, told, strict=True) if order is None)
    return tuple(order for order in told if order is not None), tuple(unreadable)


def _told(node: object, *, seen_at: datetime) -> OrderSnapshot | None:
    try:
        return shapes.order(node, seen_at=seen_at)
    except Invalid:
        return None


def _around_the_bad(
    saleor: Saleor, asked: Mapping[str, Any], *, clock: Clock
) -> tuple[dict[str, Any], _Orders]:
    """Read a page whose orders cannot be read together: first their ids, then each by itself."""
    answer = saleor.execute(operation("person_order_ids"), asked, name=IDS)
    page = _page(answer.get("orders"), name=IDS)
    return page, _one_by_one(saleor, [str(node.get("id")) for node in page["nodes"]], seen_at=clock())


def _one_by_one(saleor: Saleor, ids: Sequence[str], *, seen_at: datetime) -> _Orders:
    """Read orders so that none spoils another; those that fail, again without the fields that failed.

    Saleor names one bad field of an order at a time, so this goes on for as long as a new one comes up.
    """
    read: tuple[OrderSnapshot, ...] = ()
    unreadable: tuple[str, ...] = ()
    waiting, without = list(ids), frozenset[str]()
    while waiting:
        nodes, failed = _asked_singly(saleor, waiting, without=without)
        more_read, more_unreadable = _snapshots(nodes, (), seen_at=seen_at)
        read, unreadable = read + more_read, unreadable + more_unreadable
        waiting = list(failed)
        new = (DISPENSABLE - without) & set().union(*failed.values())
        if not new:
            return read, unreadable + tuple(waiting)
        without |= new
    return read, unreadable


def _asked_singly(
    saleor: Saleor, ids: Sequence[str], *, without: frozenset[str]
) -> tuple[list[Any], dict[str, set[str]]]:
    """Return the orders that came, and of the others the fields that failed; one deleted meanwhile is neither."""
    variables = {f"order{place}": order_id for place, order_id in enumerate(ids)}
    answer = saleor.ask(singly(len(ids), without=without), variables, name=SINGLY)
    failed: dict[str, set[str]] = {}
    for problem in answer.problems:
        if problem.denied:
            raise Refused(f"{SINGLY}: Saleor answered {problem}.")
        order_id = variables.get(str(problem.path[0] if problem.path else ""))
        if order_id is None:
            raise Transient(f"{SINGLY}: Saleor answered {problem}.")
        failed.setdefault(order_id, set()).update(map(str, problem.path[1:2]))
    came = [answer.data.get(alias) for alias, order_id in variables.items() if order_id not in failed]
    return [node for node in came if node is not None], failed


@cache
def singly(count: int, *, without: frozenset[str] = frozenset()) -> str:
    """Return the question for so many orders by their ids, without some of the fields of `DISPENSABLE`."""
    fragment = operation("order.fragment")
    for field in without:
        fragment = re.sub(rf"^  {field}( {{\n.*?^  }})?\n", "", fragment, flags=re.MULTILINE | re.DOTALL)
    declared = ", ".join(f"$order{place}: ID!" for place in range(count))
    orders = "".join(
        f"  order{place}: order(id: $order{place}) {{ ...OrderFacts }}\n" for place in range(count)
    )
    return f"query {SINGLY}({declared}) {{\n{orders}}}\n{fragment}"


class _Shape(Schema):
    class Meta:
        unknown = EXCLUDE


class _EdgeShape(_Shape):
    node = fields.Dict(required=True)


class _InfoShape(_Shape):
    more = fields.Boolean(required=True, data_key="hasNextPage")
    cursor = fields.String(load_default=None, allow_none=True, data_key="endCursor")


class _PageShape(_Shape):
    edges = fields.List(fields.Nested(_EdgeShape), required=True)
    info = fields.Nested(_InfoShape, required=True, data_key="pageInfo")
