"""Money is exact and never mixes."""

from decimal import Decimal

import pytest

from plugin.errors import Invalid
from plugin.money import Money


def euros(amount):
    return Money(Decimal(amount), "EUR")


def test_amounts_of_one_currency_add_up_to_the_cent():
    assert euros("0.10") + euros("0.20") == euros("0.30")
    assert euros("10.00") - euros("0.01") == euros("9.99")


@pytest.mark.parametrize("sum_up", [Money.__add__, Money.__sub__])
def test_currencies_never_mix(sum_up):
    with pytest.raises(Invalid, match=r"^EUR and USD cannot be added up without a rate\.$"):
        sum_up(euros(1), Money(Decimal(1), "USD"))


def test_a_rate_says_what_one_unit_is_worth():
    assert Money(Decimal("20.00"), "USD").exchanged(rate=Decimal("0.915"), currency="EUR") == euros("18.3")


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "EU", "€", "EUR\n", "ÉUR"])
def test_a_currency_has_three_capitals(currency):
    with pytest.raises(Invalid, match="is not the code of a currency"):
        Money(Decimal(1), currency)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_an_amount_is_a_number(amount):
    with pytest.raises(Invalid, match="is not an amount of money"):
        euros(amount)


@pytest.mark.parametrize(
    ("money", "language", "words"),
    [
        (euros("1234.5"), "en", "€1,234.50"),
        (euros("1234.5"), "nl", "€\N{NO-BREAK SPACE}1.234,50"),
        (euros("-3"), "nl", "€\N{NO-BREAK SPACE}-3,00"),
        (euros("0.125"), "en", "€0.12"),
        (Money(Decimal("1234.5"), "JPY"), "en", "JP¥1,234"),
        (Money(Decimal("1.5"), "KWD"), "en", "KWD1.500"),
    ],
)
def test_a_reader_sees_money_as_he_writes_it(money, language, words):
    assert money.words(language=language) == words


def test_in_a_log_it_is_plain():
    assert str(euros("12.50")) == "12.50 EUR"
