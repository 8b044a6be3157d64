"""The rules of PRODUCT, by example: the default policy looks back 24 months, holds 12, and is quiet after 180 days."""

from datetime import date, timedelta

import pytest

from plugin.customers.profile import Profile
from plugin.shops.policy import Policy, TierRule
from plugin.tiers.rules import Standing, standing

POLICY = Policy()


def day(written):
    return date.fromisoformat(written)


def stand(days, today, *, policy=POLICY, last_order_day=None):
    profile = Profile(
        purchase_days=tuple(sorted(day(one) for one in days.split())),
        last_order_day=last_order_day and day(last_order_day),
        not_counted={},
    )
    return standing(profile, policy=policy, today=day(today))


ONCE = "2024-01-15"
TWICE = "2024-01-15 2025-06-01"
FOUR = "2020-01-10 2020-02-10 2020-03-10 2020-04-10"


@pytest.mark.parametrize(
    ("days", "today", "tier", "since", "until"),
    [
        # Up at once, and whoever ever bought is in the first tier for ever.
        ("", "2025-06-01", "prospect", None, None),
        (ONCE, "2024-01-15", "one-time", "2024-01-15", None),
        (ONCE, "2094-01-15", "one-time", "2024-01-15", None),
        # Two days within 24 months; held until 24 + 12 months after the first of them.
        (TWICE, "2025-06-01", "returning", "2025-06-01", "2027-01-15"),
        (TWICE, "2027-01-14", "returning", "2025-06-01", "2027-01-15"),
        (TWICE, "2027-01-15", "one-time", "2024-01-15", None),
        # On the day 24 months later the first no longer counts.
        ("2024-01-15 2026-01-14", "2026-01-14", "returning", "2026-01-14", "2027-01-15"),
        ("2024-01-15 2026-01-15", "2026-01-15", "one-time", "2024-01-15", None),
        # Three days are still returning; the last two hold it longest.
        ("2024-01-15 2024-05-01 2024-09-20", "2024-09-20", "returning", "2024-05-01", "2027-05-01"),
        # The fourth makes a regular; then down step by step.
        (FOUR, "2020-04-09", "regular", "2020-04-09", "2023-01-10"),
        (FOUR, "2020-04-10", "regular", "2020-04-10", "2023-01-10"),
        (FOUR, "2023-01-09", "regular", "2020-04-10", "2023-01-10"),
        (FOUR, "2023-01-10", "returning", "2020-02-10", "2023-03-10"),
        (FOUR, "2023-03-09", "returning", "2020-02-10", "2023-03-10"),
        (FOUR, "2023-03-10", "one-time", "2020-01-10", None),
        # Four days that were never within 24 months of each other.
        (
            "2018-01-15 2019-01-15 2020-01-15 2021-01-15",
            "2021-01-15",
            "returning",
            "2019-01-15",
            "2023-01-15",
        ),
        # A tier reached again before it ended has been held all along...
        (f"{FOUR} 2022-03-01 2023-01-10", "2023-03-10", "returning", "2020-02-10", "2025-03-01"),
        (
            "2020-01-10 2020-02-10 2022-03-01 2023-01-10",
            "2023-01-10",
            "returning",
            "2020-02-10",
            "2025-03-01",
        ),
        # ... and one reached again a day later begins anew.
        (
            "2020-01-10 2020-02-10 2022-03-01 2023-01-11",
            "2023-01-11",
            "returning",
            "2023-01-11",
            "2025-03-01",
        ),
        # 29 February: 24 months later is 28 February, and so is 36.
        ("2024-02-29 2026-02-27", "2026-02-27", "returning", "2026-02-27", "2027-02-28"),
        ("2024-02-29 2026-02-28", "2026-02-28", "one-time", "2024-02-29", None),
        ("2024-02-28 2026-02-28", "2026-02-28", "one-time", "2024-02-28", None),
        ("2024-03-01 2026-02-28", "2027-02-28", "returning", "2026-02-28", "2027-03-01"),
        # New Year's Eve and New Year's Day are two visits.
        ("2024-12-31 2025-01-01", "2025-01-01", "returning", "2025-01-01", "2027-12-31"),
    ],
)
def test_a_tier_is_reached_at_once_and_held_for_a_year_longer(days, today, tier, since, until):
    found = stand(days, today)

    assert (found.tier, found.since, found.until) == (tier, since and day(since), until and day(until))


def test_days_still_to_come_count_as_today():
    assert stand("2025-05-10 2025-05-13", "2025-05-12").tier == "returning"
    assert stand("2025-05-12 2025-05-13", "2025-05-12").tier == "one-time"
    assert stand("2025-05-13", "2025-05-12").since == day("2025-05-12")


@pytest.mark.parametrize(
    ("today", "quiet_since"),
    [
        ("2025-01-01", None),
        ("2025-06-29", None),
        ("2025-06-30", "2025-06-30"),
        ("2027-01-01", "2025-06-30"),
    ],
)
def test_quiet_begins_after_180_days_without_an_order(today, quiet_since):
    found = stand("2024-12-01 2025-01-01", today)

    assert found.quiet_since == (quiet_since and day(quiet_since))


def test_an_order_not_paid_yet_is_no_silence():
    assert stand("2025-01-01", "2025-07-05", last_order_day="2025-07-01").quiet_since is None
    assert stand("2025-01-01", "2026-01-05", last_order_day="2025-07-01").quiet_since == day("2025-12-28")


def test_an_order_still_to_come_counts_as_today_for_silence():
    assert stand("2025-01-01", "2025-07-05", last_order_day="2025-07-06").next_change == day("2026-01-01")


def test_a_prospect_is_never_quiet():
    assert stand("", "2026-01-05", last_order_day="2025-01-01").quiet_since is None


@pytest.mark.parametrize(
    ("days", "today", "next_change"),
    [
        ("", "2025-01-01", None),
        (ONCE, "2024-01-15", "2024-07-13"),
        (ONCE, "2024-07-12", "2024-07-13"),
        (ONCE, "2024-07-13", None),
        (FOUR, "2020-04-10", "2020-10-07"),
        (FOUR, "2020-10-07", "2023-01-10"),
        (FOUR, "2023-01-10", "2023-03-10"),
        (FOUR, "2023-03-10", None),
        # A day still to come comes.
        ("2025-05-12 2025-05-14", "2025-05-12", "2025-05-14"),
    ],
)
def test_a_standing_knows_when_time_alone_changes_it(days, today, next_change):
    assert stand(days, today).next_change == (next_change and day(next_change))


def test_the_merchants_own_limits_hold():
    policy = Policy(
        tiers=(TierRule(id="brons", purchase_days=1), TierRule(id="goud", purchase_days=3)),
        window_months=6,
        hold_months=1,
        quiet_days=10,
    )

    found = stand("2025-01-31 2025-02-01 2025-03-05", "2025-03-20", policy=policy)

    # Six months after 31 January is 31 July; a month after that 31 August.
    assert (found.tier, found.since, found.until) == ("goud", day("2025-03-05"), day("2025-08-31"))
    assert (found.quiet_since, found.next_change) == (day("2025-03-15"), day("2025-08-31"))


def test_a_single_tier_is_enough():
    policy = Policy(tiers=(TierRule(id="klant", purchase_days=1),))

    assert stand(FOUR, "2020-04-10", policy=policy).tier == "klant"


def test_nobody_is_anybody_before_the_first_purchase():
    empty = stand("", "2025-01-01")

    assert empty == Standing(tier="prospect", reasons=empty.reasons)


def test_a_visit_a_day_for_ten_years_is_one_unbroken_spell():
    visits = [day("2010-01-01") + timedelta(days=number) for number in range(3650)]
    daily = Profile(purchase_days=tuple(visits), last_order_day=visits[-1], not_counted={})

    found = standing(daily, policy=POLICY, today=visits[-1])

    assert (found.tier, found.since, found.until) == ("regular", day("2010-01-04"), day("2022-12-26"))
