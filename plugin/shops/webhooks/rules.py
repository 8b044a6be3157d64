"""What is to change so that a shop's webhooks are as this version of Herkend wants them: pure rules."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from plugin.saleor.own_app import Subscription, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One webhook made (`before` is None), changed, or deleted (`after` is None); `id` is None before it is made."""

    id: str | None
    before: Subscription | None
    after: Subscription | None

    @property
    def name(self) -> str:
        """The webhook's name, as far as known the one we gave it."""
        says = self.after or self.before
        return says.name if says else ""


def compare(
    wanted: Sequence[Subscription],
    there: Sequence[Webhook],
    *,
    prefix: str,
    known: Iterable[str],
    address: str,
) -> list[Change]:
    """Return what is to be done: changed first, then made, then deleted, so that no event goes unheard meanwhile.

    `known` are the names that any version of Saleor is asked for. Ours are the webhooks with one of our identifiers or
    one of those names; what bears another name that begins with `prefix`, or stands there once more, is deleted only
    where it sends to our `address`. Whatever else stands there was made by staff and is left alone.
    """
    identifiers = {says.identifier for says in wanted} - {None}
    ours = list(there)
    changed, made, spare = [], [], []
    for says in wanted:
        fitting = [hook for hook in ours if _stands_for(hook, says, identifiers=identifiers)]
        fitting.sort(key=partial(_rank, says, address=address))
        ours = [hook for hook in ours if hook not in fitting]
        spare += [hook for hook in fitting[1:] if _sends_here(hook, says, address=address)]
        if not fitting:
            made.append(Change(id=None, before=None, after=says))
        elif not same(fitting[0].says, says):
            changed.append(Change(id=fitting[0].id, before=fitting[0].says, after=says))
    former = [hook for hook in ours if hook.says.name.startswith(prefix) and hook.says.name not in set(known)]
    spare += [hook for hook in former if _below(hook, address)]
    return changed + made + [Change(id=hook.id, before=hook.says, after=None) for hook in spare]


def same(one: Subscription, other: Subscription) -> bool:
    """Tell whether two webhooks say the same; white space in the query says nothing."""
    return _plain(one) == _plain(other)


def differences(change: Change) -> list[str]:
    """Say in words what a change does to a webhook that stays."""
    before, after = change.before, change.after
    if before is None or after is None:
        return []
    before, after = _plain(before), _plain(after)
    words = {
        f"its name was {before.name!r}": before.name != after.name,
        "its identifier": before.identifier != after.identifier,
        "its target address": before.target_url != after.target_url,
        "what it asks for": before.query != after.query,
        "its events": before.events != after.events,
        "on again: it was switched off": after.active and not before.active,
        "off": before.active and not after.active,
    }
    return [text for text, differs in words.items() if differs]


def settled(change: Change, there: Sequence[Webhook]) -> Change | None:
    """Find out whether a change stands whose answer was lost; None: it does not. One that was made gets its id."""
    before, after = change.before, change.after
    if after is None:
        return None if any(hook.id == change.id for hook in there) else change
    fitting = [hook for hook in there if same(hook.says, after) and (before is None or hook.id == change.id)]
    return replace(change, id=fitting[-1].id) if fitting else None


def undone(change: Change, there: Sequence[Webhook]) -> Change | None:
    """Return what brings a webhook back to what it was before a change that stood, None: it is so already, or not ours.

    Only what says what the change left it saying is brought back: see `overtaken`.
    """
    before, after = change.before, change.after
    hook = _found(change, there)
    if after is None:
        return Change(id=None, before=None, after=before) if hook is None else None
    if hook is None or not same(hook.says, after):
        return None
    return Change(id=hook.id, before=hook.says, after=before)


def overtaken(change: Change, there: Sequence[Webhook]) -> bool:
    """Tell whether somebody changed or deleted a webhook since: it is neither as the change left it, nor as before."""
    hook = _found(change, there)
    now = None if hook is None else hook.says
    return not any(
        now is says if now is None or says is None else same(now, says)
        for says in (change.before, change.after)
    )


def _found(change: Change, there: Sequence[Webhook]) -> Webhook | None:
    """Find the webhook of a change; one that was deleted and made again has another id, and says what it was left."""
    hook = next((hook for hook in there if hook.id == change.id), None)
    if hook is None and change.after is not None:
        hook = next((hook for hook in there if same(hook.says, change.after)), None)
    return hook


def dump(change: Change) -> dict[str, Any]:
    """Return a change JSON-ready."""
    return asdict(change)


def load(kept: Mapping[str, Any]) -> Change:
    """Read what `dump` wrote."""
    return Change(id=kept["id"], before=_says(kept["before"]), after=_says(kept["after"]))


def _stands_for(hook: Webhook, says: Subscription, *, identifiers: AbstractSet[str | None]) -> bool:
    """By identifier; by name what has none of our identifiers."""
    if hook.says.identifier in identifiers:
        return hook.says.identifier == says.identifier
    return hook.says.name == says.name


def _rank(says: Subscription, hook: Webhook, *, address: str) -> tuple[bool, bool, bool]:
    """Of several, the one with our identifier is kept, else one that sends to us, says the same, is the first."""
    return (
        hook.says.identifier != says.identifier,
        not _sends_here(hook, says, address=address),
        not same(hook.says, says),
    )


def _sends_here(hook: Webhook, says: Subscription, *, address: str) -> bool:
    """Tell whether it sends to us, be it at an address that we had before."""
    return _below(hook, address) or hook.says.target_url.endswith(says.target_url.removeprefix(address))


def _below(hook: Webhook, address: str) -> bool:
    return hook.says.target_url.startswith(address.rstrip("/") + "/")


def _plain(says: Subscription) -> Subscription:
    return replace(says, query=" ".join(says.query.split()), events=tuple(sorted(says.events)))


def _says(kept: Mapping[str, Any] | None) -> Subscription | None:
    return None if kept is None else Subscription(**{**kept, "events": tuple(kept["events"])})
