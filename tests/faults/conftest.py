"""A shop, the app and a worker on a PostgreSQL of their own, which a test may stop, freeze and crowd."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from plugin import migrate, postgres
from plugin.installation import install
from tests.journeys.conftest import (  # noqa: F401 - fixtures of the journeys, to be had here too
    World,
    empty_world,
    idle_world,
    make_shop,
    served,
    working,
    world,
)
from tests.kill.conftest import wait_until
from tests.kill.customers import Customers

PATIENCE = 120.0
ACCOUNTS, GUESTS = 8, 5


@dataclass
class Server:
    """The database server, by its processes."""

    data: Path
    url: str

    def rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()

    def answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return self.rows("SELECT 1") == [(1,)]
        return False

    def processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self.data / "postgres/postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def restart(self, how: signal.Signals) -> None:
        """Shut it down, SIGINT fast or SIGQUIT immediately, and start it again."""
        os.kill(self.processes()[0].pid, how)
        wait_until(lambda: not postgres.alive(self.data), what="it has ended", patience=PATIENCE)
        postgres.ensure(self.data)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have none of its processes move, the one first that makes others."""
        stopped = []
        try:
            for process in self._each():
                process.suspend()
                stopped.append(process)
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _each(self) -> Iterator[psutil.Process]:
        yield self.processes()[0]
        yield from self.processes()[1:]


@pytest.fixture
def server() -> Iterator[Server]:
    data = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    data.chmod(0o711)
    with postgres.running(data) as url:
        yield Server(data, url.reveal())
    shutil.rmtree(data)


@pytest.fixture
def own_world(server, settings, clock, make_shop) -> Iterator[World]:  # noqa: F811 - the fixture
    """As `world`, but on `server`."""
    url = postgres.Secret(server.url)
    installation = install(settings, database_url=url, clock=clock)
    migrate.upgrade(installation.db)
    with served(installation) as there, working(there):
        world = World(there, make_shop(clock=clock, retry_scale=0.03), f"{there.settings.url}/api/manifest")
        world.install()
        yield world
    installation.db.close()
    gc.collect()  # so that what is left open is told of here, and not in a later test


@pytest.fixture
def customers(own_world) -> Customers:
    return crowd(own_world)


def crowd(world: World) -> Customers:  # noqa: F811
    seed = int.from_bytes(os.urandom(4))
    sys.stdout.write(f"seed {seed}\n")
    return Customers(world.shop, seed=seed, accounts=ACCOUNTS, guests=GUESTS)


def more(customers: Customers, number: int) -> None:
    """Wait for that many more actions of customers who are at it."""
    before = customers.actions
    wait_until(lambda: customers.actions >= before + number, what=f"{number} more actions", patience=PATIENCE)
