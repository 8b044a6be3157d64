"""Events: what a webhook's subscription is asked of, and the body that comes out."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from graphql import execute_sync

from sandbox import api, schema
from sandbox.access import Context
from sandbox.model import Account, App, Order, Webhook
from sandbox.words import FAMILIES, typename

if TYPE_CHECKING:
    from sandbox.state import State

Subject = Order | Account | App


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as one app is told of it."""

    typename: str
    issued_at: datetime
    version: str
    issuing_principal: Account | App | None
    recipient: App
    order: Order | None = None
    user: Account | None = None
    app: App | None = None
    redirect_url: str | None = None
    channel: Any = None
    shop: Any = None


def wanted(shop: "State", event: str, subject: Subject) -> list[tuple[App, Webhook]]:
    """Return the webhooks that hear of this: of apps that are active, permitted, and still installed.

    An app hears of its own end and of being switched off all the same, from 3.23 on; 3.22 never tells it.
    """
    family = event.partition("_")[0]
    if family == "app":
        if shop.version == "3.22":
            return []
        apps = [one for one in shop.store.apps.values() if isinstance(subject, App) and one.id == subject.id]
    else:
        permission = FAMILIES[family]
        apps = [
            one
            for one in shop.store.apps.values()
            if one.is_active and not one.removed and permission in one.permissions
        ]
    return [(app, hook) for app in apps for hook in app.webhooks if hook.is_active and event in hook.events]


def body(
    shop: "State", event: str, subject: Subject, *, app: App, hook: Webhook, principal: Account | App | None
) -> bytes | None:
    """Run the webhook's own query on the event; None where it asks for nothing of this event."""
    told = Event(
        typename=typename(event),
        issued_at=shop.now(),
        version=shop.full_version,
        issuing_principal=principal,
        recipient=app,
        order=subject if isinstance(subject, Order) else None,
        user=subject if isinstance(subject, Account) else None,
        app=subject if isinstance(subject, App) else None,
        shop=shop.facts(),
    )
    result = execute_sync(
        schema.load(shop.version),
        schema.checked(shop.version, hook.query),
        root_value=told,
        context_value=Context(shop=shop, app=app),
    )
    payload = dict((result.data or {}).get("event") or {})
    if not payload:
        return None
    if result.errors:
        payload["errors"] = [api.shown(error) for error in result.errors]
    return json.dumps(payload).encode()
