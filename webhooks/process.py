"""Drains the inbox: deliveries in, facts kept, persons marked `review due`."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from structlog.contextvars import bound_contextvars

from plugin.customers import store as customers
from plugin.customers.facts import AppChange, Facts
from plugin.customers.take_in import take_in
from plugin.errors import Permanent
from plugin.inbox import store as inbox
from plugin.inbox.store import Delivery
from plugin.installation import Installation
from plugin.problem import written
from plugin.queue import READ, ask
from plugin.shops import store as shops
from plugin.trace import named, parse
from webhooks.registry import BY_EVENT

log = structlog.get_logger()
PER_SHOP = 50
MOST = 200


def process_batch(installation: Installation) -> int:
    """Process what waits, a share of every shop; return how many deliveries that were.

    1. claim deliveries (they are ours until the transaction ends; a crash leaves them new)
    2. understand each by itself: one that cannot be understood becomes a dead letter and stops no other
    3. take in the facts, a shop at a time
    4. mark them done, and have the shops asked for the histories that are needed
    """
    now, began = installation.clock(), time.time_ns()
    with installation.db.begin() as connection:
        claimed = inbox.claim(connection, per_shop=PER_SHOP, most=MOST)
        by_shop: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in claimed:
            by_shop[delivery.shop_id].append(delivery)
        for shop_id, deliveries in sorted(by_shop.items()):
            with bound_contextvars(shop=shop_id):
                _process_shop(connection, shop_id, deliveries, now=now)
        if claimed:
            ask(connection, READ, customers.shops_to_read(connection, now=now, among=list(by_shop)))
    if installation.spans.on:
        _tell_spans(installation, claimed, began=began, ended=time.time_ns())
    return len(claimed)


def _tell_spans(installation: Installation, claimed: Sequence[Delivery], *, began: int, ended: int) -> None:
    """Tell of each delivery: it was in hand for as long as its batch was."""
    for one in claimed:
        installation.spans.record(
            "process delivery",
            after=parse(one.traceparent),
            began=began,
            ended=ended,
            shop=one.shop_id,
            delivery=one.id,
            webhook=one.event,
            batch=len(claimed),
        )


def understand(delivery: Delivery) -> Facts:
    """Return what a delivery tells; raise Permanent, or whatever its parser stumbles over."""
    event = BY_EVENT.get(delivery.event)
    if event is None:
        raise Permanent(f"No such event is known: {delivery.event}.")
    if delivery.body is None:
        raise Permanent("The body is no longer kept.")
    return event.parse(json.loads(delivery.body, parse_float=Decimal))


@dataclass(frozen=True, slots=True)
class _Understood:
    delivery: Delivery
    facts: Facts


def _process_shop(
    connection: Connection, shop_id: int, deliveries: Sequence[Delivery], *, now: datetime
) -> None:
    customers.one_at_a_time(connection, shop_id)
    said_at = max((it.issued_at for it in deliveries if it.issued_at), default=None)
    shops.heard_from(connection, shop_id, said_at=said_at, now=now)
    understood = []
    for delivery in deliveries:
        with _alone(delivery):
            try:
                understood.append(_Understood(delivery, understand(delivery)))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is about this delivery alone
                _bury(connection, delivery, error, now=now)
    try:
        with connection.begin_nested():
            _apply(connection, shop_id, understood, now=now)
    except OperationalError:
        raise  # the database's own trouble (lost, a deadlock, full): no delivery's fault, and all of them come again
    except Exception:  # noqa: BLE001 - then it is about one of them
        _one_by_one(connection, shop_id, understood, now=now)


def _one_by_one(
    connection: Connection, shop_id: int, understood: Sequence[_Understood], *, now: datetime
) -> None:
    """Find the delivery that the database does not take, and let the others through."""
    for one in understood:
        with _alone(one.delivery):
            try:
                with connection.begin_nested():
                    _apply(connection, shop_id, [one], now=now)
            except OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is about this delivery alone
                _bury(connection, one.delivery, error, now=now)


def _alone(delivery: Delivery) -> AbstractContextManager[None]:
    """Have every line of the log that is about one delivery say which, and under which trace it came."""
    trace = named(parse(delivery.traceparent))
    return bound_contextvars(delivery=delivery.id, webhook=delivery.event, **trace)


def _apply(connection: Connection, shop_id: int, understood: Sequence[_Understood], *, now: datetime) -> None:
    if not understood:
        return
    policy = shops.policy(connection, shop_id)
    facts = [one.facts for one in understood]
    take_in(connection, shop_id, facts, policy=policy, now=now, traces=_traces(understood))
    for one in understood:
        if one.facts.app is not None:
            with _alone(one.delivery):
                _app_changed(connection, shop_id, one.facts.app, now=now)
    inbox.finish(connection, [one.delivery.id for one in understood], now=now)


def _traces(understood: Iterable[_Understood]) -> list[tuple[str, str]]:
    """Say of what each delivery told (by Saleor's id) under which trace, in the order in which they came."""
    return [
        (subject, one.delivery.traceparent)
        for one in understood
        if one.delivery.traceparent and parse(one.delivery.traceparent)
        for subject in one.facts.subjects
    ]


def _app_changed(connection: Connection, shop_id: int, change: AppChange, *, now: datetime) -> None:
    """Follow what the merchant did to our app; a word about a former installation changes nothing."""
    if change.deleted:
        if shops.uninstall(connection, shop_id, app_id=change.app_id, now=now):
            log.info("app uninstalled")
    elif change.active:
        if shops.resume(connection, shop_id, app_id=change.app_id, said_at=change.said_at, now=now):
            log.info("app switched on")
    elif shops.pause(connection, shop_id, app_id=change.app_id, said_at=change.said_at):
        log.info("app switched off")


def _bury(connection: Connection, delivery: Delivery, error: Exception, *, now: datetime) -> None:
    inbox.bury(connection, delivery.id, problem=written(error), now=now)
    log.error("dead letter", problem=type(error).__name__)
