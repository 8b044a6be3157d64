"""What each field answers, and the permission it asks for; what is not here is the attribute of that name."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox import hooks, lists, metadata, problems
from sandbox.access import Context, denied, require
from sandbox.model import Account, App, Delivery, Line, Money, Order, Payment, Webhook, from_gid, gid
from sandbox.words import PERMISSIONS

Info = GraphQLResolveInfo[Any]
Resolver = Callable[..., Any]
ASKERS = ("MANAGE_USERS", "MANAGE_ORDERS", "HANDLE_PAYMENTS", "HANDLE_TAXES", "OWNER")
SORT_USERS: dict[str, Callable[[Account], Any]] = {
    "FIRST_NAME": lambda one: one.first_name,
    "LAST_NAME": lambda one: one.last_name,
    "EMAIL": lambda one: one.email,
    "CREATED_AT": lambda one: one.date_joined.isoformat(),
    "LAST_MODIFIED_AT": lambda one: one.updated_at.isoformat(),
}
SORT_ORDERS: dict[str, Callable[[Order], Any]] = {
    "NUMBER": lambda one: one.number,
    "CREATED_AT": lambda one: one.created.isoformat(),
    "LAST_MODIFIED_AT": lambda one: one.updated_at.isoformat(),
}
NAMES = {Account: "User", Order: "Order", App: "App"}


def plain(source: Any, info: Info, **_args: Any) -> Any:  # noqa: ANN401 - any field of any source
    """Answer with the attribute (or key) that bears the field's name in snake case."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", info.field_name).lower()
    return source[info.field_name] if isinstance(source, dict) else getattr(source, name)


def named(value: Any, _info: Info, _kind: object) -> str:  # noqa: ANN401 - anything behind an interface
    """Tell the concrete type of what stands behind an interface or a union."""
    return NAMES.get(type(value)) or str(value.typename)


def _shop(info: Info) -> Any:  # noqa: ANN401 - the State, which imports this module
    context: Context = info.context
    return context.shop


# --- queries


def _app(_source: object, info: Info, *, id: str | None = None) -> App | None:  # noqa: A002 - Saleor's name
    context: Context = info.context
    if context.app is None:
        denied("AUTHENTICATED_STAFF_USER", "AUTHENTICATED_APP")
    if id is not None and context.app is not None and id != context.app.gid:
        denied("MANAGE_APPS", "OWNER")
    return context.app


def _channel(_source: object, info: Info, *, id: str | None = None, slug: str | None = None) -> Any:  # noqa: A002, ANN401 - Saleor's name
    return next((one for one in _shop(info).channels if one["id"] == id or one["slug"] == slug), None)


def _user(_source: object, info: Info, *, id: str | None = None, email: str | None = None) -> Account | None:  # noqa: A002 - Saleor's name
    require(info, "MANAGE_STAFF", "MANAGE_USERS", "MANAGE_ORDERS")
    if (id is None) == (email is None):
        raise GraphQLError("At least one of arguments is required: 'id', 'email', 'external_reference'.")
    store = _shop(info).store
    found: Account | None = (
        store.accounts.get(int(_key("User", id))) if email is None else store.account_at(email)
    )
    return found


def _key(kind: str, text: str | None) -> str:
    try:
        found, key = from_gid(text or "")
    except ValueError:
        raise GraphQLError(f"Invalid ID: {text}. Expected: {kind}.") from None
    if found != kind or (kind == "User" and not key.isdecimal()):
        raise GraphQLError(f"Invalid ID: {text}. Expected: {kind}, received: {found}.")
    return key


def _customers(_source: object, info: Info, **args: Any) -> lists.Connection:  # noqa: ANN401 - the field's arguments
    require(info, "MANAGE_ORDERS", "MANAGE_USERS")
    narrowed = args.get("filter") or {}
    search = (args.get("search") or narrowed.get("search") or "").lower()
    where = args.get("where") or {key: value for key, value in narrowed.items() if key != "search"}
    lists.check_where(where)
    rows = [
        one
        for one in _shop(info).store.accounts.values()
        if not one.is_staff
        and lists.matches(where, partial(lists.of_account, one), one.metadata)
        and search in f"{one.email} {one.first_name} {one.last_name}".lower()
    ]
    sort = args.get("sortBy") or {"field": "EMAIL", "direction": "ASC"}
    by = SORT_USERS[sort["field"]]
    return lists.page(
        info, rows, key=lambda one: (by(one), one.id), descending=sort["direction"] == "DESC", args=args
    )


def _order(_source: object, info: Info, *, id: str | None = None) -> Order | None:  # noqa: A002 - Saleor's name
    found: Order | None = _shop(info).store.orders.get(_key("Order", id))
    return found


def _orders(_source: object, info: Info, **args: Any) -> lists.Connection:  # noqa: ANN401 - the field's arguments
    require(info, "MANAGE_ORDERS")
    shop, search = _shop(info), (args.get("search") or "").lower()
    rows = [
        one
        for one in lists.orders_matching(shop.store, args.get("where"), channels=_channel_ids(shop))
        if one.status != "DRAFT"
        and args.get("channel") in {None, one.channel}
        and search in f"{one.number} {one.user_email}".lower()
    ]
    return _order_page(info, rows, args)


def _order_page(info: Info, rows: list[Order], args: dict[str, Any]) -> lists.Connection:
    sort = args.get("sortBy") or {"field": "NUMBER", "direction": "DESC"}
    by = SORT_ORDERS[sort["field"]]
    return lists.page(
        info, rows, key=lambda one: (by(one), one.id), descending=sort["direction"] == "DESC", args=args
    )


def _channel_ids(shop: Any) -> dict[str, str]:  # noqa: ANN401 - see _shop
    return {one["slug"]: one["id"] for one in shop.channels}


def _orders_of(account: Account, info: Info, **args: Any) -> lists.Connection:  # noqa: ANN401 - the field's arguments
    require(info, "MANAGE_USERS", "MANAGE_ORDERS", "OWNER")
    shop, where = _shop(info), args.get("where")
    found = lists.orders_matching(shop.store, where, channels=_channel_ids(shop)) if where else None
    fitting = None if found is None else {order.id for order in found}
    rows = [one for one in shop.store.orders_of(account) if fitting is None or one.id in fitting]
    return _order_page(info, rows, args)


# --- the shop and its apps


def _permissions(app: App, _info: Info) -> list[dict[str, str]]:
    return [{"code": code, "name": PERMISSIONS[code]} for code in sorted(app.permissions)]


def _events(hook: Webhook, _info: Info) -> list[dict[str, str]]:
    return [{"name": name.replace("_", " ").capitalize(), "eventType": name.upper()} for name in hook.events]


def _deliveries(hook: Webhook, info: Info, **args: Any) -> lists.Connection:  # noqa: ANN401 - the field's arguments
    wanted = args.get("filter") or {}
    rows = [
        one
        for one in _shop(info).deliveries.all()
        if one.webhook_id == hook.id
        and wanted.get("status") in {None, one.status.upper()}
        and wanted.get("eventType") in {None, one.event.upper()}
    ]
    return lists.page(info, rows, key=lambda one: (one.id,), descending=True, args=args)


def _payload(delivery: Delivery, _info: Info) -> str:
    return delivery.body.decode()


# --- orders


def _buyer(order: Order, info: Info) -> Account | None:
    if order.user_id is None:
        return None
    require(info, *ASKERS)
    found: Account | None = _shop(info).store.accounts.get(order.user_id)
    return found


def _for_staff(name: str) -> Resolver:
    def answer(order: Order, info: Info) -> Any:  # noqa: ANN401 - a list of that name
        require(info, "MANAGE_ORDERS", "HANDLE_PAYMENTS")
        return getattr(order, name)

    return answer


def _money(amount: Callable[[Order], Decimal]) -> Resolver:
    return lambda order, _info: Money(amount=amount(order), currency=order.currency)


def _taxed(amount: Callable[[Order], Decimal]) -> Resolver:
    return lambda order, _info: taxed(amount(order), order.currency)


def taxed(amount: Decimal, currency: str) -> dict[str, Any]:
    """Return an amount as Saleor's TaxedMoney, without tax."""
    money = Money(amount=amount, currency=currency)
    return {
        "currency": currency,
        "gross": money,
        "net": money,
        "tax": Money(amount=Decimal(0), currency=currency),
    }


def _line(amount: Callable[[Line], Decimal]) -> Resolver:
    return lambda line, _info: taxed(amount(line), line.currency)


def _part(name: str) -> Resolver:
    return lambda part, _info: Money(amount=getattr(part, name), currency=part.currency)


def _payment_steps(payment: Payment, _info: Info) -> list[dict[str, Any]]:
    return [
        {
            "id": gid("Transaction", event.id),
            "created": event.created_at,
            "kind": event.type,
            "isSuccess": True,
            "amount": event,
        }
        for event in payment.events
    ]


FIELDS: dict[tuple[str, str], Resolver] = {
    ("*", "id"): lambda source, _info: source["id"] if isinstance(source, dict) else source.gid,
    ("*", "metadata"): metadata.public_items,
    ("*", "metafield"): metadata.public_field,
    ("*", "metafields"): metadata.public_fields,
    ("*", "privateMetadata"): metadata.private_items,
    ("*", "privateMetafield"): metadata.private_field,
    ("*", "privateMetafields"): metadata.private_fields,
    ("Query", "app"): _app,
    ("Query", "shop"): lambda _source, info: _shop(info).facts(),
    ("Query", "channels"): lambda _source, info: _shop(info).channels,
    ("Query", "channel"): _channel,
    ("Query", "user"): _user,
    ("Query", "customers"): _customers,
    ("Query", "order"): _order,
    ("Query", "orders"): _orders,
    ("Mutation", "updateMetadata"): metadata.update_public,
    ("Mutation", "updatePrivateMetadata"): metadata.update_private,
    ("Mutation", "deleteMetadata"): metadata.delete_public,
    ("Mutation", "deletePrivateMetadata"): metadata.delete_private,
    ("Mutation", "webhookCreate"): hooks.create,
    ("Mutation", "webhookUpdate"): hooks.update,
    ("Mutation", "webhookDelete"): hooks.delete,
    ("Mutation", "appProblemCreate"): problems.create,
    ("Mutation", "appProblemDismiss"): problems.dismiss,
    ("Subscription", "event"): lambda source, _info: source,
    ("App", "permissions"): _permissions,
    ("App", "problems"): problems.listed,
    ("AppProblem", "dismissed"): lambda one, _info: one.dismissed_by and {"by": one.dismissed_by},
    ("Webhook", "app"): lambda _hook, info: info.context.app,
    ("Webhook", "asyncEvents"): _events,
    ("Webhook", "subscriptionQuery"): lambda hook, _info: hook.query,
    ("Webhook", "eventDeliveries"): _deliveries,
    ("EventDelivery", "createdAt"): lambda one, _info: one.created,
    ("EventDelivery", "status"): lambda one, _info: one.status.upper(),
    ("EventDelivery", "eventType"): lambda one, _info: one.event.upper(),
    ("EventDelivery", "payload"): _payload,
    ("User", "orders"): _orders_of,
    ("Order", "user"): _buyer,
    ("Order", "number"): lambda order, _info: str(order.number),
    ("Order", "original"): lambda _order, _info: None,
    ("Order", "channel"): lambda order, info: _channel(None, info, slug=order.channel),
    ("Order", "events"): _for_staff("events"),
    ("Order", "transactions"): _for_staff("transactions"),
    ("Order", "total"): _taxed(lambda order: order.total),
    ("Order", "undiscountedTotal"): _taxed(lambda order: order.undiscounted_total),
    ("Order", "subtotal"): _taxed(lambda order: order.subtotal),
    ("Order", "shippingPrice"): _taxed(lambda _order: Decimal(0)),
    ("Order", "undiscountedShippingPrice"): _money(lambda _order: Decimal(0)),
    ("Order", "totalCharged"): _money(lambda order: order.charged),
    ("Order", "totalRefunded"): _money(lambda order: order.refunded),
    ("Order", "totalCanceled"): _money(lambda _order: Decimal(0)),
    ("Order", "totalGrantedRefund"): _money(lambda _order: Decimal(0)),
    ("Order", "totalBalance"): _money(lambda order: order.charged - order.total),
    ("Order", "externalReference"): lambda _order, _info: None,
    ("Order", "checkoutId"): lambda _order, _info: None,
    ("Money", "amount"): lambda money, _info: float(money.amount),
    ("OrderLine", "unitPrice"): _line(lambda line: line.unit),
    ("OrderLine", "undiscountedUnitPrice"): _line(lambda line: line.undiscounted_unit),
    ("OrderLine", "totalPrice"): _line(lambda line: line.unit * line.quantity),
    ("OrderLine", "voucherCode"): lambda _line, _info: None,
    ("OrderEvent", "email"): lambda _event, _info: None,
    ("OrderEvent", "amount"): lambda event, _info: None if event.amount is None else float(event.amount),
    ("TransactionItem", "token"): lambda item, _info: item.id,
    ("TransactionItem", "chargedAmount"): _part("charged"),
    ("TransactionItem", "refundedAmount"): _part("refunded"),
    ("TransactionItem", "message"): lambda _item, _info: "",
    ("TransactionItem", "pspReference"): lambda _item, _info: "",
    ("TransactionEvent", "id"): lambda event, _info: gid("TransactionEvent", event.id),
    ("TransactionEvent", "amount"): _part("amount"),
    ("TransactionEvent", "message"): lambda _event, _info: "",
    ("TransactionEvent", "pspReference"): lambda _event, _info: "",
    ("Payment", "isActive"): lambda _payment, _info: True,
    ("Payment", "total"): _part("total"),
    ("Payment", "capturedAmount"): _part("captured"),
    ("Payment", "transactions"): _payment_steps,
    ("GiftCard", "displayCode"): lambda card, _info: card.last4_code_chars,
    ("GiftCard", "last4CodeChars"): lambda card, _info: card.last4_code_chars,
}
