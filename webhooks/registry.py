"""Every event we subscribe to: a row each, in the order of Saleor's names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from plugin.customers.facts import Facts
from webhooks.events import app, customers, deletions, orders

FRAGMENTS = {
    "...OrderFacts": "order.fragment.graphql",
    "...OrderBare": "order.bare.fragment.graphql",
    "...AccountFacts": "account.fragment.graphql",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its name and GraphQL type in Saleor, the subscription it comes by, and how it is understood.

    `document` is the family's file, written out for `written_for`, the family's first type. `parse` takes the
    payload (JSON with `parse_float=Decimal`) and raises Permanent, with words for a person, when what decides
    cannot be understood. `min_schema` is the first Saleor that knows the event, None for all that we support.
    """

    name: str
    typename: str
    document: str
    written_for: str
    parse: Callable[[object], Facts]
    min_schema: tuple[int, int] | None = None
    in_manifest: bool = True

    @property
    def key(self) -> str:
        """The event as Saleor's header names it, and the inbox keeps it."""
        return self.name.lower()

    @property
    def route(self) -> str:
        """Where Saleor delivers it, below the installation's API address."""
        return "/api/webhooks/" + self.key.replace("_", "-")

    @property
    def query(self) -> str:
        """The subscription, with the fragments it uses."""
        return _query(self.document, self.written_for, self.typename)

    def known_to(self, schema: tuple[int, int] | None) -> bool:
        """Whether a Saleor of that schema version knows the event; None stands for the oldest we support."""
        return self.min_schema is None or (schema is not None and schema >= self.min_schema)


@cache
def _query(document: str, written_for: str, typename: str) -> str:
    text = (
        files("webhooks.events").joinpath(document).read_text(encoding="utf-8").replace(written_for, typename)
    )
    fragments = files("plugin.saleor").joinpath("operations")
    return text + "".join(
        fragments.joinpath(name).read_text(encoding="utf-8")
        for spread, name in FRAGMENTS.items()
        if spread in text
    )


def _order(name: str, typename: str) -> Event:
    return Event(
        name=name,
        typename=typename,
        document="orders.graphql",
        written_for="OrderCreated",
        parse=orders.parse,
    )


def _customer(name: str, typename: str, *, parse: Callable[[object], Facts] = customers.parse) -> Event:
    return Event(
        name=name, typename=typename, document="customers.graphql", written_for="CustomerCreated", parse=parse
    )


def _app(name: str, typename: str, *, parse: Callable[[object], Facts]) -> Event:
    return Event(name=name, typename=typename, document="app.graphql", written_for="AppDeleted", parse=parse)


EVENTS = (
    _order("ORDER_CREATED", "OrderCreated"),
    _order("ORDER_CONFIRMED", "OrderConfirmed"),
    _order("ORDER_PAID", "OrderPaid"),
    _order("ORDER_FULLY_PAID", "OrderFullyPaid"),
    _order("ORDER_UPDATED", "OrderUpdated"),
    _order("ORDER_CANCELLED", "OrderCancelled"),
    _order("ORDER_EXPIRED", "OrderExpired"),
    _order("ORDER_REFUNDED", "OrderRefunded"),
    _order("ORDER_FULLY_REFUNDED", "OrderFullyRefunded"),
    _order("ORDER_FULFILLED", "OrderFulfilled"),
    _customer("CUSTOMER_CREATED", "CustomerCreated"),
    _customer("CUSTOMER_UPDATED", "CustomerUpdated", parse=customers.parse_and_reread),
    _customer("CUSTOMER_METADATA_UPDATED", "CustomerMetadataUpdated"),
    # Arrived in 3.23.5, the first 3.23 that may install us: see docs/decisions/0004-deleted-customers.md.
    Event(
        name="CUSTOMER_DELETED",
        typename="CustomerDeleted",
        document="customer_deleted.3.23.graphql",
        written_for="CustomerDeleted",
        parse=deletions.parse,
        min_schema=(3, 23),
    ),
    _customer("ACCOUNT_CONFIRMED", "AccountConfirmed", parse=customers.parse_and_reread),
    Event(
        name="ACCOUNT_DELETED",
        typename="AccountDeleted",
        document="account_deleted.graphql",
        written_for="AccountDeleted",
        parse=deletions.parse,
    ),
    _app("APP_DELETED", "AppDeleted", parse=app.parse_deleted),
    _app("APP_STATUS_CHANGED", "AppStatusChanged", parse=app.parse_status),
)

BY_EVENT: Mapping[str, Event] = MappingProxyType({event.key: event for event in EVENTS})
