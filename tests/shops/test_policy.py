"""The merchant's settings: what can be, and what is said of what cannot."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.errors import Invalid
from plugin.shops.policy import DEFAULT_TIERS, Policy, TierRule, dump, load

GOLD = Policy(
    version=7,
    rules_version=5,
    time_zone="America/New_York",
    main_currency="USD",
    rates={"EUR": Decimal("1.0873"), "GBP": Decimal("1.27")},
    accounts_confirmed=True,
    tiers=(TierRule(id="bronze", purchase_days=1), TierRule(id="gold-2", purchase_days=5)),
    window_months=12,
    hold_months=6,
    quiet_days=90,
    publish=True,
)


def test_a_shop_that_set_nothing_has_the_defaults():
    assert load({}) == Policy()
    assert Policy().tiers == DEFAULT_TIERS
    assert [(tier.id, tier.purchase_days) for tier in DEFAULT_TIERS] == [
        ("one-time", 1),
        ("returning", 2),
        ("regular", 4),
    ]


@pytest.mark.parametrize("policy", [Policy(), GOLD])
def test_what_is_written_down_is_read_back(policy):
    assert load(json.loads(json.dumps(dump(policy)))) == policy


def test_settings_are_written_down_in_plain_json():
    assert dump(GOLD) == {
        "version": 7,
        "rules_version": 5,
        "time_zone": "America/New_York",
        "main_currency": "USD",
        "rates": {"EUR": "1.0873", "GBP": "1.27"},
        "accounts_confirmed": True,
        "tiers": [{"id": "bronze", "purchase_days": 1}, {"id": "gold-2", "purchase_days": 5}],
        "window_months": 12,
        "hold_months": 6,
        "quiet_days": 90,
        "publish": True,
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"time_zone": "Europe/Amsterdm"}, "time_zone must be a time zone such as Europe/Amsterdam"),
        ({"time_zone": "Europe"}, "time_zone must be a time zone such as Europe/Amsterdam"),
        ({"time_zone": "../etc/passwd"}, "time_zone must be a time zone such as Europe/Amsterdam"),
        ({"time_zone": ""}, "time_zone must be a time zone such as Europe/Amsterdam"),
        ({"time_zone": None}, "time_zone must be the name of a time zone"),
        ({"main_currency": "eur"}, "main_currency must be the code of a currency, such as EUR"),
        ({"main_currency": "EURO"}, "main_currency must be the code of a currency, such as EUR"),
        ({"main_currency": 5}, "main_currency must be the code of a currency"),
        ({"rates": {"dollar": "1"}}, "rates.dollar must be the code of a currency, such as EUR"),
        ({"rates": {"USD": "0"}}, "rates.USD must be a rate above 0"),
        ({"rates": {"USD": "-1"}}, "rates.USD must be a rate above 0"),
        ({"rates": {"USD": "NaN"}}, "rates.USD must be a rate above 0"),
        ({"rates": {"USD": None}}, "rates.USD must be a rate above 0"),
        ({"rates": "USD"}, "rates must be rates by currency"),
        ({"main_currency": "EUR", "rates": {"EUR": "1"}}, "rates must not name the main currency itself"),
        ({"window_months": 0}, "window_months must be a number of months from 1 to 120"),
        ({"window_months": 121}, "window_months must be a number of months from 1 to 120"),
        ({"hold_months": 0}, "hold_months must be a number of months from 1 to 120"),
        ({"quiet_days": 0}, "quiet_days must be a number of days from 1 to 3650"),
        ({"quiet_days": 3651}, "quiet_days must be a number of days from 1 to 3650"),
        ({"quiet_days": 1.5}, "quiet_days must be a whole number"),
        ({"quiet_days": "180"}, "quiet_days must be a whole number"),
        ({"quiet_days": True}, "quiet_days must be a whole number"),
        ({"version": -1}, "version must not be negative"),
        ({"accounts_confirmed": "perhaps"}, "accounts_confirmed must be true or false"),
        ({"publish": None}, "publish must be true or false"),
        ({"tiers": []}, "tiers must be 1 to 12 tiers"),
        ({"tiers": "regular"}, "tiers must be a list of tiers"),
        ({"tiers": ["regular"]}, "tiers.0 must be settings by name"),
        ({"colour": "red"}, "colour is not a setting"),
        ([], "settings must be settings by name"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_reason(settings, words):
    with pytest.raises(Invalid) as error:
        load(settings)

    assert str(error.value) == words


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ([("vip", 2)], "tiers must begin at 1 purchase day: whoever bought is in the first"),
        (
            [("a", 1), ("b", 3), ("c", 3)],
            "tiers must go up: each begins at more purchase days than the one before",
        ),
        ([("a", 2), ("b", 1)], "tiers must go up: each begins at more purchase days than the one before"),
        ([("a", 1), ("a", 2)], "tiers must each have a name of their own"),
        ([("a", 0)], "tiers.0.purchase_days must be a number of purchase days from 1 to 1000"),
        ([("a", 1), ("top", 2)], "tiers.1.id is a name Herkend itself uses"),
        ([("prospect", 1)], "tiers.0.id is a name Herkend itself uses"),
        ([("Vaste klant", 1)], "tiers.0.id must be 1 to 32 small letters, digits and hyphens"),
        ([("a" * 33, 1)], "tiers.0.id must be 1 to 32 small letters, digits and hyphens"),
        ([("a\n", 1)], "tiers.0.id must be 1 to 32 small letters, digits and hyphens"),
        ([("-a", 1)], "tiers.0.id must be 1 to 32 small letters, digits and hyphens"),
    ],
)
def test_tiers_go_up_from_one_purchase_day_under_names_of_their_own(tiers, words):
    with pytest.raises(Invalid) as error:
        load({"tiers": [{"id": name, "purchase_days": days} for name, days in tiers]})

    assert str(error.value) == words


def test_a_missing_part_of_a_tier_is_named():
    with pytest.raises(Invalid, match=r"^tiers\.0\.purchase_days must be a whole number$"):
        load({"tiers": [{"id": "a"}]})


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(Invalid) as error:
        load({"quiet_days": 0, "publish": "perhaps"})

    assert str(error.value) == (
        "quiet_days must be a number of days from 1 to 3650; publish must be true or false"
    )


@pytest.mark.parametrize("limits", [{"window_months": 1, "hold_months": 120, "quiet_days": 3650}])
def test_limits_may_be_at_their_ends(limits):
    assert dump(load(limits)) == {**dump(Policy()), **limits}


def test_a_rate_given_as_a_json_number_is_taken_as_written():
    assert load({"rates": {"USD": 0.92}}).rates == {"USD": Decimal("0.92")}


def test_a_moment_falls_on_a_day_of_the_shop():
    moment = datetime(2024, 12, 31, 23, 30, tzinfo=UTC)

    assert Policy().day(moment) == date(2025, 1, 1)
    assert GOLD.day(moment) == date(2024, 12, 31)


ladders = st.lists(st.integers(2, 50), max_size=4, unique=True).map(
    lambda limits: tuple(TierRule(id=f"tier-{limit}", purchase_days=limit) for limit in (1, *sorted(limits)))
)


@given(
    st.builds(
        Policy,
        version=st.integers(0, 10**6),
        time_zone=st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "UTC"]),
        main_currency=st.sampled_from([None, "EUR"]),
        rates=st.dictionaries(
            st.sampled_from(["USD", "GBP"]), st.decimals("0.000001", 10**6, allow_nan=False)
        ),
        tiers=ladders,
        window_months=st.integers(1, 120),
        hold_months=st.integers(1, 120),
        quiet_days=st.integers(1, 3650),
    )
)
def test_every_policy_survives_being_written_down(policy):
    assert load(json.loads(json.dumps(dump(policy)))) == policy
