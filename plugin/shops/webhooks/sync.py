"""Brings a shop's webhooks in line with this version of Herkend, one at a time, and takes that back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from plugin.errors import Invalid, Permanent
from plugin.installation import Installation
from plugin.saleor.client import Saleor
from plugin.saleor.own_app import OwnApp, Subscription, knows_identifiers
from plugin.saleor.webhooks import create_webhook, delete_webhook, own_app, shop_version, update_webhook
from plugin.settings import Settings
from plugin.shops import manifest
from plugin.shops import store as shops
from plugin.shops.calling import connected
from plugin.shops.store import Shop
from plugin.shops.webhooks import store
from plugin.shops.webhooks.rules import Change, compare, overtaken, settled, undone
from plugin.shops.webhooks.store import Step, Sync

Heard = Callable[[Change], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What stands in a shop now: its version, our app there, and what is to change about the webhooks."""

    version: str
    app: OwnApp
    changes: tuple[Change, ...]


def look(installation: Installation, shop: Shop, saleor: Saleor) -> There:
    """Ask the shop what stands there, and remember its version where it moved on; raises as `Saleor.execute` does."""
    there = ask(installation.settings, saleor)
    if there.version != shop.saleor_version:
        with installation.db.begin() as connection:
            shops.moved_to(connection, shop.id, saleor_version=there.version)
    return there


def ask(settings: Settings, saleor: Saleor) -> There:
    """Ask the shop what stands there, and change nothing anywhere."""
    version = shop_version(saleor)
    app = own_app(saleor, version=version)
    return There(version=version, app=app, changes=tuple(_changes(settings, app, version=version)))


def _changes(settings: Settings, app: OwnApp, *, version: str) -> list[Change]:
    return compare(
        wanted(settings, version=version),
        app.webhooks,
        prefix=manifest.PREFIX,
        known={manifest.PREFIX + name for name in manifest.event_names()},
        address=settings.api_url,
    )


def wanted(settings: Settings, *, version: str) -> list[Subscription]:
    """Return the webhooks that this version of Herkend wants in a Saleor of that version."""
    named = knows_identifiers(version)
    told = manifest.webhooks(settings, schema_version=manifest.schema_version(version))
    return [
        Subscription(
            name=hook["name"],
            identifier=hook.get("identifier") if named else None,
            target_url=hook["targetUrl"],
            query=hook["query"],
            events=tuple(hook["asyncEvents"]),
            active=hook["isActive"],
        )
        for hook in told
    ]


def sync(installation: Installation, shop: Shop, *, by: str, heard: Heard) -> None:
    """Do what is to be done, and tell `heard` of each change when it stands; Transient while another run is at it.

    1. ask the shop what stands there, and find out how a sync ended that broke off
    2. note each change before it is asked for: wherever this ends, all that was done can be undone
    3. ask for it, and note that it stands; one that the shop does not take keeps no other from its turn
    """
    with store.alone(installation.db, shop.id):
        _sync(installation, shop, by=by, heard=heard)


def _sync(installation: Installation, shop: Shop, *, by: str, heard: Heard) -> None:
    saleor = connected(installation, shop)
    there = look(installation, shop, saleor)
    _check_app(shop, there.app)
    _last(installation, shop, there)
    if not there.changes:
        return
    with installation.db.begin() as connection:
        number = store.begin(connection, shop.id, app_id=shop.app_id, by=by, now=installation.clock())
    steps: list[Step] = []
    refused: list[Permanent] = []
    for change in there.changes:
        _save(installation, number, [*steps, Step(change=change)])
        try:
            steps.append(Step(change=_do(saleor, change, version=there.version), done=True))
            heard(change)
        except Permanent as error:
            refused.append(error)
        _save(installation, number, steps)
    if refused:
        raise Permanent(" ".join(map(str, refused)))


def undo(installation: Installation, shop: Shop, *, heard: Heard) -> list[str]:
    """Take the last sync back, its last change first; return the webhooks left alone: somebody changed them since.

    Raises Invalid when there is none, or our app there is another, and Transient while another run is at it.
    """
    with store.alone(installation.db, shop.id):
        return _undo(installation, shop, heard=heard)


def _undo(installation: Installation, shop: Shop, *, heard: Heard) -> list[str]:
    nothing = Invalid(f"There is nothing to undo in {shop.api_url}.")
    with installation.db.begin() as connection:
        known = store.last(connection, shop.id)
    if known is None:
        raise nothing
    if known.app_id != shop.app_id:
        raise Invalid(
            f"The last sync in {shop.api_url} was of {known.changed_at:%Y-%m-%d %H:%M} UTC. Since then the app was "
            "installed there again, with new webhooks: there is nothing to undo."
        )
    saleor = connected(installation, shop)
    there = look(installation, shop, saleor)
    _check_app(shop, there.app)
    last = _last(installation, shop, there)
    if last is None:
        raise nothing
    steps, left = list(last.steps), list[str]()
    for place in reversed(range(len(steps))):
        if steps[place].undone:
            continue
        change = steps[place].change
        if overtaken(change, there.app.webhooks):
            left.append(change.name)
        elif (back := undone(change, there.app.webhooks)) is not None:
            _do(saleor, back, version=there.version)
            heard(back)
        steps[place] = replace(steps[place], undone=True)
        _save(installation, last.id, steps)
    with installation.db.begin() as connection:
        store.undone(connection, last.id, now=installation.clock())
    return left


def _last(installation: Installation, shop: Shop, there: There) -> Sync | None:
    """Return the last sync that changed something; of one that broke off, find out whether its last step stands."""
    with installation.db.begin() as connection:
        last = store.last(connection, shop.id)
    if last is None or last.app_id != shop.app_id or (last.steps and last.steps[-1].done):
        return last
    stands = settled(last.steps[-1].change, there.app.webhooks) if last.steps else None
    steps = (*last.steps[:-1], *([Step(change=stands, done=True)] if stands else []))
    _save(installation, last.id, steps)
    if steps:
        return replace(last, steps=steps)
    with installation.db.begin() as connection:
        store.undone(connection, last.id, now=installation.clock())
    return _last(installation, shop, there)


def _save(installation: Installation, number: int, steps: Sequence[Step]) -> None:
    with installation.db.begin() as connection:
        store.save(connection, number, steps)


def _check_app(shop: Shop, app: OwnApp) -> None:
    if app.id != shop.app_id:
        raise Permanent(f"{shop.api_url} knows this token as another app ({app.id}, not {shop.app_id}).")


def _do(saleor: Saleor, change: Change, *, version: str) -> Change:
    """Ask the shop for a change; return it with the webhook's id."""
    if change.after is None:
        delete_webhook(saleor, change.id or "")
        return change
    if change.before is None:
        return replace(change, id=create_webhook(saleor, change.after, version=version))
    update_webhook(saleor, change.id or "", change.after, version=version)
    return change
