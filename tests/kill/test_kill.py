"""Nothing is lost: each part of a real installation is killed at random moments, under load."""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from plugin import postgres
from sandbox.deliveries import DELAYS
from sandbox.shop import Shop
from tests.faults.invariants import assert_all_is_well
from tests.journeys.conftest import OPEN_WORK, UNTOLD
from tests.kill.conftest import KINDS, Herkend, wait_until
from tests.kill.customers import Customers

SHORTEST, LONGEST = 0.2, 3.0  # seconds between two kills
PATIENCE = 150.0  # the shop's last retries, half a minute until a lost worker's jobs are taken up, and a slow machine


# The shop tries again after 1, 3, 7, 15 and 31 times as many seconds as the second number says.
@pytest.mark.parametrize(("kills", "retry"), [(10, 1.0), pytest.param(200, 4.0, marks=pytest.mark.soak)])
def test_whatever_is_killed_all_that_was_accepted_is_processed_and_every_tier_is_right(
    herkend, shop, kills, retry, record_property
):
    shop.deliveries.retry_scale = retry / DELAYS[0]
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    customers = Customers(shop, seed=seed)
    with customers.busy():
        kill_at_random(herkend, kills, seed=seed)
    calm = time.monotonic()
    with database(herkend) as rows:
        given_up = settle(herkend, shop, rows=rows)
        told = told_of(herkend, customers, seed=seed, given_up=given_up, settled=time.monotonic() - calm)
        record_property("what was killed", told)
        assert_all_is_well(rows, customers, losses=herkend.losses)
    assert herkend.stop() == 0
    assert herkend.processes() == []


def kill_at_random(herkend: Herkend, kills: int, *, seed: int) -> None:
    """Kill now this, now that, whatever state it is in; what is not there (yet) is waited for."""
    chance = random.Random(seed)
    for _ in range(kills):
        due = time.monotonic() + chance.uniform(SHORTEST, LONGEST)
        kind = chance.choice(KINDS)
        wait_until(partial(is_time, herkend, due), what="it is time", patience=PATIENCE)
        wait_until(partial(is_there, herkend, kind), what=f"there is a {kind}", patience=PATIENCE)
        if victims := herkend.victims(kind):
            herkend.kill(kind, chance.choice(victims))


def is_time(herkend: Herkend, due: float) -> bool:
    herkend.tend()
    return time.monotonic() >= due


def is_there(herkend: Herkend, kind: str) -> bool:
    herkend.tend()
    return herkend.victims(kind) != []


@contextmanager
def database(herkend: Herkend) -> Iterator:
    """Yield a function that asks the installation's own database."""
    with postgres.running(herkend.data / "herkend") as url:

        def rows(query: str) -> list[tuple]:
            with psycopg.connect(url.reveal()) as connection:
                return connection.execute(query).fetchall()

        yield rows


def settle(herkend: Herkend, shop: Shop, *, rows) -> int:
    """Wait until all is delivered, processed and told; return how many deliveries the shop had given up.

    Those are sent once more, as its staff can do: with so little time between two kills, some meet nobody six times.
    """
    wait_until(lambda: under_way(herkend, shop) == 0, what="all is delivered", patience=PATIENCE)
    given_up = [it for it in shop.deliveries.all() if it.status == "failed"]
    for delivery in given_up:
        assert shop.deliveries.resend(delivery).status == 202
    wait_until(
        lambda: under_way(herkend, shop) == 0 and rows(OPEN_WORK) == [(0,)] and rows(UNTOLD) == [(0,)],
        what="everything is processed and told",
        patience=PATIENCE,
    )
    return len(given_up)


def under_way(herkend: Herkend, shop: Shop) -> int:
    herkend.tend()
    return sum(it.status == "pending" for it in shop.deliveries.all())


def told_of(herkend: Herkend, customers: Customers, *, seed: int, given_up: int, settled: float) -> str:
    kills = ", ".join(f"{kind} {count}" for kind, count in sorted(herkend.killed.items()))
    deliveries = customers.shop.deliveries.all()
    attempts = sum(len(it.attempts) for it in deliveries)
    return (
        f"seed {seed}: killed {kills}; {customers.actions} actions, {len(deliveries)} deliveries in {attempts} "
        f"attempts, {given_up} given up by the shop and sent again by hand; "
        f"settled {settled:.0f} s after the last kill; `herkend run` ended by itself {herkend.ended} times"
    )
