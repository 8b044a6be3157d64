"""Job: tells a shop the standings that changed."""

from functools import partial

import structlog

from plugin.errors import Refused, Transient
from plugin.installation import Installation
from plugin.saleor.calls import Outcome, Write, write_standings
from plugin.shops import store as shops
from plugin.shops.calling import Line
from plugin.tiers import store
from plugin.tiers.store import Publication
from plugin.trace import Trace, named, parse

log = structlog.get_logger()
# Two customers, public and private each: the four mutations Saleor takes in one request.
AT_ONCE = 2


def publish(installation: Installation, shop_id: int) -> None:
    """Tell the shop what it does not know yet, two customers a request.

    1. list what differs from what the shop was told, and note that it is being told (no transaction stays open)
    2. tell it; when that fails as a whole nothing more is recorded, and the shop is left alone for a while
    3. record each that was taken; one that was not waits by itself
    """
    line = Line.to(installation, shop_id)
    while line.free():
        with installation.db.begin() as connection:
            if not shops.policy(connection, shop_id).publish:
                return
            due = store.due(connection, shop_id, now=installation.clock(), limit=AT_ONCE)
            store.telling(connection, due)
        if not due or not line.call(partial(_tell_under, installation, line, due)):
            return


def _tell_under(installation: Installation, line: Line, due: list[Publication]) -> None:
    """Tell as what follows from a delivery about the first of these: a request has one trace, whomever it serves."""
    traces = [trace for it in due if (trace := parse(it.traceparent))]
    after = traces[0] if traces else None
    with installation.spans.span("publish", after=after, shop=line.shop_id, customers=len(due)) as here:
        _tell(installation, line, due, here=here)


def _tell(installation: Installation, line: Line, due: list[Publication], *, here: Trace | None) -> None:
    writes = [
        Write(target_id=it.target_id, kind=it.kind, public=it.wanted.public, private=it.wanted.private)
        for it in due
    ]
    try:
        told = write_standings(line.saleor.following(here), writes)
        outcomes = {outcome.target_id: outcome for outcome in told}
        lacking = any(outcome.denied for outcome in told) and line.lacks_permission()
    except (Transient, Refused):
        with installation.db.begin() as connection:
            store.unanswered(connection, due)
        raise
    with installation.db.begin() as connection:
        now = installation.clock()
        for publication in due:
            outcome = outcomes[publication.target_id]
            if outcome.error is None:
                store.told(connection, publication, now=now)
            elif lacking and outcome.denied:
                store.unanswered(connection, [publication])  # no fault of its own: it does not wait by itself
            else:
                problem = outcome.error
                store.not_told(connection, publication, problem=problem, gone=outcome.gone, now=now)
    for publication in due:
        _log(line.shop_id, publication, outcomes[publication.target_id])


def _log(shop_id: int, publication: Publication, outcome: Outcome) -> None:
    who = {"shop": shop_id, "person": publication.person_id, **named(parse(publication.traceparent))}
    if outcome.error is None:
        log.info("standing published", kind=publication.kind, **who)
    else:
        log.warning("standing not published", problem=outcome.error, **who)
