"""One shop on the line: whether it may be called, and what its answers mean for the next call."""

import time
from collections.abc import Callable

import structlog

from plugin.db import DatabaseAway
from plugin.errors import Permanent, Refused, Transient
from plugin.installation import Installation
from plugin.saleor.calls import app_identity
from plugin.saleor.client import Saleor
from plugin.shops import store
from plugin.shops.store import Shop

log = structlog.get_logger()
# Then the next shop: what is left is asked for again within a second.
TURN_SECONDS = 5.0


class Line:
    """Calls one shop as long as it is active and answers; `saleor` is the client for it."""

    def __init__(self, installation: Installation, shop: Shop) -> None:
        self._installation = installation
        self._app_id = shop.app_id
        self._open = shop.state == "active" and shop.token is not None
        self._ends = time.monotonic() + TURN_SECONDS
        self.shop_id = shop.id
        if self._open and shop.token is not None:
            self.saleor = Saleor(
                api_url=shop.api_url,
                token=installation.vault.unlock(shop.token),
                outbound=installation.outbound,
            )

    @classmethod
    def to(cls, installation: Installation, shop_id: int) -> "Line":
        """Read the shop and pick up the line."""
        with installation.db.begin() as connection:
            return cls(installation, store.by_id(connection, shop_id))

    def free(self) -> bool:
        """Tell whether the shop may be called now: it is still ours, active, not to be waited for, and has its turn."""
        if not self._open or time.monotonic() > self._ends:
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

    def _hold(self, error: Transient) -> None:
        with self._installation.db.begin() as connection:
            until = store.hold(
                connection, self.shop_id, now=self._installation.clock(), at_least=error.retry_after
            )
        log.warning("the shop does not answer well", shop=self.shop_id, problem=str(error), again=until)

    def _refused(self, error: Refused) -> None:
        """Find out whether the token is dead or one permission is missing."""
        try:
            app_identity(self.saleor)
        except Refused:
            with self._installation.db.begin() as connection:
                store.set_unreachable(connection, self.shop_id, app_id=self._app_id)
            log.warning("the shop refuses our token", shop=self.shop_id)
        except (Transient, Permanent) as trouble:
            self._hold(Transient(str(trouble)))
        else:
            self._hold(Transient(str(error), retry_after=60))
