"""What stands in a shop: people, orders with their money, and the apps that staff installed."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


class Refusal(Exception):
    """The shop does not do that; the text says why, and `code` lets the page say it in the reader's language."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


def gid(kind: str, key: object) -> str:
    """Return Saleor's global id: base64 of `Kind:key`."""
    return base64.b64encode(f"{kind}:{key}".encode()).decode()


def from_gid(text: str) -> tuple[str, str]:
    """Take a global id apart; raises `ValueError` where it is none."""
    kind, colon, key = base64.b64decode(text, validate=True).decode().partition(":")
    if not colon:
        raise ValueError(text)
    return kind, key


def new_id() -> str:
    """Return a key as Saleor gives to orders and their parts."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user: a customer with an account, or a member of staff. The e-mail is in lower case."""

    id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    language_code: str = "NL"
    is_confirmed: bool = False
    is_active: bool = True
    is_staff: bool = False
    date_joined: datetime
    updated_at: datetime
    last_login: datetime | None = None
    note: str | None = None
    external_reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    private_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        """Return `User:<id>`."""
        return gid("User", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount; tax is not played, so net is gross."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One position of an order."""

    id: str = field(default_factory=new_id)
    product_name: str
    variant_name: str = ""
    product_sku: str | None = None
    quantity: int = 1
    currency: str
    unit: Decimal
    undiscounted_unit: Decimal

    @property
    def gid(self) -> str:
        """Return `OrderLine:<id>`."""
        return gid("OrderLine", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One entry of an order's history, oldest first."""

    id: int
    type: str
    date: datetime
    amount: Decimal | None = None
    message: str | None = None

    @property
    def gid(self) -> str:
        """Return `OrderEvent:<id>`."""
        return gid("OrderEvent", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyEvent:
    """What happened to the money of a transaction or of a payment; transactions list the newest first."""

    id: int
    type: str
    created_at: datetime
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Money that went to and fro in the transaction flow."""

    id: str = field(default_factory=new_id)
    name: str
    created_at: datetime
    modified_at: datetime
    currency: str
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    events: tuple[MoneyEvent, ...] = ()

    @property
    def gid(self) -> str:
        """Return `TransactionItem:<id>`."""
        return gid("TransactionItem", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money in the older payment flow: what is refunded is no longer captured."""

    id: int
    gateway: str = "manual"
    created: datetime
    modified: datetime
    charge_status: str
    currency: str
    total: Decimal
    captured: Decimal
    refunded: Decimal = Decimal(0)
    events: tuple[MoneyEvent, ...] = ()

    @property
    def gid(self) -> str:
        """Return `Payment:<id>`."""
        return gid("Payment", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """A parcel that left, or came back."""

    id: int
    status: str
    created: datetime

    @property
    def gid(self) -> str:
        """Return `Fulfillment:<id>`."""
        return gid("Fulfillment", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiftCard:
    """A gift card that paid for part of an order as a promo code."""

    id: int
    last4_code_chars: str

    @property
    def gid(self) -> str:
        """Return `GiftCard:<id>`."""
        return gid("GiftCard", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order. `user_email` keeps the letter case in which it was typed; the sums follow from the money."""

    id: str = field(default_factory=new_id)
    number: int
    channel: str
    currency: str
    status: str
    origin: str
    created: datetime
    updated_at: datetime
    user_id: int | None
    user_email: str
    language_code_enum: str = "NL"
    total: Decimal
    undiscounted_total: Decimal
    subtotal: Decimal
    lines: tuple[Line, ...] = ()
    events: tuple[OrderEvent, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    payments: tuple[Payment, ...] = ()
    fulfillments: tuple[Fulfilment, ...] = ()
    gift_cards: tuple[GiftCard, ...] = ()
    voucher_code: str | None = None
    customer_note: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    private_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        """Return `Order:<uuid>`."""
        return gid("Order", self.id)

    @property
    def charged(self) -> Decimal:
        """Return what the shop holds: a refund of a charge lowers it, a manual refund does not."""
        held = sum((part.charged for part in self.transactions), Decimal(0))
        return held + sum((part.captured for part in self.payments), Decimal(0))

    @property
    def refunded(self) -> Decimal:
        """Return what went back to the customer, in whatever way."""
        back = sum((part.refunded for part in self.transactions), Decimal(0))
        return back + sum((part.refunded for part in self.payments), Decimal(0))

    @property
    def is_paid(self) -> bool:
        """Tell whether the shop holds the total: false from the first partial refund of a charge on."""
        return self.charged >= self.total

    @property
    def charge_status(self) -> str:
        """Return NONE, PARTIAL, FULL or OVERCHARGED."""
        if self.charged > self.total:
            return "OVERCHARGED"
        if self.charged == self.total:
            return "FULL"
        return "PARTIAL" if self.charged > 0 else "NONE"

    @property
    def authorize_status(self) -> str:
        """Return NONE, PARTIAL or FULL."""
        return "FULL" if self.charge_status == "OVERCHARGED" else self.charge_status

    @property
    def payment_status(self) -> str:
        """Return the older word for it: of the last payment, else read off the transactions."""
        if self.payments:
            return self.payments[-1].charge_status
        words = {"NONE": "NOT_CHARGED", "PARTIAL": "PARTIALLY_CHARGED"}
        return words.get(self.charge_status, "FULLY_CHARGED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription of an app; `events` are Saleor's names in lower case."""

    id: int
    name: str
    target_url: str
    query: str
    events: tuple[str, ...]
    is_active: bool = True
    identifier: str | None = None

    @property
    def gid(self) -> str:
        """Return `Webhook:<id>`."""
        return gid("Webhook", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProblem:
    """What an app told staff of; `dismissed_by` is APP, USER or None while it stands."""

    id: int
    key: str
    message: str
    created_at: datetime
    updated_at: datetime
    count: int = 1
    is_critical: bool = False
    dismissed_by: str | None = None

    @property
    def gid(self) -> str:
        """Return `AppProblem:<id>`."""
        return gid("AppProblem", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An installed app, or one that was (`removed`): its token is dead, its last delivery may be on its way."""

    id: int
    identifier: str
    name: str
    version: str
    token: str
    permissions: tuple[str, ...]
    webhooks: tuple[Webhook, ...]
    manifest_url: str
    app_url: str
    created: datetime
    is_active: bool = True
    removed: bool = False
    about_app: str | None = None
    author: str | None = None
    homepage_url: str | None = None
    support_url: str | None = None
    data_privacy_url: str | None = None
    problems: tuple[AppProblem, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    private_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        """Return `App:<id>`."""
        return gid("App", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver: the status of the answer, or the network's error. `ended` is the monotonic clock."""

    at: datetime
    ms: float
    status: int | None
    answer: str
    ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook on its way; every attempt sends the identical bytes and signature.

    `status` is pending, success or failed; `cause` is the action that made it, where one is known.
    """

    id: int
    event: str
    webhook_id: int
    app_id: int
    url: str
    body: bytes
    signature: str
    traceparent: str
    created: datetime
    status: str = "pending"
    attempts: tuple[Attempt, ...] = ()
    cause: int | None = None

    @property
    def gid(self) -> str:
        """Return `EventDelivery:<id>`."""
        return gid("EventDelivery", self.id)
