"""What is known of orders and accounts: plain facts, as Saleor last told them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar


class Versioned(Protocol):
    """What can be told again in a newer version."""

    @property
    def id(self) -> str:
        """Saleor's id, the same in every version."""

    @property
    def version(self) -> tuple[datetime, datetime]:
        """Newer is greater."""


Told = TypeVar("Told", bound=Versioned)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """One order as it was at `updated_at`; of two, the one with the later (updated_at, seen_at) is true.

    `seen_at` is the delivery's `issuedAt`, or the moment a query was sent. `paid_at` is the moment of payment
    (order event ORDER_FULLY_PAID or ORDER_MARKED_AS_PAID, else the last charge), None where Saleor shows
    none. `email` is as typed. `details` holds what no decision rests on (lines, discounts), JSON-ready.
    """

    id: str
    number: str
    status: str
    origin: str | None
    created_at: datetime
    updated_at: datetime
    seen_at: datetime
    paid_at: datetime | None
    user_id: str | None
    email: str
    currency: str
    gross: Decimal
    undiscounted: Decimal | None
    charged: Decimal
    refunded: Decimal
    voucher_code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> tuple[datetime, datetime]:
        """Newer wins; equal `updated_at` with a later `seen_at` is newer (expiring moves no updatedAt)."""
        return (self.updated_at, self.seen_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One Saleor user as he was at `updated_at`; e-mail in lower case, as Saleor keeps it."""

    id: str
    email: str
    is_confirmed: bool
    is_active: bool
    first_name: str
    last_name: str
    language: str
    joined_at: datetime
    updated_at: datetime
    seen_at: datetime
    deleted: bool = False

    @property
    def version(self) -> tuple[datetime, datetime]:
        """Newer wins, as with orders."""
        return (self.updated_at, self.seen_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChange:
    """What the shop did to our own app: `app_id` was deleted, or switched on or off, as it said at `said_at`."""

    app_id: str
    said_at: datetime
    deleted: bool
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that one delivery, or one answer of the shop, tells.

    `reread` names accounts whose orders must be read again, because what happened moves no order's
    `updatedAt`.
    """

    orders: tuple[OrderSnapshot, ...] = ()
    accounts: tuple[AccountSnapshot, ...] = ()
    reread: tuple[str, ...] = ()
    app: AppChange | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """The ids of the orders and accounts that this is about."""
        return (*(it.id for it in self.orders), *(it.id for it in self.accounts), *self.reread)


def latest(told: Iterable[Told]) -> dict[str, Told]:
    """Keep the newest version of each, by id, whatever the order they came in and however often.

    Two that carry the same version are taken to say the same.
    """
    newest: dict[str, Told] = {}
    for one in told:
        known = newest.get(one.id)
        if known is None or one.version > known.version:
            newest[one.id] = one
    return newest
