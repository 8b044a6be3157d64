"""The database is restarted, frozen or crowded under load: nothing that was accepted is lost, all of it is told."""

import signal
import threading
import time
from contextlib import suppress

import psutil
import psycopg
import pytest

from plugin import postgres
from plugin.supervisor import Parts
from sandbox.shop import Shop
from tests.faults.conftest import PATIENCE, Server, more
from tests.faults.invariants import assert_all_is_well, echo, settle
from tests.kill.conftest import wait_until

ON_THE_WAY = 0.5  # seconds that an answer to what was kept may take to arrive
soak = pytest.mark.soak
# What a pool of psycopg was about to open when the server went away is left to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")


@pytest.mark.parametrize(
    ("how", "times"),
    [
        pytest.param(signal.SIGINT, 1, marks=soak),
        (signal.SIGQUIT, 1),
        pytest.param(signal.SIGINT, 10, marks=soak),
        pytest.param(signal.SIGQUIT, 10, marks=soak),
    ],
    ids=["fast", "immediate", "fast, often", "immediate, often"],
)
def test_a_database_that_is_restarted_loses_nothing(server, own_world, customers, how, times):
    restarts = []
    with customers.busy():
        for _ in range(times):
            more(customers, 10)
            begun = time.monotonic()
            server.restart(how)
            restarts.append((begun, time.monotonic()))
        more(customers, 5)
    settle(server.rows, own_world.shop)
    assert_all_is_well(server.rows, customers, losses=restarts)


@pytest.mark.parametrize(
    ("seconds", "times"), [(1.0, 1), pytest.param(8.0, 3, marks=soak)], ids=["short", "long, often"]
)
def test_while_the_database_is_frozen_nothing_is_accepted_and_afterwards_all_is(
    server, own_world, customers, seconds, times
):
    windows = []
    with customers.busy():
        for _ in range(times):
            more(customers, 10)
            with server.frozen():
                begun = time.monotonic()
                time.sleep(seconds)
                windows.append((begun, time.monotonic()))
        more(customers, 5)
    settle(server.rows, own_world.shop)
    assert [moment for window in windows for moment in accepted_within(own_world.shop, *window)] == []
    assert_all_is_well(server.rows, customers)


def accepted_within(shop: Shop, begun: float, ended: float) -> list[float]:
    """List when something was taken; what the shop began to send before may have been kept before, too."""
    return [
        attempt.ended - begun
        for it in shop.deliveries.all()
        for attempt in it.attempts
        if attempt.status == 202
        and not echo(it, shop)
        and (begun < attempt.ended - attempt.ms / 1000 or begun + ON_THE_WAY < attempt.ended)
        and attempt.ended < ended
    ]


def test_what_a_killed_server_leaves_behind_does_not_keep_a_new_one_from_starting(server):
    """A process that waits for one that was killed before it never notices that the server is gone."""
    with psycopg.connect(server.url) as connection, Parts() as parts:
        parts.add_database(server.data)
        left = psutil.Process(connection.info.backend_pid)
        left.suspend()
        server.processes()[0].kill()
        ends = time.monotonic() + PATIENCE
        parts.tend(threading.Event(), until=lambda: server.answers() or time.monotonic() > ends)
        assert server.answers()


class Crowd:
    """Other clients who take every connection there is, as soon as there is one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._taken = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for connection in self._taken:
            connection.close()

    def _take(self):
        while not self._over.is_set():
            with suppress(psycopg.OperationalError):
                self._taken.append(psycopg.connect(self._server.url))
                continue
            self._throw_out()
            self._over.wait(0.02)

    def _throw_out(self):
        """End everybody else's session: a pool that holds on to its connections would notice nothing."""
        with suppress(psycopg.OperationalError):
            pids = [connection.info.backend_pid for connection in self._taken]
            self._taken[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND NOT pid = ANY(%s)",
                [pids],
            )
            self._taken[0].commit()


@pytest.fixture
def few_connections(monkeypatch):
    settings = ["max_connections=30" if it.startswith("max_connections") else it for it in postgres.SERVER]
    monkeypatch.setattr(postgres, "SERVER", tuple(settings))


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=soak)], ids=["once", "often"])
def test_without_a_free_connection_it_asks_to_be_tried_again_and_recovers_by_itself(
    few_connections, server, own_world, customers, times
):
    crowded = []
    with customers.busy():
        for _ in range(times):
            before, begun = refused(own_world.shop), time.monotonic()
            with Crowd(server):
                wait_until(
                    lambda before=before: refused(own_world.shop) > before + 5,
                    what="deliveries are put off",
                    patience=PATIENCE,
                )
            crowded.append((begun, time.monotonic()))
            more(customers, 5)
    settle(server.rows, own_world.shop)
    assert_all_is_well(server.rows, customers, losses=crowded)


def refused(shop: Shop) -> int:
    return sum(attempt.status == 503 for it in shop.deliveries.all() for attempt in it.attempts)
