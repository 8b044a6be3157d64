"""What a person's orders add up to: purchase days, net spend, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from plugin.customers.facts import OrderSnapshot, latest
from plugin.customers.identity import PersonKey, is_account, user_key
from plugin.money import Money
from plugin.shops.policy import Policy

# Why an order does not count, in the order in which the reasons are looked at.
DRAFT = "draft"
CANCELLED = "cancelled"
EXPIRED = "expired"
REISSUE = "reissue"
REFUNDED = "refunded"
UNPAID = "unpaid"

_BY_STATUS = {"DRAFT": DRAFT, "CANCELED": CANCELLED, "EXPIRED": EXPIRED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A person's history in numbers; equal for equal orders, however they came in.

    `purchase_days`: sorted, each once, in the shop's time zone. `last_order_day` also knows an order that
    stands but is not paid yet: whoever ordered yesterday is not quiet. `spent` is net and in the main
    currency; where the merchant named none, in the one currency that all counted orders share, else None.
    `left_out`: currencies of counted orders that have no rate; their days count, their amounts do not.
    `not_counted`: how many orders did not count, by reason. `joined`: how many of the counted orders an
    account placed as a guest.
    """

    purchase_days: tuple[date, ...] = ()
    last_order_day: date | None = None
    orders_counted: int = 0
    spent: Money | None = None
    left_out: tuple[str, ...] = ()
    not_counted: Mapping[str, int]
    joined: int = 0

    @property
    def first(self) -> date | None:
        """The first purchase day."""
        return self.purchase_days[0] if self.purchase_days else None

    @property
    def last(self) -> date | None:
        """The last purchase day."""
        return self.purchase_days[-1] if self.purchase_days else None


def profile(orders: Iterable[OrderSnapshot], *, policy: Policy, person: PersonKey | None = None) -> Profile:
    """Add up the orders of one person, in any order and any number of versions.

    Without `person` an account is recognised by any order that Saleor linked to it.
    """
    known = list(latest(orders).values())
    verdicts = {order.id: why_not(order) for order in known}
    counted = [order for order in known if verdicts[order.id] is None]
    open_or_counted = [order for order in known if verdicts[order.id] in {None, UNPAID}]
    spent, left_out = _spending(counted, policy=policy)
    return Profile(
        purchase_days=tuple(sorted({purchase_day(order, policy=policy) for order in counted})),
        last_order_day=max((purchase_day(order, policy=policy) for order in open_or_counted), default=None),
        orders_counted=len(counted),
        spent=spent,
        left_out=left_out,
        not_counted=dict(sorted(Counter(why for why in verdicts.values() if why).items())),
        joined=_joined(counted, known=known, person=person),
    )


def why_not(order: OrderSnapshot) -> str | None:
    """Say why an order does not count as a purchase; None: it does.

    A partial refund changes nothing here. An order of nothing (a gift card paid for all of it) is paid.
    """
    if order.status in _BY_STATUS:
        return _BY_STATUS[order.status]
    if order.origin == "REISSUE":
        return REISSUE
    if order.gross > 0 and order.refunded >= order.gross:
        return REFUNDED
    if order.charged + order.refunded < order.gross:
        return UNPAID
    return None


def purchase_day(order: OrderSnapshot, *, policy: Policy) -> date:
    """Return the day of payment in the shop's time zone; the day of ordering where no payment is shown."""
    return policy.day(order.paid_at or order.created_at)


def spend(order: OrderSnapshot) -> Decimal:
    """Return what the order brought in the end, in its own currency: right for every way of refunding."""
    return order.gross - order.refunded


def _spending(counted: Sequence[OrderSnapshot], *, policy: Policy) -> tuple[Money | None, tuple[str, ...]]:
    currencies = sorted({order.currency for order in counted})
    main = policy.main_currency or (currencies[0] if len(currencies) == 1 else None)
    if main is None:
        return None, tuple(currencies)
    rates = {**policy.rates, main: Decimal(1)}
    total = Money(Decimal(0), main)
    for order in counted:
        if order.currency in rates:
            total += Money(spend(order), order.currency).exchanged(rate=rates[order.currency], currency=main)
    return total, tuple(currency for currency in currencies if currency not in rates)


def _joined(
    counted: Sequence[OrderSnapshot], *, known: Sequence[OrderSnapshot], person: PersonKey | None
) -> int:
    linked = {user_key(order.user_id) for order in known if order.user_id}
    accounts = linked if person is None else {person} if is_account(person) else set()
    return sum(user_key(order.user_id or "") not in accounts for order in counted) if accounts else 0
