"""The demo page and what it asks: people, orders, actions on them, and the live feed, all as JSON."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any
from urllib.parse import urlencode, urlsplit

import flask

from sandbox.crowd import Person, person, pick, search, spent
from sandbox.feed import Feed, standing
from sandbox.model import Order, Refusal
from sandbox.shop import Shop

FILES = {"page.css": "text/css", "page.js": "text/javascript", "feed.js": "text/javascript"}
FILES |= {"texts.js": "text/javascript", "frame.js": "text/javascript", "icon.svg": "image/svg+xml"}
DASHBOARD_VERSION = {"3.22": "3.22.21", "3.23": "3.23.6"}
CENT = Decimal("0.01")
Json = dict[str, Any] | list[Any]


def add_page(app: flask.Flask, shop: Shop) -> None:
    """Put the page and its JSON routes on the shop's application."""
    page = Page(shop)
    routes: list[tuple[str, str, Callable[..., Any]]] = [
        ("GET", "/", lambda: _file("index.html", "text/html")),
        ("GET", "/dashboard", lambda: _file("frame.html", "text/html")),
        ("GET", "/_sandbox/files/<name>", lambda name: _file(name, FILES.get(name))),
        ("GET", "/_sandbox/summary", page.summary),
        ("GET", "/_sandbox/feed", page.feed.shown),
        ("GET", "/_sandbox/people", page.people),
        ("GET", "/_sandbox/person", page.person),
        ("GET", "/_sandbox/frame", page.frame),
        ("POST", "/_sandbox/pick", page.pick),
        ("POST", "/_sandbox/accounts", page.register),
        ("POST", "/_sandbox/accounts/confirm", page.confirm),
        ("POST", "/_sandbox/orders", page.order),
        ("POST", "/_sandbox/orders/<int:number>/<what>", page.change),
    ]
    for method, rule, view in routes:
        app.add_url_rule(rule, f"{method} {rule}", _guarded(view), methods=[method])
    app.before_request(_own_page_only)
    app.after_request(lambda answer: _headers(answer, shop))
    app.register_error_handler(Refusal, lambda error: ({"error": str(error), "code": error.code}, 409))


def _guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    def answer(**args: Any) -> Any:  # noqa: ANN401 - whatever the route takes
        found = view(**args)
        return flask.jsonify(found) if isinstance(found, list) else found

    return answer


def _own_page_only() -> tuple[Json, int] | None:
    """Refuse what another site's page sends: only this page orders in somebody's name."""
    origin = flask.request.headers.get("Origin")
    own = flask.request.path.startswith("/_sandbox/") and flask.request.method != "GET"
    if own and origin and urlsplit(origin).netloc != flask.request.host:
        return {"error": "this is not your shop"}, 403
    return None


def _headers(answer: flask.Response, shop: Shop) -> flask.Response:
    app = shop.app
    parts = urlsplit(app.app_url) if app else None
    frames = f"{parts.scheme}://{parts.netloc}" if parts else "'none'"
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"frame-src {frames}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _file(name: str, kind: str | None) -> flask.Response:
    if kind is None:
        return flask.Response("no such file", status=404)
    text = resources.files("sandbox").joinpath("static", name).read_text(encoding="utf-8")
    return flask.Response(text, mimetype=kind)


class Page:
    """What the page can ask and do; each method answers one route."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.feed = Feed(shop)

    def summary(self) -> Json:
        """Tell what stands in the shop."""
        shop = self.shop
        with shop.store.lock:
            orders = list(shop.store.orders.values())
            accounts = [one for one in shop.store.accounts.values() if not one.is_staff]
        app = shop.app
        return {
            "name": shop.name,
            "version": shop.full_version,
            "currency": shop.currency,
            "accounts": len(accounts),
            "guests": len({one.user_email.lower() for one in orders if one.user_id is None}),
            "orders": len(orders),
            "since": min((one.created for one in orders), default=shop.now()).isoformat(),
            "spent": float(sum((spent(one) for one in orders if _counts(one)), Decimal(0))),
            "app": None
            if app is None
            else {"name": app.name, "version": app.version, "active": app.is_active},
        }

    def people(self) -> Json:
        """Find people by what was typed."""
        with self.shop.store.lock:
            return [self._brief(one) for one in search(self.shop, flask.request.args.get("search", ""))]

    def person(self) -> Json:
        """Tell everything about one person, with the app's own word on him."""
        asked = flask.request.args
        with self.shop.store.lock:
            found = person(self.shop, user_id=asked.get("userId"), email=asked.get("email"))
        return self._full(found)

    def pick(self) -> Json:
        """Choose somebody of a kind; a new account is registered, and that shows in the feed."""
        kind = str(_told().get("kind", ""))
        if kind != "account":
            with self.shop.store.lock:
                return self._full(pick(self.shop, kind))
        with self.feed.doing("registered", None) as action:
            found = pick(self.shop, kind)
            action.person = found
            self._aims(action.targets, found)
        return self._full(found)

    def register(self) -> Json:
        """Let a visitor register; unconfirmed."""
        email = str(_told().get("email", ""))
        guest = person(self.shop, email=email)
        with self.feed.doing("registered", guest) as action:
            self.shop.register_account(email)
            action.person = person(self.shop, email=email)
            self._aims(action.targets, action.person)
        return self._full(action.person)

    def confirm(self) -> Json:
        """Let the owner of an account follow the link in his mail."""
        found = person(self.shop, user_id=str(_told().get("userId", "")))
        with self.feed.doing("confirmed", found) as action:
            self.shop.confirm_account(found.key["userId"])
            self._aims(action.targets, person(self.shop, **_named(found)))
        return self._full(person(self.shop, **_named(found)))

    def order(self) -> Json:
        """Place a paid order as an account or a guest."""
        told = _told()
        buyer = person(self.shop, user_id=told.get("userId"), email=told.get("email"))
        total = _amount(told.get("total"), least=CENT)
        with self.feed.doing("ordered", buyer, total=float(total), currency=self.shop.currency) as action:
            made = self.shop.place_order(buyer.account, email=buyer.email, total=total)
            action.details["number"] = made.number
            self._aims(action.targets, person(self.shop, **_named(buyer)))
        return self._full(person(self.shop, **_named(buyer)))

    def change(self, number: int, what: str) -> Json:
        """Refund an order, in full or in part, or cancel it."""
        order = self.shop.order(number)
        buyer = _buyer(self.shop, order)
        acts: dict[str, Callable[[], Order]] = {
            "refund": lambda: self.shop.refund(order),
            "part": lambda: self.shop.refund(order, _part(order)),
            "cancel": lambda: self.shop.cancel(order),
        }
        if what not in acts:
            raise Refusal(f"an order cannot be made to {what}")
        with self.feed.doing(what, buyer, number=number, currency=order.currency) as action:
            after = acts[what]()
            action.details["total"] = float(after.refunded - order.refunded)
            self._aims(action.targets, buyer)
        return self._full(person(self.shop, **_named(buyer)))

    def frame(self) -> Json:
        """Tell the page that plays the Dashboard what to frame, and with which token."""
        app = self.shop.app
        if app is None:
            raise Refusal("no app is installed")
        query = {"domain": self.shop.domain, "saleorApiUrl": self.shop.api_url, "id": app.gid}
        return {
            "src": f"{app.app_url}{'&' if '?' in app.app_url else '?'}{urlencode(query)}",
            "name": app.name,
            "shop": self.shop.name,
            "token": self.shop.staff_token(),
            "saleorVersion": self.shop.full_version,
            "dashboardVersion": DASHBOARD_VERSION[self.shop.version],
        }

    def _aims(self, targets: set[str], found: Person) -> None:
        targets |= {order.gid for order in found.orders}
        if found.account:
            targets.add(found.account.gid)

    def _brief(self, found: Person) -> dict[str, Any]:
        return {
            "userId": found.account.gid if found.account else None,
            "email": found.email,
            "name": found.name,
            "confirmed": bool(found.account and found.account.is_confirmed),
            "orders": len(found.orders),
        }

    def _full(self, found: Person) -> dict[str, Any]:
        return self._brief(found) | {
            "standing": standing(self.shop, found),
            "written": _written(found),
            "list": [_order(one) for one in found.orders[:12]],
        }


def _named(found: Person) -> dict[str, str]:
    return {"user_id": found.account.gid} if found.account else {"email": found.email}


def _buyer(shop: Shop, order: Order) -> Person:
    account = shop.store.accounts.get(order.user_id or 0)
    return person(shop, user_id=account.gid if account else None, email=order.user_email)


def _told() -> dict[str, Any]:
    found = flask.request.get_json(silent=True)
    return found if isinstance(found, dict) else {}


def _amount(typed: object, *, least: Decimal) -> Decimal:
    try:
        found = Decimal(str(typed).strip().replace(",", ".")).quantize(CENT)
    except InvalidOperation:
        raise Refusal(f"{typed} is no amount", code="amount") from None
    if not least <= found <= Decimal(100_000):
        raise Refusal(f"{typed} is no amount for an order", code="amount")
    return found


def _part(order: Order) -> Decimal:
    return max((order.charged / 3).quantize(CENT), CENT)


def _counts(order: Order) -> bool:
    return order.status not in {"CANCELED", "EXPIRED"} and order.charged + order.refunded >= order.total


def _order(order: Order) -> dict[str, Any]:
    return {
        "number": order.number,
        "created": order.created.isoformat(),
        "status": order.status,
        "total": float(order.total),
        "refunded": float(order.refunded),
        "currency": order.currency,
        "items": ", ".join(line.product_name for line in order.lines),
        "canRefund": order.charged > 0,
        "canCancel": order.status == "UNFULFILLED",
    }


def _written(found: Person) -> dict[str, Any]:
    """Return the app's own keys on the account, or on a guest's newest order that has them."""
    owners = [found.account] if found.account else list(found.orders)
    for owner in owners:
        public = {key: value for key, value in owner.metadata.items() if key.startswith("herkend.")}
        private = {key: value for key, value in owner.private_metadata.items() if key.startswith("herkend.")}
        if public or private:
            return {"public": public, "private": private}
    return {"public": {}, "private": {}}
