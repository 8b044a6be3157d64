"""Why somebody stands where he stands: facts and rules as values, put into words by `plugin.tiers.words`.

Reasons rest on the facts and on the spell that holds the tier, never on how far today is into it: between two
changes they stay the same, so that nothing is published anew because a day went by.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from plugin.customers.profile import DRAFT, UNPAID, Profile
from plugin.shops.policy import Policy, TierRule
from plugin.tiers.spells import Spell, counting

# A shopkeeper reads five sentences.
MOST = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact or rule; `params` are JSON-ready: dates in ISO form, tiers by id."""

    code: str
    params: Mapping[str, Any]


def reason(code: str, **params: object) -> Reason:
    """Make a reason; dates go in as dates."""
    return Reason(code, {name: _plain(value) for name, value in params.items()})


def dump(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """Write reasons down, JSON-ready."""
    return [asdict(one) for one in reasons]


def load(written: Sequence[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """Read what `dump` wrote."""
    return tuple(Reason(one["code"], one["params"]) for one in written)


def for_prospect(profile: Profile, *, policy: Policy) -> tuple[Reason, ...]:
    """Say why there is no tier yet, and what makes the first."""
    return (
        reason("no_purchase"),
        reason("first_step", tier=policy.tiers[0].id),
        *_not_counted(profile, but={DRAFT}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that the reasons for a tier rest on.

    `days`: the purchase days looked at; `above`: the next tier up; `after`: the tier on the day the spell
    ends; `fallen_from`: the higher tier held last before, and its end; `quiet`: since when, and the last
    order's day.
    """

    rule: TierRule
    spell: Spell
    days: tuple[date, ...]
    above: TierRule | None
    after: TierRule | None
    fallen_from: tuple[TierRule, date] | None
    quiet: tuple[date, date] | None


def for_tier(held: Held, *, profile: Profile, policy: Policy) -> tuple[Reason, ...]:
    """Say which facts and which rule hold the tier, until when, and what was left out; at most five."""
    found = (
        _bought(held, policy=policy),
        _since(held, policy=policy),
        *_until(held, policy=policy),
        *_quiet(held, policy=policy),
        *_not_counted(profile, but={DRAFT, UNPAID}),
        *_not_more(held, policy=policy),
        *([reason("joined", joined=profile.joined)] if profile.joined else ()),
        *([reason("left_out", currencies=list(profile.left_out))] if profile.left_out else ()),
    )
    return found[:MOST]


def _bought(held: Held, *, policy: Policy) -> Reason:
    last = held.days[-1]
    if len(held.days) == 1:
        return reason("bought_once", day=last)
    if held.spell.until is None:
        return reason("bought_ever", days=len(held.days), last=last)
    enough = held.spell.days[-1]
    later = {"later": last} if last > enough else {}
    counted = len(counting(held.days, day=enough, policy=policy))
    if held.above and counted >= held.above.purchase_days:
        # Enough for more, and that is over: only the days that still hold this tier speak for it.
        days = held.spell.days
        return reason("bought_between", days=len(days), first=days[0], last=days[-1], **later)
    return reason("bought_in_window", days=counted, months=policy.window_months, last=enough, **later)


def _since(held: Held, *, policy: Policy) -> Reason:
    if held.spell.until is None:
        return reason("since_ever", tier=held.rule.id, since=held.spell.since)
    return reason(
        "since",
        tier=held.rule.id,
        since=held.spell.since,
        limit=held.rule.purchase_days,
        months=policy.window_months,
    )


def _until(held: Held, *, policy: Policy) -> list[Reason]:
    if held.spell.until is None or held.after is None:
        return []
    return [reason("until", until=held.spell.until, hold=policy.hold_months, after=held.after.id)]


def _quiet(held: Held, *, policy: Policy) -> list[Reason]:
    if held.quiet is None:
        return []
    since, last = held.quiet
    return [reason("quiet", since=since, last=last, quiet=policy.quiet_days)]


def _not_more(held: Held, *, policy: Policy) -> list[Reason]:
    if held.fallen_from:
        return [reason("fallen_from", tier=held.fallen_from[0].id, until=held.fallen_from[1])]
    if held.spell.until is None and held.above and len(held.days) >= held.above.purchase_days:
        limit, months = held.above.purchase_days, policy.window_months
        return [reason("too_far_apart", tier=held.above.id, limit=limit, months=months)]
    return []


def _not_counted(profile: Profile, *, but: Collection[str]) -> list[Reason]:
    # A draft is the shop's own note, not yet an order. An order that is still to be paid is a matter of minutes: where
    # a tier is held it would be told to the shop, and a moment later told away again.
    orders = {why: number for why, number in profile.not_counted.items() if why not in but}
    return [reason("not_counted", orders=orders)] if orders else []


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
