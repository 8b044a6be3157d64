"""The closed form against PRODUCT's own words, read day by day, and what must hold for every history.

The oracle goes back by months from the day it looks at, the closed form goes forward from the purchase; where months
have different lengths the two can differ by a day, so that histories for the oracle keep to days 1 to 28 of a month.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from dateutil.relativedelta import relativedelta
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugin.customers.profile import Profile
from plugin.shops.policy import Policy, TierRule
from plugin.tiers.rules import standing
from plugin.tiers.words import LANGUAGES, explain

START = date(2023, 6, 1)
DAY = timedelta(days=1)


@cache
def months_before(day, months):
    return day - relativedelta(months=months)


@dataclass(frozen=True)
class Oracle:
    """A customer's tier, counted on each day."""

    days: tuple[date, ...]
    policy: Policy

    def at(self, moment):
        """Count the purchase days of the months before a moment; 0 is nobody, 1 the lowest tier."""
        begin = months_before(moment, self.policy.window_months)
        counted = sum(begin < day <= moment for day in self.days)
        return sum(rule.purchase_days <= counted for rule in self.policy.tiers)

    def held(self, today):
        """Take the highest of the last months; the day that lies exactly so far back still belongs to them."""
        moment, highest = months_before(today, self.policy.hold_months), 0
        while moment <= today:
            highest = max(highest, self.at(moment))
            moment += DAY
        ever_bought = any(day <= today for day in self.days)
        return max(highest, int(ever_bought))

    def quiet(self, today):
        """Tell whether there was no order for so many days."""
        return bool(self.days) and (today - max(self.days)).days >= self.policy.quiet_days


def names(policy):
    return ["prospect", *(rule.id for rule in policy.tiers)]


def profile_of(days):
    return Profile(purchase_days=tuple(sorted(days)), last_order_day=max(days, default=None), not_counted={})


policies = st.builds(
    Policy,
    tiers=st.lists(st.integers(2, 6), max_size=3, unique=True).map(
        lambda limits: tuple(
            TierRule(id=f"from-{limit}", purchase_days=limit) for limit in (1, *sorted(limits))
        )
    ),
    window_months=st.integers(1, 4),
    hold_months=st.integers(1, 3),
    quiet_days=st.integers(1, 60),
)
any_days = st.sets(st.integers(0, 420).map(lambda number: START + number * DAY), max_size=9)
days_of_every_month = any_days.map(lambda days: {day for day in days if day.day <= 28})


@settings(max_examples=80, deadline=None)
@given(policies, days_of_every_month, st.integers(0, 260))
def test_the_held_tier_is_that_of_looking_at_every_day(policy, days, later):
    today = max(days, default=START) + later * DAY
    found = standing(profile_of(days), policy=policy, today=today)
    oracle = Oracle(tuple(days), policy)

    assert names(policy).index(found.tier) == oracle.held(today)
    assert (found.quiet_since is not None) == oracle.quiet(today)


@settings(max_examples=40, deadline=None)
@given(policies, days_of_every_month, st.integers(0, 200))
def test_since_and_until_are_the_days_on_which_looking_at_every_day_changes(policy, days, later):
    assume(days)
    today = max(days) + later * DAY
    found = standing(profile_of(days), policy=policy, today=today)
    oracle = Oracle(tuple(days), policy)
    level = oracle.held(today)

    past = (today - number * DAY for number in range((today - START).days + 2))
    since = next(day for day in past if oracle.held(day - DAY) < level)
    # Nothing lasts longer than four months of window and three of hold.
    coming = (today + number * DAY for number in range(1, 230))
    until = next((day for day in coming if oracle.held(day) < level), None)

    assert (found.since, found.until) == (since, until)


@settings(max_examples=60, deadline=None)
@given(policies, days_of_every_month, st.integers(0, 200))
def test_the_next_change_is_the_first_day_on_which_the_tier_or_the_silence_changes(policy, days, later):
    today = max(days, default=START) + later * DAY
    found = standing(profile_of(days), policy=policy, today=today)
    oracle = Oracle(tuple(days), policy)

    def looks(day):
        return oracle.held(day), oracle.quiet(day)

    coming = (today + number * DAY for number in range(1, 230))
    assert found.next_change == next((day for day in coming if looks(day) != looks(today)), None)


@settings(max_examples=100, deadline=None)
@given(policies, any_days, st.integers(0, 420), st.integers(0, 260))
def test_one_more_purchase_never_lowers_a_tier_on_any_later_day(policy, days, added, later):
    more = {*days, START + added * DAY}
    first = max(more)
    order = names(policy)
    for today in (first, first + later * DAY, first + 2 * later * DAY):
        before = standing(profile_of(days), policy=policy, today=today)
        after = standing(profile_of(more), policy=policy, today=today)

        assert order.index(after.tier) >= order.index(before.tier)


@settings(max_examples=60, deadline=None)
@given(policies, any_days, st.integers(0, 260))
def test_a_tier_only_falls_with_time_and_says_the_day_before(policy, days, later):
    today = max(days, default=START) + later * DAY
    found = standing(profile_of(days), policy=policy, today=today)
    order = names(policy)
    if found.until is None:
        assert found.tier in order[:2]
        return

    eve = standing(profile_of(days), policy=policy, today=found.until - DAY)
    fallen = standing(profile_of(days), policy=policy, today=found.until)

    assert (eve.tier, eve.since, eve.until) == (found.tier, found.since, found.until)
    assert order.index(fallen.tier) < order.index(found.tier)


@settings(max_examples=60, deadline=None)
@given(policies, any_days, st.integers(0, 260))
def test_between_two_changes_a_standing_and_its_words_stay_the_same(policy, days, later):
    today = max(days, default=START) + later * DAY
    found = standing(profile_of(days), policy=policy, today=today)
    last = (found.next_change or today + 400 * DAY) - DAY
    half = today + (last - today) // 2

    assert standing(profile_of(days), policy=policy, today=half) == found
    assert standing(profile_of(days), policy=policy, today=last) == found


profiles = st.builds(
    Profile,
    purchase_days=any_days.map(lambda days: tuple(sorted(days))),
    last_order_day=st.none() | st.dates(START, START + 900 * DAY),
    not_counted=st.dictionaries(
        st.sampled_from(["draft", "cancelled", "expired", "reissue", "refunded", "unpaid"]),
        st.integers(1, 3),
    ),
    joined=st.integers(0, 3),
    left_out=st.lists(st.sampled_from(["USD", "GBP", "CHF"]), unique=True).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(policies, profiles, st.dates(START - 30 * DAY, START + 900 * DAY))
def test_every_standing_explains_itself_in_both_languages(policy, profile, today):
    found = standing(profile, policy=policy, today=today)
    told = {language: explain(found, language=language) for language in LANGUAGES}

    assert len(told["en"]) == len(told["nl"]) == len(found.reasons)
    assert 2 <= len(found.reasons) <= 5
    for sentence in (*told["en"], *told["nl"]):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not set("{}") & set(sentence)
