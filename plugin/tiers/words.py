"""Standings in words, English and Dutch, for the shopkeeper."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from babel.dates import format_date
from babel.lists import format_list

from plugin.tiers.reasons import Reason
from plugin.tiers.rules import Standing

Language = Literal["en", "nl"]
LANGUAGES: tuple[Language, ...] = ("en", "nl")

_LOCALES = {"en": "en_GB", "nl": "nl_NL"}

TIERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "prospect": "not a customer yet",
            "one-time": "one-time buyer",
            "returning": "returning customer",
            "regular": "regular customer",
            "top": "top customer",
        },
        "nl": {
            "prospect": "nog geen klant",
            "one-time": "eenmalige koper",
            "returning": "terugkerende klant",
            "regular": "vaste klant",
            "top": "topklant",
        },
    }
)

NOUNS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "en": {
            "days": ("{} day", "{} different days"),
            "quiet": ("{} day", "{} days"),
            "limit": ("{} purchase day", "{} purchase days"),
            "months": ("{} month", "{} months"),
            "joined": ("{} order", "{} orders"),
            "cancelled": ("{} cancelled order", "{} cancelled orders"),
            "expired": ("{} expired order", "{} expired orders"),
            "refunded": ("{} fully refunded order", "{} fully refunded orders"),
            "reissue": ("{} replacement order", "{} replacement orders"),
            "unpaid": ("{} order not paid yet", "{} orders not paid yet"),
        },
        "nl": {
            "days": ("{} dag", "{} verschillende dagen"),
            "quiet": ("{} dag", "{} dagen"),
            "limit": ("{} aankoopdag", "{} aankoopdagen"),
            "months": ("{} maand", "{} maanden"),
            "joined": ("{} bestelling", "{} bestellingen"),
            "cancelled": ("{} geannuleerde bestelling", "{} geannuleerde bestellingen"),
            "expired": ("{} verlopen bestelling", "{} verlopen bestellingen"),
            "refunded": ("{} volledig terugbetaalde bestelling", "{} volledig terugbetaalde bestellingen"),
            "reissue": ("{} vervangende bestelling", "{} vervangende bestellingen"),
            "unpaid": ("{} nog niet betaalde bestelling", "{} nog niet betaalde bestellingen"),
        },
    }
)

# A sentence per reason; "+later" is said at the end of one that knows of a later purchase.
SENTENCES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "no_purchase": "No purchase that counts yet",
            "first_step": "With the first paid order: {tier}",
            "bought_once": "Bought once, on {day}",
            "bought_ever": "Bought on {days} in all, most recently on {last}",
            "bought_in_window": "Bought on {days} in the {months} up to {last}",
            "bought_between": "Bought on {days} from {first} to {last}",
            "+later": ", and most recently on {later}",
            "since": "{Tier} since {since}: that takes {limit} within {months}",
            "since_ever": "{Tier} since {since}: whoever has bought keeps at least this tier",
            "until": "Without new purchases this lasts until {until} (with {hold} of grace); then: {after}",
            "fallen_from": "Earlier: {tier}, until {until}",
            "too_far_apart": "The purchases are too far apart for more: {tier} takes {limit} within {months}",
            "quiet": "Quiet since {since}: no order in the {quiet} after {last}",
            "not_counted": "Not counted: {orders}",
            "joined": "Included: {joined} placed as a guest with the same e-mail address",
            "left_out": "Amounts in {currencies} are left out of the spending: there is no rate for them",
        },
        "nl": {
            "no_purchase": "Nog geen aankoop die telt",
            "first_step": "Met de eerste betaalde bestelling: {tier}",
            "bought_once": "Eén keer gekocht, op {day}",
            "bought_ever": "In totaal op {days} gekocht, het laatst op {last}",
            "bought_in_window": "Op {days} gekocht in de {months} tot en met {last}",
            "bought_between": "Op {days} gekocht van {first} tot en met {last}",
            "+later": ", en het laatst op {later}",
            "since": "{Tier} sinds {since}: daarvoor zijn {limit} binnen {months} nodig",
            "since_ever": "{Tier} sinds {since}: wie ooit iets kocht, houdt ten minste deze status",
            "until": "Zonder nieuwe aankopen blijft dat zo tot {until} (met {hold} respijt); daarna: {after}",
            "fallen_from": "Eerder: {tier}, tot {until}",
            "too_far_apart": "De aankopen liggen te ver uit elkaar voor meer:"
            " voor {tier} zijn {limit} binnen {months} nodig",
            "quiet": "Stil sinds {since}: geen bestelling in de {quiet} na {last}",
            "not_counted": "Niet meegeteld: {orders}",
            "joined": "Inclusief {joined}, als gast geplaatst met hetzelfde e-mailadres",
            "left_out": "Bedragen in {currencies} tellen niet mee in de besteding: er is geen koers voor ingesteld",
        },
    }
)


def explain(standing: Standing, *, language: Language) -> list[str]:
    """Say in a few sentences why somebody stands there: the facts, the rule, until when."""
    return [sentence(reason, language=language) for reason in standing.reasons]


def sentence(reason: Reason, *, language: Language) -> str:
    """Put one reason into a sentence."""
    texts = SENTENCES[language]
    text = texts[reason.code] + (texts["+later"] if "later" in reason.params else "")
    params = {name: _SAID[name](value, language) for name, value in reason.params.items()}
    if "tier" in params:
        params["Tier"] = params["tier"][:1].upper() + params["tier"][1:]
    return text.format_map(params) + "."


def tier_name(tier: str, *, language: Language) -> str:
    """Name a tier in the reader's language; one that the merchant named himself keeps that name."""
    return TIERS[language].get(tier, tier)


def day_in_words(day: date, *, language: Language) -> str:
    """Write a date out: 12 May 2025, 12 mei 2025."""
    return format_date(day, "d MMMM y", locale=_LOCALES[language])


def _day(written: str, language: Language) -> str:
    return day_in_words(date.fromisoformat(written), language=language)


def _tier(tier: str, language: Language) -> str:
    return tier_name(tier, language=language)


def _number(number: int, language: Language, *, noun: str) -> str:
    one, more = NOUNS[language][noun]
    return (one if number == 1 else more).format(number)


def _orders(numbers: Mapping[str, int], language: Language) -> str:
    return _list([_number(number, language, noun=why) for why, number in numbers.items()], language)


def _list(items: list[str], language: Language) -> str:
    return format_list(items, locale=_LOCALES[language])


# How a reason's parameter is said, by its name.
_SAID: Mapping[str, Callable[[Any, Language], str]] = MappingProxyType(
    {
        **dict.fromkeys(("day", "first", "last", "later", "since", "until"), _day),
        **dict.fromkeys(("tier", "after"), _tier),
        **{noun: partial(_number, noun=noun) for noun in ("days", "quiet", "limit", "months", "joined")},
        "hold": partial(_number, noun="months"),
        "orders": _orders,
        "currencies": _list,
    }
)
