"""Remembers for a few seconds which shops there are: deliveries ask for the same ones thousands of times.

What is remembered may be out of date. Whoever acts on it has the database check it (`inbox.store.keep` does), or
looks the shop up again before refusing what another state of it would allow.
"""

import time
from collections.abc import Callable

from plugin.db import Database
from plugin.shops import store
from plugin.shops.store import Shop

REMEMBERED = 5.0  # seconds
LISTED = 1.0  # seconds
MOST = 1000


class KnownShops:
    """The shops of one process's deliveries; `steady` is in seconds of any clock that never jumps."""

    def __init__(self, database: Database, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._steady = steady
        self._shops: dict[str, tuple[float, Shop]] = {}
        self._listed: tuple[float, frozenset[str]] = (steady(), frozenset())

    def remembered(self, api_url: str) -> Shop | None:
        """Return the shop that has the app installed under this canonical address, as it was seconds ago, if known."""
        now = self._steady()
        until, shop = self._shops.get(api_url, (now, None))
        return shop if until > now else None

    def listed(self, api_url: str) -> bool:
        """Tell whether a shop stood under this address a second ago: however many are asked for, one look is enough."""
        now = self._steady()
        until, known = self._listed
        if until <= now:
            with self._database.begin() as connection:
                known = store.installed_addresses(connection)
            self._listed = (now + LISTED, known)
        return api_url in known

    def look_up(self, api_url: str) -> Shop | None:
        """Return it as it is now."""
        with self._database.begin() as connection:
            shop = store.by_api_url(connection, api_url)
        self.forget(api_url)
        if shop is None or shop.state == "uninstalled":
            return None
        if len(self._shops) >= MOST:
            self._shops.clear()
        self._shops[api_url] = (self._steady() + REMEMBERED, shop)
        return shop

    def forget(self, api_url: str) -> None:
        """Look it up when it is next asked for."""
        self._shops.pop(api_url, None)
