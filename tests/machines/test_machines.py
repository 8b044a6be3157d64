"""Several web and worker processes share one database: the work is shared, and nothing is done twice or lost."""

import random
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg
import pytest

from sandbox.shop import Shop
from tests.faults.invariants import assert_accepted_is_processed, assert_all_is_well, settle
from tests.kill.conftest import wait_until
from tests.kill.customers import Customers
from tests.machines.conftest import PATIENCE, SHOPS, WORKERS, Machines

soak = pytest.mark.soak

ROUNDS = 3
ACCOUNTS, GUESTS = 8, 5

# Each shop has a lane for reading and one for publishing; in each one call is under way and one just about to be.
MOST_CALLS = SHOPS * 2 * 2
HALF_A_REQUEST = (
    b"POST /api/webhooks/order-paid HTTP/1.1\r\nHost: herkend\r\nContent-Length: 1000\r\n"
    b"Saleor-Api-Url: http://shop.example/graphql/\r\nSaleor-Event: order_paid\r\n"
    b"Saleor-Signature: a.b.c\r\n\r\nhalf of i"
)
# What a worker says of its work; the rest it does without a word.
WORK = ("history read", "standing published")
UNDER_WAY = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'"
IN_HAND = """
    SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'),
           (SELECT count(*) FROM publications WHERE telling AND NOT gone),
           (SELECT count(*) FROM procrastinate_workers)
"""


@pytest.mark.parametrize("number", [30, pytest.param(1200, marks=soak)], ids=["few", "many"])
def test_the_work_is_shared_and_nothing_is_done_twice(machines, shops, number, record_property):
    crowd = crowds(shops)
    before = [[worker.said(words) for words in WORK] for worker in machines.workers]

    def shares() -> list[list[int]]:
        return [
            [worker.said(words) - earlier for words, earlier in zip(WORK, told, strict=True)]
            for worker, told in zip(machines.workers, before, strict=True)
        ]

    busy_until(
        lambda: actions(crowd) >= number and all(sum(share) for share in shares()),
        crowd,
        what=f"there were {number} actions, and each worker had its share",
    )
    settle(machines.rows, *shops)
    record_property("what happened", f"{told_of(crowd)}; read and published by each worker: {shares()}")
    assert_all_is_well(machines.rows, *crowd, answers=(202,))


def test_workers_that_are_told_to_stop_finish_their_calls_and_leave_nothing_in_hand(machines, shops):
    crowd = crowds(shops)
    for shop in shops:
        shop.faults.add("slow", seconds=0.5)
    busy_until(lambda: machines.rows(UNDER_WAY)[0][0] >= SHOPS, crowd, what="jobs are under way")
    told = time.monotonic()
    for worker in machines.workers:
        worker.tell_to_stop()
    assert [worker.ended() for worker in machines.workers] == [0] * WORKERS
    assert machines.rows(IN_HAND) == [(0, 0, 0)]
    calls = [request for shop in shops for request in shop.requests.all()]
    assert sum(call.ended > told for call in calls) <= MOST_CALLS
    for shop in shops:
        shop.faults.clear()
    machines.all_run()
    settle(machines.rows, *shops)
    assert_all_is_well(machines.rows, *crowd, answers=(202,))


def test_a_web_process_that_is_told_to_stop_answers_what_it_took_and_takes_nothing_more(machines, shops):
    web, shop = machines.webs[0], shops[0]
    with psycopg.connect(machines.database_url) as holding:
        holding.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
        for number in range(6):
            shop.place_order(email=f"late.{number}@example.com")
        wait_until(lambda: waiting(machines) > 0, what="requests wait for the table", patience=PATIENCE)
        time.sleep(0.5)  # what the shop has begun to send has arrived by then: nothing shows when
        told = time.monotonic()
        web.tell_to_stop()
        wait_until(lambda: not web.listens(), what="the port is closed", patience=PATIENCE)
    assert web.ended() == 0
    machines.all_run()
    settle(machines.rows, *shops)
    attempts = [attempt for it in shop.deliveries.all() for attempt in it.attempts]
    assert {it.status for it in attempts if it.ended - it.ms / 1000 < told < it.ended} == {202}
    assert_accepted_is_processed(machines.rows, shop, answers=(202, None))


@soak  # it takes all the time that a request in hand is given
def test_a_request_that_is_never_sent_to_its_end_holds_up_no_stop(machines):
    web = machines.webs[0]
    with socket.create_connection(("127.0.0.1", web.port)) as slow:
        slow.sendall(HALF_A_REQUEST)
        time.sleep(0.5)  # it has arrived by then: nothing shows when
        web.tell_to_stop()
        assert web.ended() == 0


@soak
def test_each_process_can_be_started_anew_under_load_and_nothing_is_lost(machines, shops, record_property):
    crowd = crowds(shops)
    with ExitStack() as stack:
        for customers in crowd:
            stack.enter_context(customers.busy())
        for part in machines.parts * ROUNDS:
            go_on(crowd, 5)
            part.tell_to_stop()
            assert part.ended() == 0
            machines.all_run()
    settle(machines.rows, *shops)
    record_property("what happened", told_of(crowd))
    assert_all_is_well(machines.rows, *crowd, answers=(202, None))


def crowds(shops: list[Shop]) -> list[Customers]:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    return [
        Customers(shop, seed=seed + number, accounts=ACCOUNTS, guests=GUESTS)
        for number, shop in enumerate(shops)
    ]


def busy_until(reached: Callable[[], bool], crowds: list[Customers], *, what: str) -> None:
    with ExitStack() as stack:
        for customers in crowds:
            stack.enter_context(customers.busy())
        wait_until(reached, what=what, patience=PATIENCE)


def go_on(crowds: list[Customers], number: int) -> None:
    before = actions(crowds)
    wait_until(lambda: actions(crowds) >= before + number, what=f"{number} more actions", patience=PATIENCE)


def actions(crowds: list[Customers]) -> int:
    return sum(customers.actions for customers in crowds)


def told_of(crowds: list[Customers]) -> str:
    deliveries = [it for customers in crowds for it in customers.shop.deliveries.all()]
    attempts = sum(len(it.attempts) for it in deliveries)
    return f"{actions(crowds)} actions, {len(deliveries)} deliveries in {attempts} attempts"


def waiting(machines: Machines) -> int:
    return machines.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")[0][0]
