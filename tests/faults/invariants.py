"""What must hold whatever went wrong: accepted = processed, published = decided, and nothing was written twice."""

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Any

from sandbox.requestlog import Request
from sandbox.shop import Delivery, Shop
from tests.journeys.conftest import OPEN_WORK, UNTOLD
from tests.kill.customers import Customers

KEPT = """
    SELECT event, encode(body_sha256, 'hex') FROM deliveries JOIN shops ON shops.id = shop_id
    WHERE api_url = '{}' ORDER BY 1, 2
"""
NOT_DONE = "SELECT state, problem FROM deliveries WHERE state <> 'done'"
WAITS = """
    SELECT now() AS now, (SELECT max(hold_until) FROM shops) AS hold_until, (SELECT max(read_due) FROM persons),
           (SELECT max(review_due) FROM persons), (SELECT max(retry_at) FROM publications),
           (SELECT max(told_at) FROM publications), (SELECT count(*) FROM procrastinate_jobs)
"""
ANSWER_LOST = {"drop", "half"}
SLACK = (
    2.0  # seconds from when a write is claimed until it is asked for, or from its answer until that is kept
)
Rows = Callable[[str], list[tuple[Any, ...]]]
Window = tuple[float, float]  # from when until when, by the monotonic clock


def settle(rows: Rows, *shops: Shop, patience: float = 120.0) -> None:
    """Wait until all is delivered, processed and told: what follows may be looked at.

    What a shop had given up, never having got a 202 for it in six tries, it sends once more, as its staff can.
    """
    _wait(rows, *shops, patience=patience)
    given_up = [(shop, it) for shop in shops for it in shop.deliveries.all() if it.status == "failed"]
    for shop, delivery in given_up:
        assert shop.deliveries.resend(delivery).status == 202
    if given_up:
        _wait(rows, *shops, patience=patience)


def _wait(rows: Rows, *shops: Shop, patience: float) -> None:
    deadline = time.monotonic() + patience
    while left := _left(rows, *shops):
        assert time.monotonic() < deadline, f"after {patience:.0f} s there are still {left}"
        time.sleep(0.05)


def _left(rows: Rows, *shops: Shop) -> dict[str, object]:
    """Say what is still to come; looked at from the shop on, so that nothing slips through between two looks."""
    found: dict[str, object] = {
        "under way": sum(it.status == "pending" for shop in shops for it in shop.deliveries.all())
    }
    found |= {what: rows(query)[0][0] for what, query in (("open", OPEN_WORK), ("untold", UNTOLD))}
    if any(found.values()):
        found["waits"] = rows(WAITS)[0]
        return found
    return {}


def assert_all_is_well(
    rows: Rows,
    *crowds: Customers,
    answers: Collection[int | None] = (202, 503, None),
    losses: Sequence[Window] = (),
) -> None:
    """Look at everything, once it is quiet (`settle`).

    `answers` are those that a shop may have got for a delivery; None is none. Nothing may have been written twice but
    where the shop cut the answer to the first time itself, and for each of `losses`, when a process was killed that
    the answer was for or that was to keep it, what one request wrote that was under way just then.
    """
    for customers in crowds:
        assert_accepted_is_processed(rows, customers.shop, answers=answers)
        wrong = customers.written().items() ^ customers.expected().items()
        assert wrong == set(), wrong
        repeated = unexplained(written_twice(customers.shop), losses=losses)
        assert repeated == [], repeated


def assert_accepted_is_processed(rows: Rows, shop: Shop, *, answers: Collection[int | None]) -> None:
    """Compare what the shop saw taken with what was kept and understood."""
    not_done = rows(NOT_DONE)
    assert not_done == [], not_done[:3]
    others = answered(shop, but=answers)
    assert others == [], others
    kept, told = Counter(rows(KEPT.format(shop.api_url))), Counter(accepted(shop))
    assert kept == told, {"lost": told - kept, "never accepted": kept - told}


def answered(shop: Shop, *, but: Collection[int | None]) -> list[tuple[int | None, float, str]]:
    """List the other answers that the shop got for deliveries, with how long it waited (ms); None is none."""
    attempts = (attempt for it in shop.deliveries.all() for attempt in it.attempts)
    return [(it.status, it.ms, it.answer) for it in attempts if it.status not in but]


def accepted(shop: Shop) -> list[tuple[str, str]]:
    """List what the shop saw taken (in the end that is all), but for the echoes of what the app itself wrote."""
    taken = (it for it in shop.deliveries.all() if not echo(it, shop))
    return sorted((it.event, hashlib.sha256(it.body).hexdigest()) for it in taken)


def echo(delivery: Delivery, shop: Shop) -> bool:
    return (json.loads(delivery.body)["issuingPrincipal"] or {}).get("id") == shop.app.gid


def written_twice(shop: Shop) -> list[Request]:
    """List the requests that wrote what was then written once more: to a target all keys together, in a row."""
    told: dict[str, list[tuple[dict[str, str | None], Request]]] = defaultdict(list)
    for request in shop.requests.all():
        writes: dict[str, dict[str, str | None]] = defaultdict(dict)
        for change in request.mutations:
            if change.error is None:
                writes[change.target_id][change.key] = change.value
        for target, keys in writes.items():
            told[target].append((keys, request))
    twice = [
        first for words in told.values() for (keys, first), (again, _) in pairwise(words) if keys == again
    ]
    return sorted({id(it): it for it in twice}.values(), key=lambda it: it.ended)


def unexplained(repeated: Sequence[Request], *, losses: Sequence[Window]) -> list[Request]:
    """List what was written twice although nothing tells why; each loss explains one request."""
    left, found = sorted(losses, key=lambda it: it[1]), []
    for request in repeated:
        begun = request.ended - request.ms / 1000 - SLACK
        reason = next((it for it in left if it[0] < request.ended + SLACK and begun < it[1]), None)
        if request.fault in ANSWER_LOST:
            continue
        if reason is None:
            found.append(request)
        else:
            left.remove(reason)
    return found
