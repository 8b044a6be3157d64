"""Money is an amount and a currency; amounts in different currencies never mix."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel.numbers import format_currency

from plugin.errors import Invalid

CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency (ISO 4217, upper case)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not CURRENCY.fullmatch(self.currency):
            raise Invalid(f"{self.currency!r} is not the code of a currency, such as EUR.")
        if not self.amount.is_finite():
            raise Invalid(f"{self.amount} is not an amount of money.")

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other).amount, self.currency)

    def exchanged(self, *, rate: Decimal, currency: str) -> "Money":
        """Return the same worth in another currency, not rounded; `rate`: what one unit is worth there."""
        return Money(self.amount * rate, currency)

    def words(self, *, language: Literal["en", "nl"]) -> str:
        """Write it out for a reader, rounded to the currency's own decimals (half to even)."""
        return format_currency(self.amount, self.currency, locale={"en": "en_GB", "nl": "nl_NL"}[language])

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise Invalid(f"{self.currency} and {other.currency} cannot be added up without a rate.")
        return other

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
