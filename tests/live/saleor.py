"""A real Saleor, used as its staff use it: apps, customers, orders, and what stands on them."""

import json
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import requests

PATIENCE = 90.0
TOKEN_SECONDS = 120
ENOUGH = 20  # pieces
IDENTIFIER = "herkend"
# An address that Saleor's check of that country lets pass.
ADDRESSES = {
    "US": ("1 Main St", "NEW YORK", "10001", "NY"),
    "NL": ("Damrak 1", "Amsterdam", "1012 LG", ""),
    "DE": ("Hauptstrasse 1", "Berlin", "10115", ""),
    "GB": ("1 High Street", "LONDON", "SW1A 1AA", ""),
    "PL": ("Prosta 1", "Warszawa", "00-001", ""),
}
STANDING = '{ id tier: metafield(key: "herkend.tier") standing: privateMetafield(key: "herkend.standing") }'


def wait_until(reached: Callable[[], bool], *, what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """What can be bought, where, and sent to which address."""

    channel: str
    channel_slug: str
    currency: str
    variant: str
    address: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    id: str
    name: str


@dataclass(slots=True)
class Saleor:
    """Signed in as staff by a token, or by e-mail and password; takes back what it made when it is left."""

    api_url: str
    token: str = field(repr=False)
    email: str = field(repr=False)
    password: str = field(repr=False)
    signed_in: float = 0.0
    ours: bool = False
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    customers: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    found: Goods | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.api_url).netloc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Orders cannot be deleted: they are cancelled, which gives the stock back."""
        for order in self.orders:
            self.ask("mutation($id: ID!) { orderCancel(id: $id) { errors { code } } }", id=order)
        for customer in self.customers:
            self.ask("mutation($id: ID!) { customerDelete(id: $id) { errors { code } } }", id=customer)

    def ask(self, query: str, **variables: object) -> Any:
        """Return the data of an answer; what Saleor refuses fails the test."""
        if self.email and time.monotonic() > self.signed_in + TOKEN_SECONDS:
            self._sign_in()
        return self._post(query, variables, headers={"Authorization": f"Bearer {self.token}"})

    def change(self, query: str, **variables: object) -> Any:
        """Ask for one mutation; return what it gives. Its own list of errors must be empty."""
        (answer,) = self.ask(query, **variables).values()
        assert not answer["errors"], answer["errors"]
        return answer

    def _sign_in(self) -> None:
        query = "mutation($e: String!, $p: String!) { tokenCreate(email: $e, password: $p) { token errors { code } } }"
        answer = self._post(query, {"e": self.email, "p": self.password}, headers={})["tokenCreate"]
        assert answer["token"], answer["errors"]
        self.token, self.signed_in = answer["token"], time.monotonic()

    def _post(self, query: str, variables: dict[str, object], *, headers: dict[str, str]) -> Any:
        __tracebackhide__ = True  # the headers hold a token
        body = {"query": query, "variables": variables}
        answer = requests.post(self.api_url, json=body, headers=headers, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    # Apps

    def app(self) -> str | None:
        """The id of Herkend in this shop."""
        query = "{ apps(first: 100) { edges { node { id identifier } } } }"
        nodes = [edge["node"] for edge in self.ask(query)["apps"]["edges"]]
        return next((node["id"] for node in nodes if node["identifier"] == IDENTIFIER), None)

    def install(self, manifest_url: str) -> None:
        """Install as the Dashboard does; one that stands there already is somebody's, and is left alone."""
        assert self.app() is None, f"{self.api_url} has Herkend installed: try it in a shop that has not"
        self.ours = True
        made = self.change(
            """mutation($input: AppInstallInput!) {
                appInstall(input: $input) { appInstallation { id } errors { field message code } }
            }""",
            input={
                "appName": "Herkend", "manifestUrl": manifest_url, "activateAfterInstallation": True,
                "permissions": ["MANAGE_ORDERS", "MANAGE_USERS"],
            },
        )  # fmt: skip
        self._wait_for(made["appInstallation"]["id"])

    def _wait_for(self, installation: str) -> None:
        def over() -> bool:
            jobs = self.ask("{ appsInstallations { id status message } }")["appsInstallations"]
            mine = [job for job in jobs if job["id"] == installation]
            assert [job["message"] for job in mine if job["status"] == "FAILED"] == []
            return mine == [] and self.app() is not None

        wait_until(over, what="the app is installed")

    def uninstall(self) -> None:
        """Delete the app, if it is the one that was installed here."""
        if self.ours and (app := self.app()):
            self.change("mutation($id: ID!) { appDelete(id: $id) { errors { code } } }", id=app)

    def webhooks(self) -> list[Webhook]:
        """Herkend's, as staff see them."""
        query = "query($id: ID!) { app(id: $id) { webhooks { id name } } }"
        return [Webhook(**hook) for hook in self.ask(query, id=self.app())["app"]["webhooks"]]

    # Customers and orders

    def customer(self, name: str, *, confirmed: bool) -> str:
        """Make one, as staff do; return the id."""
        email = f"{name}.{self.mark}@example.com"
        made = self.change(
            "mutation($i: UserCreateInput!) { customerCreate(input: $i) { user { id } errors { field code } } }",
            i={"email": email, "firstName": name, "lastName": "Live"},
        )["user"]["id"]
        self.customers.append(made)
        self.change(
            """mutation($id: ID!, $i: CustomerInput!) {
                customerUpdate(id: $id, input: $i) { errors { field code } }
            }""",
            id=made,
            i={"isConfirmed": confirmed},
        )
        return str(made)

    def order(self, *, user: str = "", email: str = "", paid: bool = True) -> str:
        """Place an order for an account, or for a guest by e-mail; return its id."""
        goods = self.goods()
        made = self.change(
            """mutation($i: DraftOrderCreateInput!) {
                draftOrderCreate(input: $i) { order { id shippingMethods { id } } errors { field message code } }
            }""",
            i={
                "channelId": goods.channel, "lines": [{"variantId": goods.variant, "quantity": 1}],
                "billingAddress": goods.address, "shippingAddress": goods.address,
                **({"user": user} if user else {"userEmail": email}),
            },
        )["order"]  # fmt: skip
        self.orders.append(made["id"])
        if made["shippingMethods"]:
            self.change(
                """mutation($id: ID!, $by: ID!) {
                    orderUpdateShipping(order: $id, input: {shippingMethod: $by}) { errors { field message code } }
                }""",
                id=made["id"],
                by=made["shippingMethods"][0]["id"],
            )
        self._do("draftOrderComplete", made["id"])
        if paid:
            self._do("orderMarkAsPaid", made["id"])
        return str(made["id"])

    def orders_of_old(self, *, user: str, days_ago: Iterable[int]) -> None:
        """Import orders from before our time, free of charge: what costs nothing is paid on the day it is placed."""
        goods, now = self.goods(), datetime.now(tz=UTC)
        found = self.ask(
            "{ warehouses(first: 1) { edges { node { id } } } taxClasses(first: 1) { edges { node { id } } } }"
        )
        warehouse, tax_class = (
            found[kind]["edges"][0]["node"]["id"] for kind in ("warehouses", "taxClasses")
        )
        free = {"gross": 0, "net": 0}
        line = {
            "variantId": goods.variant, "quantity": 1, "warehouse": warehouse, "taxClassId": tax_class,
            "isGiftCard": False, "isShippingRequired": False, "totalPrice": free, "undiscountedTotalPrice": free,
        }  # fmt: skip
        made = self.change(
            """mutation($orders: [OrderBulkCreateInput!]!) {
                orderBulkCreate(orders: $orders, stockUpdatePolicy: SKIP) {
                    results { order { id } errors { path message } } errors { message }
                }
            }""",
            orders=[
                {
                    "channel": goods.channel_slug, "createdAt": then, "currency": goods.currency, "user": {"id": user},
                    "status": "UNFULFILLED", "billingAddress": goods.address, "languageCode": "EN",
                    "lines": [{**line, "createdAt": then}],
                }
                for then in ((now - timedelta(days=days)).isoformat() for days in days_ago)
            ],
        )["results"]  # fmt: skip
        problems = [problem for one in made for problem in one["errors"] or ()]
        assert not problems, problems
        self.orders += [one["order"]["id"] for one in made]

    def cancel(self, order: str) -> None:
        self._do("orderCancel", order)

    def _do(self, mutation: str, order: str) -> None:
        self.change(
            f"mutation($id: ID!) {{ {mutation}(id: $id) {{ errors {{ field message code }} }} }}", id=order
        )

    def goods(self) -> Goods:
        """Find something to buy: the first that is in stock in a channel whose country we have an address of."""
        if self.found is None:
            channels = self.ask("{ channels { id slug isActive currencyCode defaultCountry { code } } }")[
                "channels"
            ]
            self.found = next(
                Goods(
                    channel=channel["id"],
                    channel_slug=channel["slug"],
                    currency=channel["currencyCode"],
                    variant=variant,
                    address=_address(channel["defaultCountry"]["code"]),
                )
                for channel in channels
                if channel["isActive"] and channel["defaultCountry"]["code"] in ADDRESSES
                for variant in self._variants(channel["slug"])
            )
        return self.found

    def _variants(self, channel: str) -> list[str]:
        query = """query($channel: String!) { products(first: 50, channel: $channel, filter: {isPublished: true}) {
            edges { node { variants { id quantityAvailable pricing { price { gross { amount } } } } } }
        } }"""
        nodes = [edge["node"] for edge in self.ask(query, channel=channel)["products"]["edges"]]
        return [
            variant["id"]
            for node in nodes
            for variant in node["variants"] or []
            if variant["quantityAvailable"] >= 20
            and variant["pricing"]
            and variant["pricing"]["price"]["gross"]["amount"]
        ]

    # What Herkend wrote

    def tags(self, *, user: str = "", order: str = "") -> tuple[str | None, str | None]:
        """The public tier, and the tier of the private standing, of a user or an order."""
        kind, wanted = ("user", user) if user else ("order", order)
        read = self.ask(f"query($id: ID!) {{ {kind}(id: $id) {STANDING} }}", id=wanted)[kind]
        return read["tier"], json.loads(read["standing"])["tier"] if read["standing"] else None


def _address(country: str) -> dict[str, str]:
    street, city, code, area = ADDRESSES[country]
    return {
        "firstName": "Ada", "lastName": "Live", "streetAddress1": street, "city": city, "postalCode": code,
        "country": country, "countryArea": area,
    }  # fmt: skip
