"""What we ask and change about our own app in a shop: its permissions, its webhooks, and what did not arrive."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import fields

from plugin.errors import Permanent, Refused, Transient
from plugin.saleor.answers import Shape, read
from plugin.saleor.client import Saleor, operation
from plugin.saleor.own_app import LONGEST_VERSION, OwnApp, Subscription, Webhook, knows_identifiers
from plugin.saleor.shapes import Exact

BUSY = "DELETE_FAILED"
LONGEST_MESSAGE = 200


def shop_version(saleor: Saleor) -> str:
    """Return the shop's full version; no permission is needed."""
    data = saleor.execute(operation("shop_version"), {}, name="ShopVersion")
    version: str = read(_ShopAnswer(), data, name="ShopVersion")["shop"]["version"]
    return version


def own_app(saleor: Saleor, *, version: str) -> OwnApp:
    """Return our app as the shop of that version knows it; raise Refused when the token is nobody's."""
    document = operation("own_app.3.23" if knows_identifiers(version) else "own_app")
    data = saleor.execute(document, {}, name="OwnApp")
    if data.get("app") is None:
        raise Refused("OwnApp: Saleor knows no app by this token.")
    app = read(_OwnAppAnswer(), data, name="OwnApp")["app"]
    return OwnApp(
        id=app["id"],
        active=bool(app["active"]),
        permissions=frozenset(one["code"] for one in app["permissions"] or ()),
        webhooks=tuple(_webhook(one) for one in app["webhooks"] or ()),
    )


def failed_deliveries(saleor: Saleor) -> Mapping[str, tuple[datetime, ...]]:
    """Return when the last deliveries that failed for good were made, newest first, by webhook: 100 each at most.

    Saleor keeps them for two weeks.
    """
    data = saleor.execute(operation("failed_deliveries"), {}, name="FailedDeliveries")
    if data.get("app") is None:
        raise Refused("FailedDeliveries: Saleor knows no app by this token.")
    app = read(_FailedAnswer(), data, name="FailedDeliveries")["app"]
    return {
        hook["id"]: tuple(
            edge["node"]["created_at"] for edge in (hook["deliveries"] or {"edges": ()})["edges"]
        )
        for hook in app["webhooks"] or ()
    }


def create_webhook(saleor: Saleor, says: Subscription, *, version: str) -> str:
    """Make a webhook; return its id."""
    given = {"input": _input(says, version=version)}
    done = _done(saleor, "create_webhook", given, name="CreateWebhook", field="webhookCreate")
    if done["webhook"] is None:
        raise Transient("CreateWebhook: Saleor's answer has an unknown shape.")
    number: str = done["webhook"]["id"]
    return number


def update_webhook(saleor: Saleor, webhook_id: str, says: Subscription, *, version: str) -> None:
    """Have a webhook say all of this."""
    given = {"id": webhook_id, "input": _input(says, version=version)}
    _done(saleor, "update_webhook", given, name="UpdateWebhook", field="webhookUpdate")


def delete_webhook(saleor: Saleor, webhook_id: str) -> None:
    """Delete a webhook; raise Transient while something is on its way there: it is switched off then."""
    _done(saleor, "delete_webhook", {"id": webhook_id}, name="DeleteWebhook", field="webhookDelete")


def _input(says: Subscription, *, version: str) -> dict[str, Any]:
    """Write all of it out: events that are not named would be guessed from the query."""
    given = {
        "name": says.name,
        "targetUrl": says.target_url,
        "query": says.query,
        "asyncEvents": list(says.events),
        "isActive": says.active,
    }
    return given | ({"identifier": says.identifier or ""} if knows_identifiers(version) else {})


def _done(
    saleor: Saleor, document: str, given: Mapping[str, Any], *, name: str, field: str
) -> dict[str, Any]:
    data = saleor.execute(operation(document), given, name=name)
    answer = read(_DoneAnswer(), data.get(field) or {}, name=name)
    errors = answer["errors"]
    if any(error["code"] == BUSY for error in errors):
        raise Transient(
            f"{name}: a delivery is on its way there; it is switched off and can be deleted later."
        )
    if errors:
        raise Permanent(f"{name}: {'; '.join(map(_words, errors))}")
    return answer


def _words(error: Mapping[str, Any]) -> str:
    return (
        f"{error['code']} at {error['field'] or 'the webhook'}: {(error['message'] or '')[:LONGEST_MESSAGE]}"
    )


def _webhook(told: Mapping[str, Any]) -> Webhook:
    return Webhook(
        id=told["id"],
        says=Subscription(
            name=told["name"] or "",
            identifier=told["identifier"] or None,
            target_url=told["target_url"],
            query=told["query"] or "",
            events=tuple(sorted(event["type"] for event in told["events"])),
            active=told["active"],
        ),
    )


class _Shop(Shape):
    version = Exact(least=0, most=LONGEST_VERSION)


class _ShopAnswer(Shape):
    shop = fields.Nested(_Shop, required=True)


class _Permission(Shape):
    code = fields.String(required=True)


class _Event(Shape):
    type = fields.String(required=True, data_key="eventType")


class _Webhook(Shape):
    id = fields.String(required=True)
    name = fields.String(load_default="", allow_none=True)
    identifier = fields.String(load_default=None, allow_none=True)
    target_url = fields.String(required=True, data_key="targetUrl")
    active = fields.Boolean(required=True, data_key="isActive")
    query = fields.String(load_default="", allow_none=True, data_key="subscriptionQuery")
    events = fields.List(fields.Nested(_Event), required=True, data_key="asyncEvents")


class _OwnApp(Shape):
    id = fields.String(required=True)
    active = fields.Boolean(required=True, allow_none=True, data_key="isActive")
    permissions = fields.List(fields.Nested(_Permission), required=True, allow_none=True)
    webhooks = fields.List(fields.Nested(_Webhook), required=True, allow_none=True)


class _OwnAppAnswer(Shape):
    app = fields.Nested(_OwnApp, required=True)


class _Delivery(Shape):
    created_at = fields.AwareDateTime(required=True, data_key="createdAt")


class _Edge(Shape):
    node = fields.Nested(_Delivery, required=True)


class _Deliveries(Shape):
    edges = fields.List(fields.Nested(_Edge), required=True)


class _FailedWebhook(Shape):
    id = fields.String(required=True)
    deliveries = fields.Nested(_Deliveries, required=True, allow_none=True, data_key="eventDeliveries")


class _FailedApp(Shape):
    webhooks = fields.List(fields.Nested(_FailedWebhook), required=True, allow_none=True)


class _FailedAnswer(Shape):
    app = fields.Nested(_FailedApp, required=True)


class _Error(Shape):
    field = fields.String(load_default=None, allow_none=True)
    message = fields.String(load_default=None, allow_none=True)
    code = fields.String(required=True)


class _Created(Shape):
    id = fields.String(required=True)


class _DoneAnswer(Shape):
    errors = fields.List(fields.Nested(_Error), required=True)
    webhook = fields.Nested(_Created, load_default=None, allow_none=True)
