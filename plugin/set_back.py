"""The machine's clock was set back: what was to wait for a moment that now comes once more waits no longer."""

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from plugin import queue
from plugin.customers import store as customers
from plugin.health import store as health
from plugin.installation import Installation
from plugin.shops import store as shops
from plugin.tiers import store as tiers

log = structlog.get_logger()
STEP_SECONDS = 2.0  # less is not worth the trouble: it is waited out
LONGEST_WAIT = timedelta(hours=6)  # nothing is put off for longer; of customers and of what the shop is told


class SetBack:
    """Compares the clock with one that never jumps.

    What waits longer than anything is ever put off comes from a clock that went wrong while nobody looked: that is
    looked for at the first look. `anew` is called where something counts on the hours that now come once more.
    """

    def __init__(self, installation: Installation, *, anew: Callable[[], None]) -> None:
        self._installation = installation
        self._anew = anew
        self._ahead: float | None = None

    def look(self) -> None:
        """Have done now what waits for the clock to come that far again; costs nothing while it runs evenly."""
        ahead = self._installation.clock().timestamp() - time.monotonic()
        if self._ahead is None:
            self._due_now(beyond=LONGEST_WAIT)
        elif ahead < self._ahead - STEP_SECONDS:
            log.warning("the clock was set back", seconds=round(self._ahead - ahead))
            self._due_now(beyond=timedelta())
            self._anew()
        self._ahead = ahead

    def _due_now(self, *, beyond: timedelta) -> None:
        with self._installation.db.begin() as connection:
            now = self._installation.clock()
            for store in (shops, customers, tiers, health, queue):
                store.due_now(connection, beyond=now + beyond, now=now)
