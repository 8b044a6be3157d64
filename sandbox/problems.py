"""What an app tells staff of: problems, merged by key for an hour, and dismissed by either side."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from typing import Any

from graphql import GraphQLResolveInfo

from sandbox.access import own_app
from sandbox.model import App, AppProblem

Info = GraphQLResolveInfo[Any]
LONGEST_MESSAGE = 2048
LONGEST_KEY = 128
SHORTEST = 3
MOST = 100


def listed(app: App, _info: Info, *, limit: int | None = None) -> list[AppProblem]:
    """Answer `problems`."""
    return list(app.problems[:limit])


def create(_source: object, info: Info, *, input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - Saleor's name
    """Answer `appProblemCreate`: a problem of that key that stands and is fresh counts one more."""
    app, shop = own_app(info), info.context.shop
    key, message = input["key"], input["message"]
    if len(message) < SHORTEST or not SHORTEST <= len(key) <= LONGEST_KEY:
        return {"appProblem": None, "errors": [_error("key", "Ensure it has the right length.", "INVALID")]}
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 3] + "..."
    now, fresh = shop.now(), timedelta(minutes=input.get("aggregationPeriod") or 0)
    old = next((one for one in app.problems if one.key == key and one.dismissed_by is None), None)
    if old is not None and fresh and old.updated_at >= now - fresh:
        problem = replace(old, count=old.count + 1, message=message, updated_at=now)
    else:
        number = shop.store.next("problem")
        problem = AppProblem(id=number, key=key, message=message, created_at=now, updated_at=now)
    others = [one for one in app.problems if one.id != problem.id]
    shop.store.put(replace(app, problems=tuple([problem, *others][:MOST])))
    return {"appProblem": problem, "errors": []}


def dismiss(_source: object, info: Info, *, input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002 - Saleor's name
    """Answer `appProblemDismiss`, as far as apps may: their own, by ids or by keys."""
    app = own_app(info)
    meant = input.get("byApp") or {}
    ids, keys = meant.get("ids"), meant.get("keys")
    if bool(ids) == bool(keys):
        return {"errors": [_error("byApp", "Must provide either 'ids' or 'keys'.", "REQUIRED")]}
    if len(ids or keys or ()) > MOST:
        return {"errors": [_error("keys", f"Cannot specify more than {MOST} items.", "INVALID")]}
    numbers = {one.key for one in app.problems if one.gid in (ids or ())}
    found = dismissed(app.problems, keys=set(keys or ()) | numbers, by="APP")
    info.context.shop.store.put(replace(app, problems=found))
    return {"errors": []}


def dismissed(problems: tuple[AppProblem, ...], *, keys: AbstractSet[str], by: str) -> tuple[AppProblem, ...]:
    """Return the problems with those of these keys dismissed that still stand."""
    return tuple(
        replace(one, dismissed_by=by) if one.key in keys and one.dismissed_by is None else one
        for one in problems
    )


def _error(field: str, message: str, code: str) -> dict[str, str]:
    return {"field": field, "message": message, "code": code}
