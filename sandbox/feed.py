"""The live feed of the demo page: each action with its webhooks, what the app decided, and what it wrote."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sandbox.calling import Unreachable, call
from sandbox.crowd import Person
from sandbox.model import Delivery
from sandbox.shop import Shop

KEPT = 40
CALM_SECONDS = 2.0  # so long after the last answer of the app its word is taken for final
PATIENCE_SECONDS = 20.0
ASK_SECONDS = 2.0


@dataclass(kw_only=True)
class Action:
    """Something that was done on the page; `before` and `standing` are the app's own answers, or an error."""

    id: int
    at: datetime
    started: float
    kind: str
    details: dict[str, Any]
    person: Person | None
    before: dict[str, Any] | None = None
    standing: dict[str, Any] | None = None
    settled: bool = False
    targets: set[str] = field(default_factory=set)


class Feed:
    """The latest actions of one shop, the newest first."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._actions: deque[Action] = deque(maxlen=KEPT)
        self._last = 0

    @contextmanager
    def doing(self, kind: str, person: Person | None, **details: Any) -> Iterator[Action]:  # noqa: ANN401 - JSON
        """Do one thing: the webhooks that it causes are shown with it."""
        before = standing(self._shop, person) if person else None
        self._settle_earlier(person, before)
        with self._lock:
            self._last += 1
            action = Action(
                id=self._last,
                at=self._shop.now(),
                started=time.monotonic(),
                kind=kind,
                details=details,
                person=person,
                before=before,
            )
        token = self._shop.cause.set(action.id)
        try:
            yield action
        finally:
            self._shop.cause.reset(token)
        with self._lock:
            self._actions.appendleft(action)

    def _settle_earlier(self, person: Person | None, word: dict[str, Any] | None) -> None:
        """Take the app's word from before this action for its last word on the one before."""
        if person is None or word is None:
            return
        with self._lock:
            for action in self._actions:
                if not action.settled and action.person and action.person.email == person.email:
                    action.standing, action.settled = word, True

    def shown(self) -> list[dict[str, Any]]:
        """Return everything for the page; asks the app about what is not settled yet."""
        with self._lock:
            actions = list(self._actions)
        causes = {one.id for one in actions}
        sent: dict[int, list[Delivery]] = {}
        for delivery in self._shop.deliveries.all():
            if delivery.cause in causes and any(
                a.id == delivery.cause and delivery.created >= a.at for a in actions
            ):
                sent.setdefault(delivery.cause, []).append(delivery)
        later: dict[str, float] = {}
        return [self._one(action, sent.get(action.id, []), later) for action in actions]

    def _one(self, action: Action, sent: list[Delivery], later: dict[str, float]) -> dict[str, Any]:
        who = action.person.email if action.person else ""
        until = later.get(who, float("inf"))
        later[who] = action.started
        if not action.settled and action.person:
            self._ask(action, sent, superseded=until != float("inf"))
        return {
            "id": action.id,
            "at": action.at.isoformat(),
            "kind": action.kind,
            "details": action.details,
            "person": None if action.person is None else {"name": action.person.name, "email": who},
            "before": action.before,
            "standing": action.standing,
            "settled": action.settled,
            "deliveries": [_delivery(one) for one in sent],
            "writes": self._writes(action, until),
        }

    def _ask(self, action: Action, sent: list[Delivery], *, superseded: bool) -> None:
        ends = [one.attempts[-1].ended for one in sent if one.attempts]
        calm = time.monotonic() - max([action.started, *ends])
        waiting = any(one.status == "pending" for one in sent)
        if not superseded:
            action.standing = standing(self._shop, action.person)
        pending = bool((action.standing or {}).get("pending")) and calm < PATIENCE_SECONDS
        action.settled = superseded or (not waiting and not pending and calm > CALM_SECONDS)

    def _writes(self, action: Action, until: float) -> list[dict[str, Any]]:
        """Return what the app wrote on this person after the action and before his next one."""
        return [
            {
                "kind": change.kind,
                "key": change.key,
                "value": change.value,
                "error": change.error,
                "ms": round((change.ended - action.started) * 1000),
                "on": "order" if change.target_id != _account_id(action) else "account",
            }
            for change in self._shop.requests.mutations(done=False)
            if change.target_id in action.targets and action.started <= change.ended < until
        ]


def _account_id(action: Action) -> str:
    person = action.person
    return person.account.gid if person and person.account else ""


def _delivery(delivery: Delivery) -> dict[str, Any]:
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "event": delivery.event.upper(),
        "status": delivery.status,
        "attempts": len(delivery.attempts),
        "answer": last.status if last else None,
        "ms": round(last.ms) if last else None,
        "error": last.answer if last and last.status is None else None,
    }


def standing(shop: Shop, person: Person | None) -> dict[str, Any]:
    """Ask the app what it thinks of a person, as staff would; {"error": "none" | "silent" | "refused"} else."""
    app = shop.app
    if app is None or person is None:
        return {"error": "none"}
    query = urlencode(person.key)
    headers: Mapping[str, str] = {
        "authorization-bearer": shop.staff_token(),
        "saleor-api-url": shop.api_url,
        "accept": "application/json",
    }
    try:
        answer = call(
            "GET",
            f"{app.app_url.rstrip('/')}/dashboard/standing?{query}",
            headers=dict(headers),
            timeout=ASK_SECONDS,
        )
        told = json.loads(answer.body) if answer.status == 200 else None  # noqa: PLR2004 - HTTP
    except (Unreachable, ValueError):
        return {"error": "silent"}
    return told if isinstance(told, dict) else {"error": "refused", "status": answer.status}
