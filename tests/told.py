"""What a shop tells in tests: a registered shop, deliveries as JSON, and the inbox filled with them."""

import json
from datetime import UTC, datetime, timedelta

from plugin.inbox import store as inbox
from plugin.installation import Installation
from plugin.secret import Secret
from plugin.shops import store as shops

APP_ID = "QXBwOjE="
MOMENT = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def register(
    installation: Installation,
    *,
    name: str = "shop",
    app_id: str = APP_ID,
    api_url: str | None = None,
    jwks: dict | None = None,
) -> shops.Shop:
    with installation.db.begin() as connection:
        return shops.register(
            connection,
            api_url=api_url or f"http://{name}.example/graphql/",
            domain=f"{name}.example",
            app_id=app_id,
            token=installation.vault.lock(Secret("token")),
            saleor_version="3.23.28",
            jwks=jwks or {"keys": []},
            main_currency="EUR",
            now=installation.clock(),
        )


def order(id_: str = "order-1", *, at: datetime = MOMENT, **changes) -> dict:
    return {
        "id": id_,
        "number": id_,
        "status": "UNFULFILLED",
        "origin": "CHECKOUT",
        "created": at.isoformat(),
        "updatedAt": at.isoformat(),
        "user": None,
        "userEmail": "ada@example.com",
        "total": {"gross": {"amount": 10.0, "currency": "EUR"}},
        "undiscountedTotal": {"gross": {"amount": 10.0}},
        "totalCharged": {"amount": 10.0},
        "totalRefunded": {"amount": 0.0},
    } | changes


def account(id_: str = "user-1", *, at: datetime = MOMENT, **changes) -> dict:
    return {
        "id": id_,
        "email": "ada@example.com",
        "isConfirmed": True,
        "isActive": True,
        "firstName": "Ada",
        "lastName": "Lab",
        "languageCode": "NL",
        "dateJoined": at.isoformat(),
        "updatedAt": at.isoformat(),
    } | changes


def event(typename: str, *, issued: datetime | None = None, app_id: str = APP_ID, **subject) -> dict:
    return {
        "__typename": typename,
        "issuedAt": (issued or MOMENT).isoformat(),
        "version": "3.23.28",
        "issuingPrincipal": None,
        "recipient": {"id": app_id},
        **subject,
    }


def later(**by: float) -> datetime:
    return MOMENT + timedelta(**by)


def keep(installation: Installation, shop: shops.Shop, name: str, payload: object) -> None:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with installation.db.begin() as connection:
        arrival = inbox.Arrival(
            shop_id=shop.id,
            app_id=shop.app_id,
            event=name,
            body=body,
            issued_at=None,
            traceparent=None,
            received_at=installation.clock(),
        )
        assert inbox.keep(connection, [arrival]) == [True]
