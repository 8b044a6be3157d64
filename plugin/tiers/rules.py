"""Which tier somebody stands in, since when, until when, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from plugin.customers.profile import Profile
from plugin.shops.policy import PROSPECT, Policy, TierRule
from plugin.tiers import spells
from plugin.tiers.reasons import Held, Reason, for_prospect, for_tier
from plugin.tiers.spells import Spell


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a person stands on one day.

    At least this tier has been held without a break from `since`, and will be until the day before `until`
    when nothing more is bought (None: for ever, or nothing is held). `quiet_since` is the first day of being
    quiet, None while not quiet. On `next_change`, and not before, time alone changes the tier or makes the
    person quiet (where a purchase day is still to come, it is that day at the latest).
    """

    tier: str
    since: date | None = None
    until: date | None = None
    quiet_since: date | None = None
    reasons: tuple[Reason, ...] = ()
    next_change: date | None = None


Ladder = Sequence[tuple[TierRule, Sequence[Spell]]]


def standing(profile: Profile, *, policy: Policy, today: date) -> Standing:
    """Decide the standing on `today`, a day in the shop's time zone, from the orders as they are known now.

    A purchase day after today (clocks differ) counts as today: do not ask about the past.
    """
    days = tuple(sorted({min(day, today) for day in profile.purchase_days}))
    ladder = _ladder(days, policy=policy)
    now = _highest(ladder, day=today)
    if now is None:
        return Standing(tier=PROSPECT, reasons=for_prospect(profile, policy=policy))
    level, spell = now
    ordered = min(max(profile.last_order_day or days[-1], days[-1]), today)
    quiet = ordered + timedelta(days=policy.quiet_days)
    after = None if spell.until is None else _highest(ladder, day=spell.until)
    held = Held(
        rule=ladder[level][0],
        spell=spell,
        days=days,
        above=ladder[level + 1][0] if level + 1 < len(ladder) else None,
        after=ladder[after[0]][0] if after else None,
        fallen_from=_fallen_from(ladder[level + 1 :], today=today),
        quiet=(quiet, ordered) if quiet <= today else None,
    )
    changes = (spell.until, quiet, *profile.purchase_days)
    return Standing(
        tier=held.rule.id,
        since=spell.since,
        until=spell.until,
        quiet_since=held.quiet[0] if held.quiet else None,
        reasons=for_tier(held, profile=profile, policy=policy),
        next_change=min((day for day in changes if day and day > today), default=None),
    )


def _ladder(days: Sequence[date], *, policy: Policy) -> Ladder:
    lowest, *others = policy.tiers
    rungs = [(lowest, spells.ever(days))]
    rungs += [(rule, spells.spells(days, enough=rule.purchase_days, policy=policy)) for rule in others]
    return rungs


def _highest(ladder: Ladder, *, day: date) -> tuple[int, Spell] | None:
    held = [(level, spell) for level, (_, found) in enumerate(ladder) for spell in found if spell.holds(day)]
    return max(held, key=lambda one: one[0], default=None)


def _fallen_from(above: Ladder, *, today: date) -> tuple[TierRule, date] | None:
    over = [
        (spell.until, level, rule)
        for level, (rule, found) in enumerate(above)
        for spell in found
        if spell.until and spell.until <= today
    ]
    if not over:
        return None
    until, _, rule = max(over, key=lambda one: one[:2])
    return rule, until
