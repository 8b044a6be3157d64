"""The merchant's rules for one shop: what every pure decision is handed beside the facts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates, validates_schema

from plugin.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRule:
    """A tier begins at `purchase_days` purchase days in the window."""

    id: str
    purchase_days: int


DEFAULT_TIERS = (
    TierRule(id="one-time", purchase_days=1),
    TierRule(id="returning", purchase_days=2),
    TierRule(id="regular", purchase_days=4),
)
PROSPECT = "prospect"
TOP = "top"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a shop's settings; defaults as in docs/merchant.md.

    `rules_version` is the last version that changed what is decided, rather than whether it is published.
    `rates` maps a currency to how much of the main currency one unit of it is worth. `tiers` go up; the first
    begins at one purchase day. `window_months` is how far back purchase days count, `hold_months` how long a
    tier once reached is kept. `publish` is False while the shop is on "show only".
    """

    version: int = 0
    rules_version: int = 0
    time_zone: str = "Europe/Amsterdam"
    main_currency: str | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    accounts_confirmed: bool = False
    tiers: tuple[TierRule, ...] = DEFAULT_TIERS
    window_months: int = 24
    hold_months: int = 12
    quiet_days: int = 180
    publish: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The shop's time zone (Saleor has none)."""
        return ZoneInfo(self.time_zone)

    def day(self, moment: datetime) -> date:
        """Return the day that an aware moment falls on in the shop."""
        return moment.astimezone(self.zone).date()


def load(settings: Mapping[str, Any]) -> Policy:
    """Make a policy of settings (JSON-ready, as `dump` writes them); what is missing has its default.

    Raises Invalid, naming every setting that cannot be and why.
    """
    try:
        policy: Policy = _PolicySchema().load(settings)
    except ValidationError as error:
        raise Invalid("; ".join(_sentences(error.messages))) from error
    return policy


def dump(policy: Policy) -> dict[str, Any]:
    """Write a policy down, JSON-ready, all settings, so that `load` makes the same one again."""
    written: dict[str, Any] = _PolicySchema().dump(policy)
    return written


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


_CURRENCY = validate.Regexp(r"[A-Z]{3}\Z", error="must be the code of a currency, such as EUR")
_TIER_ID = validate.Regexp(
    r"[a-z0-9][a-z0-9-]{0,31}\Z", error="must be 1 to 32 small letters, digits and hyphens"
)
_MONTHS = validate.Range(1, 120, error="must be a number of months from 1 to 120")
_DAYS = validate.Range(1, 3650, error="must be a number of days from 1 to 3650")


def _must(be: str) -> dict[str, Any]:
    # Whatever way a value is of the wrong kind, the reader needs to know the right one.
    kinds = ("invalid", "invalid_utf8", "null", "required", "special", "too_large")
    return dict.fromkeys(kinds, f"must be {be}")


_NUMBER = _must("a whole number")
_SWITCH = _must("true or false")
_UNKNOWN: dict[str, str] = {"unknown": "is not a setting", "type": "must be settings by name"}


class _TierSchema(Schema):
    error_messages = _UNKNOWN

    id = fields.String(
        required=True,
        error_messages=_must("a name"),
        validate=[_TIER_ID, validate.NoneOf([PROSPECT, TOP], error="is a name Herkend itself uses")],
    )
    purchase_days = fields.Integer(
        required=True,
        strict=True,
        error_messages=_NUMBER,
        validate=validate.Range(1, 1000, error="must be a number of purchase days from 1 to 1000"),
    )

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> TierRule:
        return TierRule(**loaded)


class _PolicySchema(Schema):
    error_messages = _UNKNOWN

    version = fields.Integer(
        strict=True, error_messages=_NUMBER, validate=validate.Range(0, error="must not be negative")
    )
    rules_version = fields.Integer(
        strict=True, error_messages=_NUMBER, validate=validate.Range(0, error="must not be negative")
    )
    time_zone = fields.String(error_messages=_must("the name of a time zone"))
    main_currency = fields.String(
        allow_none=True, error_messages=_must("the code of a currency"), validate=_CURRENCY
    )
    rates = fields.Dict(
        keys=fields.String(validate=_CURRENCY),
        values=fields.Decimal(
            as_string=True,
            error_messages=_must("a rate above 0"),
            validate=validate.Range(min=0, min_inclusive=False, error="must be a rate above 0"),
        ),
        error_messages=_must("rates by currency"),
    )
    accounts_confirmed = fields.Boolean(error_messages=_SWITCH)
    tiers = fields.List(
        fields.Nested(_TierSchema),
        error_messages=_must("a list of tiers"),
        validate=validate.Length(1, 12, error="must be 1 to 12 tiers"),
    )
    window_months = fields.Integer(strict=True, error_messages=_NUMBER, validate=_MONTHS)
    hold_months = fields.Integer(strict=True, error_messages=_NUMBER, validate=_MONTHS)
    quiet_days = fields.Integer(strict=True, error_messages=_NUMBER, validate=_DAYS)
    publish = fields.Boolean(error_messages=_SWITCH)

    @validates("time_zone")
    def zone_exists(self, value: str, **_: object) -> None:
        if value not in _zones():
            raise ValidationError("must be a time zone such as Europe/Amsterdam")

    @validates_schema
    def tiers_go_up(self, data: Mapping[str, Any], **_: object) -> None:
        tiers: Sequence[TierRule] = data.get("tiers", DEFAULT_TIERS)
        if len({tier.id for tier in tiers}) < len(tiers):
            raise ValidationError("must each have a name of their own", "tiers")
        if any(higher.purchase_days <= lower.purchase_days for lower, higher in pairwise(tiers)):
            raise ValidationError(
                "must go up: each begins at more purchase days than the one before", "tiers"
            )
        if tiers[0].purchase_days != 1:
            raise ValidationError("must begin at 1 purchase day: whoever bought is in the first", "tiers")

    @validates_schema
    def main_currency_has_no_rate(self, data: Mapping[str, Any], **_: object) -> None:
        if data.get("main_currency") in data.get("rates", {}):
            raise ValidationError("must not name the main currency itself", "rates")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> Policy:
        if "tiers" in loaded:
            loaded["tiers"] = tuple(loaded["tiers"])
        return Policy(**loaded)


def _sentences(messages: Mapping[Any, Any] | list[Any], *, path: str = "") -> Iterator[str]:
    if isinstance(messages, list):
        for message in messages:
            yield f"{path} {str(message).rstrip('.')}"
        return
    for name, below in messages.items():
        # marshmallow's own names: the two sides of a mapping, and what is wrong with the whole.
        place = path if name in {"key", "value", "_schema"} else f"{path}.{name}".lstrip(".")
        yield from _sentences(below, path=place or "settings")
