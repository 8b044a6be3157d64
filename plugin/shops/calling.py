"""One shop on the line: whether it may be called, and what its answers mean for the next call."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from plugin.db import DatabaseAway
from plugin.errors import Permanent, Refused, Transient
from plugin.installation import Installation
from plugin.saleor.client import Saleor
from plugin.saleor.webhooks import own_app
from plugin.secret import NoKeyFits
from plugin.shops import manifest, store
from plugin.shops.problems import store as problems
from plugin.shops.problems.words import PERMISSION, of_permissions
from plugin.shops.store import Shop

log = structlog.get_logger()
# Then the next shop: what is left is asked for again within a second.
TURN_SECONDS = 5.0
# Where a permission is missing: as long as it takes to tell the merchant, and then before it is tried again.
MOMENT, PAUSE = timedelta(seconds=3), timedelta(minutes=1)


def connected(installation: Installation, shop: Shop) -> Saleor:
    """Return the client for a shop; raise Refused where the app is uninstalled, NoKeyFits where its token is lost."""
    if shop.token is None:
        raise Refused(f"{shop.api_url} uninstalled the app.")
    return Saleor(
        api_url=shop.api_url,
        token=installation.vault.unlock(shop.token),
        outbound=installation.outbound,
        noted=partial(installation.tally.add, shop.id),
    )


class Line:
    """Calls one shop as long as it is active and answers; `saleor` is the client for it."""

    def __init__(self, installation: Installation, shop: Shop) -> None:
        self._installation = installation
        self._app_id = shop.app_id
        self._open = shop.state == "active" and shop.token is not None
        self._ends = time.monotonic() + TURN_SECONDS
        self.shop_id = shop.id
        if self._open:
            try:
                self.saleor = connected(installation, shop)
            except NoKeyFits as error:
                self._without_key(shop, error)

    @classmethod
    def to(cls, installation: Installation, shop_id: int) -> "Line":
        """Read the shop and pick up the line."""
        with installation.db.begin() as connection:
            shop = store.by_id(connection, shop_id)
        return cls(installation, shop)

    def free(self) -> bool:
        """Tell whether the shop may be called now: it is still ours, active, not to be waited for, and has its turn."""
        over = time.monotonic() > self._ends or self._installation.stopping.is_set()
        if not self._open or over:
            return False
        with self._installation.db.begin() as connection:
            shop = store.by_id(connection, self.shop_id)
        waiting = shop.hold_until is not None and shop.hold_until > self._installation.clock()
        return shop.state == "active" and shop.app_id == self._app_id and not waiting

    def call(self, talk: Callable[[], None]) -> bool:
        """Talk to the shop; False when it did not go well and nothing more is to be asked for now.

        Trouble is waited out, longer each time; a refused token makes the shop `unreachable`. `talk` has then
        recorded nothing as done.
        """
        try:
            talk()
        except DatabaseAway:
            raise  # the shop has nothing to do with it
        except Transient as error:
            self._hold(error)
            return False
        except Refused as error:
            self._refused(error)
            return False
        with self._installation.db.begin() as connection:
            store.unhold(connection, self.shop_id, now=self._installation.clock())
        return True

    def _without_key(self, shop: Shop, error: NoKeyFits) -> None:
        """Leave the shop alone, and say so once: the key comes back, or the shop installs us again."""
        self._open = False
        with self._installation.db.begin() as connection:
            store.hold(connection, shop.id, now=self._installation.clock(), at_least=None)
        if not shop.failures:
            log.error("the key of a shop is lost", shop=shop.id, api_url=shop.api_url, problem=str(error))

    def _hold(self, error: Transient) -> None:
        with self._installation.db.begin() as connection:
            until = store.hold(
                connection, self.shop_id, now=self._installation.clock(), at_least=error.retry_after
            )
        log.warning("the shop does not answer well", shop=self.shop_id, problem=str(error), again=until)

    def _refused(self, error: Refused) -> None:
        """Find out whether the token is dead or a permission is missing."""
        try:
            explained = self.lacks_permission()
        except Refused:
            with self._installation.db.begin() as connection:
                store.set_unreachable(connection, self.shop_id, app_id=self._app_id)
            log.warning("the shop refuses our token", shop=self.shop_id)
        except (Transient, Permanent) as trouble:
            self._hold(Transient(str(trouble)))
        else:
            if not explained:
                self._hold(Transient(str(error), retry_after=60))

    def lacks_permission(self) -> bool:
        """Ask which of our permissions are missing; if any, the merchant is told, and the shop is left alone a while.

        Raises as `Saleor.execute` does.
        """
        missing = manifest.permissions() - own_app(self.saleor, version="").permissions
        now = self._installation.clock()
        with self._installation.db.begin() as connection:
            found = of_permissions(missing)
            news = problems.settle(connection, self.shop_id, prefix=PERMISSION, found=found, now=now)
            if missing:
                # News goes out first: another job tells it, and may not call a shop that is left alone.
                store.wait(connection, self.shop_id, until=now + (MOMENT if news else PAUSE))
        if news:
            log.warning("permissions are missing", shop=self.shop_id, missing=sorted(missing))
        return bool(missing)
