"""Standings in words."""

import json
from datetime import date
from functools import partial
from string import Formatter

import pytest

from plugin.customers.profile import Profile
from plugin.shops.policy import DEFAULT_TIERS, Policy, TierRule
from plugin.tiers import reasons
from plugin.tiers.reasons import Reason
from plugin.tiers.rules import standing
from plugin.tiers.words import NOUNS, SENTENCES, TIERS, day_in_words, explain, sentence, tier_name

POLICY = Policy()
FOUR = "2020-01-10 2020-02-10 2020-03-10 2020-04-10"


def day(written):
    return date.fromisoformat(written)


def told(days, today, *, policy=POLICY, **facts):
    profile = Profile(
        **{
            "purchase_days": tuple(day(one) for one in days.split()),
            "not_counted": {},
            **facts,
        }
    )
    found = standing(profile, policy=policy, today=day(today))
    return explain(found, language="en"), explain(found, language="nl")


EXAMPLES = {
    "nobody yet": (
        partial(told, "", "2025-06-01"),
        ["No purchase that counts yet.", "With the first paid order: one-time buyer."],
        ["Nog geen aankoop die telt.", "Met de eerste betaalde bestelling: eenmalige koper."],
    ),
    "a prospect with an open order": (
        partial(told, "", "2025-06-01", not_counted={"unpaid": 1, "draft": 2}),
        [
            "No purchase that counts yet.",
            "With the first paid order: one-time buyer.",
            "Not counted: 1 order not paid yet.",
        ],
        [
            "Nog geen aankoop die telt.",
            "Met de eerste betaalde bestelling: eenmalige koper.",
            "Niet meegeteld: 1 nog niet betaalde bestelling.",
        ],
    ),
    "one purchase": (
        partial(told, "2025-05-12", "2025-06-01"),
        [
            "Bought once, on 12 May 2025.",
            "One-time buyer since 12 May 2025: whoever has bought keeps at least this tier.",
        ],
        [
            "Eén keer gekocht, op 12 mei 2025.",
            "Eenmalige koper sinds 12 mei 2025: wie ooit iets kocht, houdt ten minste deze status.",
        ],
    ),
    "a returning customer": (
        partial(told, "2024-03-01 2025-05-12", "2025-06-01"),
        [
            "Bought on 2 different days in the 24 months up to 12 May 2025.",
            "Returning customer since 12 May 2025: that takes 2 purchase days within 24 months.",
            "Without new purchases this lasts until 1 March 2027 (with 12 months of grace); then: one-time buyer.",
        ],
        [
            "Op 2 verschillende dagen gekocht in de 24 maanden tot en met 12 mei 2025.",
            "Terugkerende klant sinds 12 mei 2025: daarvoor zijn 2 aankoopdagen binnen 24 maanden nodig.",
            "Zonder nieuwe aankopen blijft dat zo tot 1 maart 2027 (met 12 maanden respijt); daarna: eenmalige koper.",
        ],
    ),
    "a quiet regular whose last visit came late": (
        partial(told, f"{FOUR} 2022-06-01", "2022-12-31", not_counted={"refunded": 1, "cancelled": 2}),
        [
            "Bought on 4 different days in the 24 months up to 10 April 2020, and most recently on 1 June 2022.",
            "Regular customer since 10 April 2020: that takes 4 purchase days within 24 months.",
            (
                "Without new purchases this lasts until 10 January 2023 (with 12 months of grace); "
                "then: returning customer."
            ),
            "Quiet since 28 November 2022: no order in the 180 days after 1 June 2022.",
            "Not counted: 1 fully refunded order and 2 cancelled orders.",
        ],
        [
            (
                "Op 4 verschillende dagen gekocht in de 24 maanden tot en met 10 april 2020, "
                "en het laatst op 1 juni 2022."
            ),
            "Vaste klant sinds 10 april 2020: daarvoor zijn 4 aankoopdagen binnen 24 maanden nodig.",
            (
                "Zonder nieuwe aankopen blijft dat zo tot 10 januari 2023 (met 12 maanden respijt); "
                "daarna: terugkerende klant."
            ),
            "Stil sinds 28 november 2022: geen bestelling in de 180 dagen na 1 juni 2022.",
            "Niet meegeteld: 1 volledig terugbetaalde bestelling en 2 geannuleerde bestellingen.",
        ],
    ),
    "once a regular": (
        partial(told, FOUR, "2023-02-01", last_order_day=day("2023-01-15")),
        [
            "Bought on 2 different days from 10 March 2020 to 10 April 2020.",
            "Returning customer since 10 February 2020: that takes 2 purchase days within 24 months.",
            "Without new purchases this lasts until 10 March 2023 (with 12 months of grace); then: one-time buyer.",
            "Earlier: regular customer, until 10 January 2023.",
        ],
        [
            "Op 2 verschillende dagen gekocht van 10 maart 2020 tot en met 10 april 2020.",
            "Terugkerende klant sinds 10 februari 2020: daarvoor zijn 2 aankoopdagen binnen 24 maanden nodig.",
            "Zonder nieuwe aankopen blijft dat zo tot 10 maart 2023 (met 12 maanden respijt); daarna: eenmalige koper.",
            "Eerder: vaste klant, tot 10 januari 2023.",
        ],
    ),
    "once more than that": (
        partial(told, FOUR, "2023-04-01"),
        [
            "Bought on 4 different days in all, most recently on 10 April 2020.",
            "One-time buyer since 10 January 2020: whoever has bought keeps at least this tier.",
            "Quiet since 7 October 2020: no order in the 180 days after 10 April 2020.",
            "Earlier: returning customer, until 10 March 2023.",
        ],
        [
            "In totaal op 4 verschillende dagen gekocht, het laatst op 10 april 2020.",
            "Eenmalige koper sinds 10 januari 2020: wie ooit iets kocht, houdt ten minste deze status.",
            "Stil sinds 7 oktober 2020: geen bestelling in de 180 dagen na 10 april 2020.",
            "Eerder: terugkerende klant, tot 10 maart 2023.",
        ],
    ),
    "too far apart, with a guest's past and foreign money": (
        partial(told, "2022-01-01 2025-05-12", "2025-06-01", joined=1, left_out=("GBP", "USD")),
        [
            "Bought on 2 different days in all, most recently on 12 May 2025.",
            "One-time buyer since 1 January 2022: whoever has bought keeps at least this tier.",
            "The purchases are too far apart for more: returning customer takes 2 purchase days within 24 months.",
            "Included: 1 order placed as a guest with the same e-mail address.",
            "Amounts in GBP and USD are left out of the spending: there is no rate for them.",
        ],
        [
            "In totaal op 2 verschillende dagen gekocht, het laatst op 12 mei 2025.",
            "Eenmalige koper sinds 1 januari 2022: wie ooit iets kocht, houdt ten minste deze status.",
            (
                "De aankopen liggen te ver uit elkaar voor meer: voor terugkerende klant zijn 2 aankoopdagen binnen"
                " 24 maanden nodig."
            ),
            "Inclusief 1 bestelling, als gast geplaatst met hetzelfde e-mailadres.",
            "Bedragen in GBP en USD tellen niet mee in de besteding: er is geen koers voor ingesteld.",
        ],
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_standing_is_told_in_english_and_in_dutch(example):
    tell, in_english, in_dutch = EXAMPLES[example]

    assert tell() == (in_english, in_dutch)


def test_a_merchants_own_tiers_and_limits_are_named():
    tiers = (TierRule(id="brons", purchase_days=1), TierRule(id="goud", purchase_days=3))
    policy = Policy(tiers=tiers, window_months=6, hold_months=1)

    english, dutch = told("2025-01-31 2025-02-01 2025-03-05", "2025-03-20", policy=policy)

    assert english[1:] == [
        "Goud since 5 March 2025: that takes 3 purchase days within 6 months.",
        "Without new purchases this lasts until 31 August 2025 (with 1 month of grace); then: brons.",
    ]
    assert dutch[1:] == [
        "Goud sinds 5 maart 2025: daarvoor zijn 3 aankoopdagen binnen 6 maanden nodig.",
        "Zonder nieuwe aankopen blijft dat zo tot 31 augustus 2025 (met 1 maand respijt); daarna: brons.",
    ]


@pytest.mark.parametrize(
    ("days", "today", "first_sentence"),
    [
        (
            f"2018-04-10 {FOUR}",
            "2020-05-01",
            "Bought on 4 different days in the 24 months up to 10 April 2020.",
        ),
        (
            f"2018-04-11 {FOUR}",
            "2020-05-01",
            "Bought on 5 different days in the 24 months up to 10 April 2020.",
        ),
        (
            f"{FOUR} 2022-12-01",
            "2023-02-01",
            "Bought on 2 different days from 10 March 2020 to 10 April 2020, and most recently on 1 December 2022.",
        ),
    ],
)
def test_the_first_sentence_names_the_days_that_hold_the_tier(days, today, first_sentence):
    english, _ = told(days, today)

    assert english[0] == first_sentence


def test_after_a_fall_only_the_days_that_still_hold_the_tier_speak_for_it():
    tiers = tuple(TierRule(id=f"from-{limit}", purchase_days=limit) for limit in (1, 3, 5))

    english, _ = told(f"{FOUR} 2020-05-10", "2023-02-01", policy=Policy(tiers=tiers))

    assert english[0] == "Bought on 3 different days from 10 March 2020 to 10 May 2020."


def test_a_fall_is_told_from_its_first_day_on():
    assert "Earlier: regular customer, until 10 January 2023." not in told(FOUR, "2023-01-09")[0]
    assert "Earlier: regular customer, until 10 January 2023." in told(FOUR, "2023-01-10")[0]


def test_days_are_not_called_too_far_apart_when_they_are_too_few():
    tiers = (TierRule(id="brons", purchase_days=1), TierRule(id="goud", purchase_days=3))

    english, _ = told("2022-01-01 2025-05-12", "2025-06-01", policy=Policy(tiers=tiers))

    assert len(english) == 2


def test_every_way_in_which_an_order_does_not_count_has_its_words():
    not_counted = Reason("not_counted", {"orders": {"cancelled": 1, "expired": 2, "reissue": 1, "unpaid": 2}})

    assert sentence(not_counted, language="en") == (
        "Not counted: 1 cancelled order, 2 expired orders, 1 replacement order and 2 orders not paid yet."
    )
    assert sentence(not_counted, language="nl") == (
        "Niet meegeteld: 1 geannuleerde bestelling, 2 verlopen bestellingen, 1 vervangende bestelling "
        "en 2 nog niet betaalde bestellingen."
    )


@pytest.mark.parametrize("table", [SENTENCES, NOUNS, TIERS])
def test_no_text_is_missing_in_a_language(table):
    assert set(table["en"]) == set(table["nl"])


@pytest.mark.parametrize("code", SENTENCES["en"])
def test_a_sentence_names_the_same_facts_in_both_languages(code):
    named = [
        {name for _, name, _, _ in Formatter().parse(SENTENCES[language][code]) if name}
        for language in ("en", "nl")
    ]

    assert named[0] == named[1]


def test_default_tiers_have_names_and_others_keep_theirs():
    assert {tier.id for tier in DEFAULT_TIERS} < set(TIERS["en"])
    assert tier_name("regular", language="nl") == "vaste klant"
    assert tier_name("goud", language="nl") == "goud"


def test_dates_are_written_out():
    assert day_in_words(day("2028-02-29"), language="en") == "29 February 2028"
    assert day_in_words(day("2028-02-29"), language="nl") == "29 februari 2028"


def test_reasons_survive_being_written_down():
    profile = Profile(
        purchase_days=(day("2022-01-01"), day("2025-05-12")), not_counted={"refunded": 1}, left_out=("USD",)
    )
    found = standing(profile, policy=POLICY, today=day("2026-06-01")).reasons

    assert reasons.load(json.loads(json.dumps(reasons.dump(found)))) == found
