"""Looks after each shop once an hour: whether our token works, and whether anything is missing there."""

from functools import partial

import structlog

from plugin.errors import Permanent, Refused, Transient
from plugin.inbox import store as inbox
from plugin.installation import Installation
from plugin.queue import CHECK, ask
from plugin.saleor.client import Saleor
from plugin.saleor.webhooks import failed_deliveries
from plugin.shops import manifest, store
from plugin.shops.calling import Line, connected
from plugin.shops.problems import store as problems
from plugin.shops.problems import words
from plugin.shops.store import Shop
from plugin.shops.webhooks.sync import look

# A part of the shops each minute: in an hour each had its turn, and no minute belongs to looking alone.
PARTS = 60

log = structlog.get_logger()


def ask_around(installation: Installation) -> None:
    """Have this minute's part of the shops looked after, and those where a permission is waited for."""
    minute = installation.clock().minute
    with installation.db.begin() as connection:
        due = problems.shops_to_check(
            connection, part=minute % PARTS, parts=PARTS, waiting_for=words.PERMISSION
        )
        ask(connection, CHECK, due)


def check(installation: Installation, shop_id: int) -> None:
    """Look after one shop.

    1. where we are switched off or our token was refused, only try whether that is over: not every shop tells us
    2. else ask for our app, its webhooks, and what did not arrive; a dead token makes the shop `unreachable`
    3. note what needs the merchant, and what no longer does; another job tells him
    """
    with installation.db.begin() as connection:
        shop = store.by_id(connection, shop_id)
    if shop.state in {"paused", "unreachable"}:
        _try_again(installation, shop)
        return
    line = Line(installation, shop)
    if line.free():
        line.call(partial(_look_after, installation, shop, line.saleor))


def _try_again(installation: Installation, shop: Shop) -> None:
    try:
        app = look(installation, shop, connected(installation, shop)).app
    except (Refused, Transient, Permanent) as error:
        log.debug("the shop is as it was", shop=shop.id, problem=str(error))
        return
    if app.id != shop.app_id or not app.active:
        return
    with installation.db.begin() as connection:
        found = store.found_working(connection, shop, now=installation.clock())
    if found:
        log.info("the shop takes our token again", shop=shop.id)


def _look_after(installation: Installation, shop: Shop, saleor: Saleor) -> None:
    there = look(installation, shop, saleor)
    failed = failed_deliveries(saleor)
    now = installation.clock()
    with installation.db.begin() as connection:
        dead = inbox.dead_letters(connection, shop.id)
        found = {
            words.PERMISSION: words.of_permissions(manifest.permissions() - there.app.permissions),
            words.WEBHOOKS: words.of_webhooks(there.changes),
            words.UNDELIVERED: words.of_failures(failed, now=now),
            words.DEAD_LETTERS: words.of_dead_letters(dead),
        }
        for prefix, some in found.items():
            problems.settle(connection, shop.id, prefix=prefix, found=some, now=now)
