"""The stretches of time in which a tier is held, in closed form.

docs/decisions/0002-tiers-in-closed-form.md says why this equals looking at every day.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from dateutil.relativedelta import relativedelta

from plugin.shops.policy import Policy


@dataclass(frozen=True, slots=True)
class Spell:
    """A tier, or a higher one, is held from `since` until the day before `until`; None: for ever.

    `days` are the purchase days that hold it longest: the last that were enough by themselves.
    """

    since: date
    until: date | None
    days: tuple[date, ...]

    def holds(self, day: date) -> bool:
        """Tell whether it is held on a day."""
        return self.since <= day and (self.until is None or day < self.until)


def spells(days: Sequence[date], *, enough: int, policy: Policy) -> list[Spell]:
    """List the spells of a tier that needs `enough` purchase days, from sorted, distinct days.

    They do not overlap or touch. A purchase day counts for the window; the tier is kept for the hold after
    the last moment at which enough of them counted.
    """
    merged: list[Spell] = []
    for run in _runs(days, enough=enough, policy=policy):
        before = merged[-1] if merged else None
        if before and before.until and run.since <= before.until:
            merged[-1] = Spell(since=before.since, until=run.until, days=run.days)
        else:
            merged.append(run)
    return merged


def ever(days: Sequence[date]) -> list[Spell]:
    """List the spells of the lowest tier: whoever has bought is in it from then on."""
    return [Spell(since=days[0], until=None, days=tuple(days))] if days else []


def counting(days: Sequence[date], *, day: date, policy: Policy) -> list[date]:
    """List the purchase days that count on a day: a day counts from itself until the window has passed."""
    window = relativedelta(months=policy.window_months)
    return [one for one in days if one <= day < one + window]


def _runs(days: Sequence[date], *, enough: int, policy: Policy) -> Iterator[Spell]:
    window = relativedelta(months=policy.window_months)
    hold = relativedelta(months=policy.hold_months)
    for last in range(enough - 1, len(days)):
        run = tuple(days[last - enough + 1 : last + 1])
        if run[-1] < run[0] + window:
            yield Spell(since=run[-1], until=run[0] + window + hold, days=run)
