"""What `herkend doctor` makes of each shop: pure rules, as in `findings`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from plugin.health.findings import Finding, Level, many
from plugin.shops.problems.words import LOST, MANY_UNDELIVERED, deaf, lately
from plugin.shops.webhooks.rules import Change, differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a shop answered when it was asked: our app there, and what did not arrive, by webhook."""

    missing: frozenset[str]
    active: bool
    changes: tuple[Change, ...]
    failed: Mapping[str, Sequence[datetime]]
    webhooks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """One shop: what stands in our tables, and its `answer`, else why there is none (`refused`: it has spoken)."""

    address: str
    state: str
    publishes: bool
    hold_until: datetime | None
    failures: int
    key: Literal["newest", "older", "lost", "none"]
    answer: Answer | None
    silence: str
    refused: bool
    surprise: str = ""  # an error that nobody foresaw, by its name: asking ended with it


def of_keys(shops: Sequence[ShopFacts], *, way_back: str) -> list[Finding]:
    """Every token opens, and under the newest key."""
    older = sum(shop.key == "older" for shop in shops)
    found = [
        Finding(
            level="error", area="keys", shop=shop.address, words="Its token cannot be read.", todo=way_back
        )
        for shop in shops
        if shop.key == "lost"
    ]
    if older:
        words = f"{many(older, 'token is', 'tokens are')} still encrypted with an older key."
        found.append(Finding(level="warning", area="keys", words=words, todo="Run `herkend keys rotate`."))
    count = sum(shop.key != "none" for shop in shops)
    return found or [
        Finding(level="ok", area="keys", words=f"All tokens ({count}) open with the newest key.")
    ]


def of_shop(shop: ShopFacts, *, now: datetime) -> list[Finding]:
    """How one shop fares."""
    if shop.state == "uninstalled":
        return [_shop(shop, "ok", "It uninstalled the app.")]
    return [*_reached(shop, now=now), *(_answered(shop, shop.answer, now=now) if shop.answer else ())]


def _reached(shop: ShopFacts, *, now: datetime) -> Iterator[Finding]:
    if shop.answer is None:
        if shop.key != "lost":  # then nobody asked, and it was said under keys
            yield _silent(shop)
        return
    released = "it publishes" if shop.publishes else "it shows only, until `herkend shops publish`"
    yield _shop(shop, "ok", f"It answers, and takes our token; {released}.")
    if shop.state != "active" and shop.answer.active:
        words = f"It counts as {shop.state}, though it takes our token again."
        yield _shop(shop, "warning", words, "The worker takes it up within the hour.")
    if shop.hold_until is not None and shop.hold_until > now and not shop.answer.missing:
        words = (
            f"It is left alone until {shop.hold_until:%H:%M:%S} UTC, after "
            f"{many(shop.failures, 'failure', 'failures in a row')}."
        )
        yield _shop(
            shop, "warning", words, "It goes on by itself; the worker's log says what the shop answered."
        )


def _silent(shop: ShopFacts) -> Finding:
    if shop.surprise:
        words = f"Asking it ended as nobody foresaw ({shop.surprise})."
        return _shop(shop, "error", words, "Report that, with the version of Saleor that the shop runs.")
    if shop.state == "paused":
        return _shop(shop, "ok", "Its merchant switched the app off; work waits until it is on again.")
    if shop.refused:
        words = "It refuses our token: the app is switched off or deleted there."
        todo = "Ask its merchant to switch the app on, or to install it again: its settings and history are kept."
        return _shop(shop, "error", words, todo)
    todo = "See whether the shop is up, and whether it can be reached from here. Work waits until it answers."
    return _shop(shop, "error", f"It cannot be asked: {shop.silence}", todo)


def _answered(shop: ShopFacts, answer: Answer, *, now: datetime) -> Iterator[Finding]:
    if not answer.active:
        yield _shop(shop, "warning", "The app is switched off there.", "Its merchant can switch it on.")
    for code in sorted(answer.missing):
        words = f"The permission {code} is missing: {LOST.get(code, 'a part of it does not work')}."
        yield _shop(shop, "error", words, "Its merchant grants it on the page of the app under Extensions.")
    yield from _webhooks(shop, answer.changes, count=answer.webhooks)
    yield from _undelivered(
        shop, answer.failed, astray=any(deaf(change) for change in answer.changes), now=now
    )


def _webhooks(shop: ShopFacts, changes: Sequence[Change], *, count: int) -> Iterator[Finding]:
    sync = f"Run `herkend webhooks sync {urlsplit(shop.address).netloc}`."
    alike: dict[tuple[Level, str, str], list[str]] = {}
    for change in changes:
        level: Level = "error" if deaf(change) else "warning"
        alike.setdefault((level, *_wrong(change)), []).append(change.name)
    for (level, one, several), names in alike.items():
        what = f"The webhook {names[0]} {one}." if len(names) == 1 else f"{len(names)} webhooks {several}"
        listed = "" if len(names) == 1 else f": {', '.join(sorted(names))}."
        yield _shop(shop, level, what + listed, sync)
    if not changes:
        yield _shop(shop, "ok", f"Its webhooks ({count}) are as they should be.")


def _wrong(change: Change) -> tuple[str, str]:
    """Say what is wrong with one webhook, and with several of which the same is wrong."""
    if change.before is None:
        return "is missing", "are missing"
    if change.after is None:
        return (
            "is there once too often, or no longer of use",
            "are there once too often, or no longer of use",
        )
    what = ", ".join(differences(change))
    return f"is not as it should be: {what}", f"are not as they should be ({what})"


def _undelivered(
    shop: ShopFacts, failed: Mapping[str, Sequence[datetime]], *, astray: bool, now: datetime
) -> Iterator[Finding]:
    count, last = lately(failed, now=now), max((each[0] for each in failed.values() if each), default=None)
    if not count or last is None:
        return
    lost = many(count, "delivery", "deliveries")
    words = f"{lost} did not arrive within the last day, the latest of {last:%Y-%m-%d %H:%M} UTC."
    todo = "See whether HERKEND_API_URL can be reached from the shop, and what the proxy and the web processes logged."
    if astray:
        todo = "Put the webhooks right first. If it goes on: " + todo[0].lower() + todo[1:]
    yield _shop(shop, "error" if count >= MANY_UNDELIVERED else "warning", words, todo)


def _shop(shop: ShopFacts, level: Level, words: str, todo: str = "") -> Finding:
    return Finding(level=level, area="shops", shop=shop.address, words=words, todo=todo)
