"""Journeys: a sandbox shop, the app and a worker, speaking real HTTP on loopback."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import text
from werkzeug.serving import make_server

import sandbox.server
from plugin.app import create_app
from plugin.installation import Installation
from plugin.shops import store as shops
from plugin.worker import Worker
from sandbox.shop import Account, Order, Shop

PATIENCE = 20.0
OPEN_WORK = """
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'new')
         + (SELECT count(*) FROM persons WHERE read_due IS NOT NULL OR review_due IS NOT NULL)
         + (SELECT count(*) FROM procrastinate_jobs)
"""
UNTOLD = """
    SELECT count(*) FROM publications JOIN shops ON shops.id = shop_id
    WHERE NOT gone AND (
        telling OR wanted_public IS DISTINCT FROM told_public OR wanted_private IS DISTINCT FROM told_private
    )
      AND (SELECT ("values"->>'publish')::boolean FROM shop_settings WHERE shop_settings.shop_id = shops.id
           ORDER BY version DESC LIMIT 1)
"""


def wait_until(reached: Callable[[], bool], *, what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.01)


@dataclass
class World:
    """One shop with the app installed, and what can be seen of both from outside."""

    installation: Installation
    shop: Shop
    manifest_url: str
    more: list[Shop] = field(default_factory=list)

    def install(self, *, publish: bool = True) -> None:
        self.shop.install(self.manifest_url)
        if publish:
            self.publish()

    def publish(self) -> None:
        with self.installation.db.begin() as connection:
            shop = shops.named(connection, self.shop.api_url)
            shops.release(connection, shop.id, by="test", now=self.installation.clock())

    def count(self, query: str) -> int:
        with self.installation.db.begin() as connection:
            return connection.execute(text(query)).scalar_one()

    def settle(self) -> None:
        """Wait until all that was sent has been delivered, processed, reviewed and told, echoes too."""
        wait_until(self._settled, what="everything is processed and told")

    def _settled(self) -> bool:
        for shop in (self.shop, *self.more):
            shop.deliveries.settle(PATIENCE)
        return self.count(OPEN_WORK) == 0 and self.count(UNTOLD) == 0

    def tier(self, account: Account) -> str | None:
        """The tier that the storefront can read."""
        return self.shop.account(account.id).metadata.get("herkend.tier")

    def standing(self, what: Account | Order) -> dict | None:
        """The standing that staff's tools can read, on a user or a guest's order."""
        now = self.shop.account(what.id) if isinstance(what, Account) else self.shop.order(what.id)
        written = now.private_metadata.get("herkend.standing")
        return json.loads(written) if written else None

    def confirmed(self, email: str) -> Account:
        return self.shop.confirm_account(self.shop.register_account(email))


@contextmanager
def served(installation: Installation) -> Iterator[Installation]:
    """Serve the app on a free port and say so in its settings."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    installation = replace(installation, settings=replace(installation.settings, url=url, api_url=url))
    server.app = create_app(installation)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield installation
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def working(installation: Installation) -> Iterator[None]:
    worker = Worker(installation)
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(PATIENCE)


@pytest.fixture
def make_shop() -> Iterator[Callable[..., Shop]]:
    with ExitStack() as stack:

        def make(**options) -> Shop:
            shop = Shop(**{"retry_scale": 0.01, **options})
            stack.enter_context(sandbox.server.running(shop))
            stack.callback(shop.close)
            return shop

        yield make


@pytest.fixture
def idle_world(installation, make_shop, clock) -> Iterator[World]:
    """A shop that has the app installed and publishing released; no worker runs."""
    with served(installation) as there:
        world = World(there, make_shop(clock=clock), f"{there.settings.url}/api/manifest")
        world.install()
        yield world


@pytest.fixture
def empty_world(installation, make_shop, clock) -> Iterator[World]:
    """A shop and an app that do not know each other yet; one worker runs."""
    with served(installation) as there, working(there):
        yield World(there, make_shop(clock=clock), f"{there.settings.url}/api/manifest")


@pytest.fixture
def world(empty_world) -> World:
    """A shop that has the app installed and publishing released."""
    empty_world.install()
    return empty_world
