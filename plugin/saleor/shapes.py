"""What Saleor tells of orders and accounts, checked once at the border and made into snapshots.

Only what decides is required; whatever else is missing or malformed becomes its default and refuses nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import MAXYEAR, UTC, datetime
from decimal import Decimal
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, post_load
from marshmallow.validate import Length, Range, Regexp

from plugin.customers.facts import AccountSnapshot, OrderSnapshot
from plugin.errors import Invalid

FULLY_PAID = frozenset({"ORDER_FULLY_PAID", "ORDER_MARKED_AS_PAID"})
CAPTURED = frozenset({"PAYMENT_CAPTURED"})
CHARGED = frozenset({"CHARGE_SUCCESS"})
IMPORTED = "BULK_CREATE"
MOST_DIGITS = 15
MOST_DECIMALS = 30
LONGEST_ADDRESS = 320
LONGEST_NOTE = 1000
SEEN_AT = "seen_at"


def order(data: object, *, seen_at: datetime) -> OrderSnapshot:
    """Return the snapshot of an order asked for with the `OrderFacts` fragment; Invalid names what is wrong.

    `data` is JSON read with `parse_float=Decimal`. `user: null` is a guest; a `user` that could not be read
    (its path is among the answer's top-level `errors`) looks the same here and is the caller's to tell apart.
    """
    snapshot: OrderSnapshot = _load(_ORDER, data, what="order", seen_at=seen_at)
    return snapshot


def account(data: object, *, seen_at: datetime, deleted: bool = False) -> AccountSnapshot:
    """Return the snapshot of a user asked for with the `AccountFacts` fragment; Invalid names what is wrong.

    `deleted` says that this user is gone from the shop: then the id alone is required.
    """
    schema = _DELETED_ACCOUNT if deleted else _ACCOUNT
    snapshot: AccountSnapshot = _load(schema, data, what="account", seen_at=seen_at)
    return snapshot


def _load(schema: Schema, data: object, *, what: str, seen_at: datetime) -> Any:  # noqa: ANN401 - as the schema makes
    if not isinstance(data, Mapping):
        raise Invalid(f"This {what} cannot be understood: it is not an object.")
    try:
        return schema.load({**data, SEEN_AT: seen_at})
    except ValidationError as error:
        named = ", ".join(sorted(_paths(error.messages)))
        raise Invalid(f"This {what} cannot be understood: {named}.") from None  # the cause would show values


def _paths(messages: object, *, above: str = "") -> list[str]:
    """Return the dotted names of the fields that were wrong; never their values, which are personal."""
    if not isinstance(messages, Mapping):
        return [above]
    return [
        path
        for key, below in messages.items()
        for path in _paths(below, above=above if key == "_schema" else f"{above}.{key}".lstrip("."))
    ]


class Exact(fields.String):
    """A text that decides: of bounded length, and without what PostgreSQL cannot hold (NUL, lone surrogates).

    Such characters are refused and not cut out: a changed id or address would be somebody else's.
    """

    def __init__(self, *, least: int = 1, most: int = 255, required: bool = True) -> None:
        holdable = Regexp(r"[^\x00\ud800-\udfff]*\Z")
        super().__init__(
            required=required,
            allow_none=not required,
            load_default=missing if required else None,
            validate=[Length(min=least, max=most), holdable],
        )


class Note(fields.String):
    """A text no decision rests on: what PostgreSQL cannot hold is cut out, and so is what is endless."""

    def _deserialize(self, value: object, *args: Any, **options: Any) -> str:  # noqa: ANN401 - marshmallow's own
        text = super()._deserialize(value, *args, **options) or ""
        return text.replace("\x00", "").encode(errors="replace").decode()[:LONGEST_NOTE]


class Moment(fields.AwareDateTime):
    """A moment in UTC; one without a zone is taken as UTC.

    The calendar's first and last year are refused: some zone would push them off it.
    """

    def __init__(self, *, required: bool = True, data_key: str | None = None) -> None:
        super().__init__(format="iso", default_timezone=UTC, required=required, data_key=data_key)

    def _deserialize(self, value: object, *args: Any, **options: Any) -> datetime:  # noqa: ANN401 - marshmallow's own
        moment: datetime = super()._deserialize(value, *args, **options)
        if not 1 < moment.year < MAXYEAR:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return moment.astimezone(UTC)


class Amount(fields.Decimal):
    """An amount that a database can hold: no NaN, no Infinity, no 1e999999."""

    def _deserialize(self, value: object, *args: Any, **options: Any) -> Decimal:  # noqa: ANN401 - marshmallow's own
        amount: Decimal = super()._deserialize(value, *args, **options)
        if amount.adjusted() >= MOST_DIGITS or -int(amount.as_tuple().exponent) > MOST_DECIMALS:
            raise self.make_error("too_large")
        return amount


class YesNo(fields.Boolean):
    """True or false and nothing that is taken for it."""

    def __init__(self, *, required: bool = False, data_key: str | None = None) -> None:
        super().__init__(truthy={True}, falsy={False}, required=required, data_key=data_key)


class Maybe(fields.Field[Any]):
    """Another field, whose absence or nonsense becomes `instead`."""

    def __init__(
        self, inner: fields.Field[Any], *, instead: object = None, data_key: str | None = None
    ) -> None:
        super().__init__(load_default=instead, allow_none=True, data_key=data_key)
        self._inner, self._instead = inner, instead

    def deserialize(self, value: object, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the inner field
        """Load by the inner field, or give the value up."""
        if value is None or value is missing:
            return self._instead
        try:
            return self._inner.deserialize(value, *args, **options)
        except ValidationError:
            return self._instead


class Each(fields.Field[Any]):
    """A list whose items are loaded one by one; an item that makes no sense is left out."""

    def __init__(self, shape: type[Schema], *, data_key: str | None = None) -> None:
        super().__init__(load_default=(), allow_none=True, data_key=data_key)
        self._item = Maybe(fields.Nested(shape))

    def deserialize(self, value: object, *_: Any, **__: Any) -> tuple[Any, ...]:  # noqa: ANN401 - marshmallow's own
        """Return the items that could be loaded."""
        items = value if isinstance(value, list) else []
        return tuple(item for item in map(self._item.deserialize, items) if item is not None)


class _Shape(Schema):
    class Meta:
        unknown = EXCLUDE


class _Sum(_Shape):
    amount = Amount(required=True)


class _SumWithCurrency(_Sum):
    currency = fields.String(required=True, validate=Regexp(r"[A-Z]{3}\Z"))


class _Total(_Shape):
    gross = fields.Nested(_SumWithCurrency, required=True)


class _Undiscounted(_Shape):
    gross = fields.Nested(_Sum, required=True)


class _Person(_Shape):
    id = Exact()
    email = Maybe(Exact(most=LONGEST_ADDRESS), instead="")


class _Event(_Shape):
    type = fields.String(required=True)
    at = Moment(data_key="date")


class _ChargeEvent(_Event):
    at = Moment(data_key="createdAt")


class _Transaction(_Shape):
    events = Each(_ChargeEvent)


class _Channel(_Shape):
    slug = Note(required=True)


class _GiftCard(_Shape):
    id = Note(required=True)


class _Line(_Shape):
    quantity = Maybe(fields.Integer(strict=True, validate=Range(min=0, max=10**9)), instead=0)
    product = Maybe(Note(), instead="", data_key="productName")
    variant = Maybe(Note(), instead="", data_key="variantName")


class _Seen(_Shape):
    seen_at = fields.Raw(required=True)


class _Order(_Seen):
    id = Exact()
    number = Maybe(Note(), instead="")
    status = Exact()
    origin = Maybe(Exact())
    created = Maybe(Moment())
    updated_at = Moment(data_key="updatedAt")
    channel = Maybe(fields.Nested(_Channel))
    user = fields.Nested(_Person, required=True, allow_none=True)
    userEmail = Exact(least=0, most=LONGEST_ADDRESS, required=False)  # noqa: N815 - named in the error as Saleor does
    language = Maybe(Note(), data_key="languageCodeEnum")
    total = fields.Nested(_Total, required=True)
    undiscounted = Maybe(fields.Nested(_Undiscounted), data_key="undiscountedTotal")
    charged = fields.Nested(_Sum, required=True, data_key="totalCharged")
    refunded = fields.Nested(_Sum, required=True, data_key="totalRefunded")
    voucher_code = Maybe(Note(), data_key="voucherCode")
    gift_cards = Each(_GiftCard, data_key="giftCards")
    events = Each(_Event)
    transactions = Each(_Transaction)
    lines = Each(_Line)

    @post_load
    def _snapshot(self, found: dict[str, Any], **_: Any) -> OrderSnapshot:  # noqa: ANN401 - marshmallow's own
        user = found["user"] or {"id": None, "email": ""}
        undiscounted = found["undiscounted"]
        return OrderSnapshot(
            id=found["id"],
            number=found["number"],
            status=found["status"],
            origin=found["origin"],
            created_at=found["created"] or found["updated_at"],
            updated_at=found["updated_at"],
            seen_at=found["seen_at"],
            paid_at=_paid_at(found),
            user_id=user["id"],
            email=found["userEmail"] or user["email"],
            currency=found["total"]["gross"]["currency"],
            gross=found["total"]["gross"]["amount"],
            undiscounted=undiscounted["gross"]["amount"] if undiscounted else None,
            charged=found["charged"]["amount"],
            refunded=found["refunded"]["amount"],
            voucher_code=found["voucher_code"] or None,
            details=_details(found),
        )


def _paid_at(found: Mapping[str, Any]) -> datetime | None:
    """Return when the order became fully paid, else when it was last charged, else None.

    An imported order's charges bear the time of the import, which says nothing about the customer.
    """
    if paid := _moments(found["events"], types=FULLY_PAID):
        return min(paid)
    if found["origin"] == IMPORTED:
        return None
    captures = _moments(found["events"], types=CAPTURED)
    charges = [at for part in found["transactions"] for at in _moments(part["events"], types=CHARGED)]
    return max(captures + charges, default=None)


def _moments(events: Iterable[Mapping[str, Any]], *, types: frozenset[str]) -> list[datetime]:
    return [event["at"] for event in events if event["type"] in types]


def _details(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "channel": found["channel"]["slug"] if found["channel"] else None,
        "language": found["language"],
        "gift_cards": [card["id"] for card in found["gift_cards"]],
        "lines": list(found["lines"]),
    }


class _Account(_Seen):
    id = Exact()
    email: fields.Field[str] = Exact(most=LONGEST_ADDRESS)
    is_confirmed: fields.Field[bool] = YesNo(required=True, data_key="isConfirmed")
    is_active = Maybe(YesNo(), instead=True, data_key="isActive")
    first_name = Maybe(Note(), instead="", data_key="firstName")
    last_name = Maybe(Note(), instead="", data_key="lastName")
    language = Maybe(Note(), instead="", data_key="languageCode")
    joined_at = Maybe(Moment(), data_key="dateJoined")
    updated_at = Maybe(Moment(), data_key="updatedAt")

    @post_load
    def _snapshot(self, found: dict[str, Any], **_: Any) -> AccountSnapshot:  # noqa: ANN401 - marshmallow's own
        found["updated_at"] = found["updated_at"] or found["seen_at"]
        found["joined_at"] = found["joined_at"] or found["updated_at"]
        found["email"] = found["email"].lower()
        return AccountSnapshot(**found, deleted=isinstance(self, _DeletedAccount))


class _DeletedAccount(_Account):
    email = Maybe(Exact(most=LONGEST_ADDRESS), instead="")
    is_confirmed = Maybe(YesNo(), instead=False, data_key="isConfirmed")


_ORDER, _ACCOUNT, _DELETED_ACCOUNT = _Order(), _Account(), _DeletedAccount()
