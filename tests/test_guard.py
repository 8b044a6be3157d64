"""What a stranger may cost: counted per caller, said once a minute, in memory that does not grow."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from plugin import guard
from plugin.guard import Failures, Few, Registrations, caller
from plugin.shops.jwks import KeySource


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unknown", "no address"),
        ("192.0.2.7:5678", "no address"),
        ("", "no address"),
        (None, "no address"),
    ],
)
def test_a_caller_is_an_ipv4_address_or_an_ipv6_network(address, counted_as):
    assert caller(address) == counted_as


def test_a_caller_may_register_so_often_and_is_told_when_again():
    limits = Registrations()
    waits = [limits.wait(caller="192.0.2.1", api_url=f"https://s{n}.example/graphql/") for n in range(12)]
    assert waits[:10] == [0] * 10
    assert all(1 <= wait <= 60 for wait in waits[10:])


def test_one_caller_over_the_limit_keeps_no_other_out_and_does_not_use_up_a_shops_own():
    limits = Registrations()
    for _ in range(50):
        limits.wait(caller="192.0.2.1", api_url="https://shop.example/graphql/")
    assert limits.wait(caller="192.0.2.2", api_url="https://shop.example/graphql/") == 0


def test_a_host_is_asked_so_often_however_many_callers_name_it_and_whatever_the_path():
    limits = Registrations()
    waits = [
        limits.wait(caller=f"192.0.2.{n}", api_url=f"https://shop.example:{8000 + n}/{n}/") for n in range(25)
    ]
    assert (waits[:20], 0 in waits[20:]) == ([0] * 20, False)


def test_the_memory_of_registrations_is_bounded_whoever_comes(monkeypatch):
    monkeypatch.setattr(guard, "BUCKETS", 8)
    limits = Registrations()
    for number in range(1000):
        limits.wait(caller=f"2001:db8:{number:x}::/64", api_url=f"https://s{number}.example/")
    assert len(limits._limiter.storage.storage) <= 8 * 4  # noqa: SLF001 - what is asked for is its size


@pytest.fixture
def a_day_ahead(monkeypatch):
    """Have the clock be a day ahead; return what puts it right."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 86_400)
    return lambda: monkeypatch.setattr(time, "time", right)


def test_a_clock_that_is_set_back_keeps_no_merchant_from_registering(a_day_ahead):
    limits = Registrations()
    waits = [limits.wait(caller="192.0.2.1", api_url="https://shop.example/graphql/") for _ in range(11)]
    a_day_ahead()
    waits.append(limits.wait(caller="192.0.2.1", api_url="https://shop.example/graphql/"))
    assert (waits[9], waits[10] > 0, waits[11]) == (0, True, 0)


class Shop:
    """Answers with a key, as `Outbound` hands it on."""

    def get_json(self, *_, **__):
        return {"keys": [{"kid": "1", "kty": "RSA", "n": "a", "e": "AQAB"}]}


def test_a_clock_that_is_set_back_keeps_no_key_from_being_fetched(a_day_ahead):
    source = KeySource(Shop())
    for _ in range(5):
        source.fetch("https://shop.example/graphql/")
    a_day_ahead()
    assert len(source.fetch("https://shop.example/graphql/")["keys"]) == 1


def test_only_a_few_are_let_in_at_once_and_each_makes_room_again():
    few = Few(2)
    with few.one() as first, few.one() as second, few.one() as third:
        pass
    with few.one() as later:
        pass
    assert (first, second, third, later) == (True, True, False, True)


def test_one_who_fails_inside_makes_room_too():
    few = Few(1)
    with pytest.raises(RuntimeError), few.one():
        raise RuntimeError
    with few.one() as there_is_room:
        assert there_is_room


def test_failures_over_the_limit_are_known_per_caller():
    failures = Failures(most=3)
    assert [failures.count("192.0.2.1") for _ in range(5)] == [False, False, False, True, True]
    assert (failures.count("192.0.2.2"), failures.over("192.0.2.1"), failures.over("192.0.2.2")) == (
        False,
        True,
        False,
    )


def test_looking_counts_nothing():
    failures = Failures(most=1)
    failures.count("192.0.2.1")
    assert [failures.over("192.0.2.1") for _ in range(3)] == [False, False, False]


class Steady:
    """A clock that goes when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def said(logs):
    return [
        (entry["event"].split(":")[0].split(",")[0], entry["address"], entry.get("count")) for entry in logs
    ]


def test_who_goes_over_the_limit_is_named_at_once_and_counted_when_the_minute_is_over():
    steady = Steady()
    failures = Failures(most=3, steady=steady)
    with capture_logs() as logs:
        for _ in range(7):
            failures.count("192.0.2.1")
        failures.count("192.0.2.2")
        at_once = said(logs)
        steady.now += 60
        failures.count("192.0.2.2")
    assert at_once == [("refused too often", "192.0.2.1", None)]
    assert said(logs)[1:] == [("refused", "192.0.2.1", 7)]


def test_a_new_minute_counts_anew():
    steady = Steady()
    failures = Failures(most=1, steady=steady)
    first = [failures.count("192.0.2.1"), failures.count("192.0.2.1"), failures.over("192.0.2.1")]
    steady.now += 59.9
    still = failures.over("192.0.2.1")
    steady.now += 0.1
    assert (first, still, failures.over("192.0.2.1"), failures.count("192.0.2.1")) == (
        [False, True, True],
        True,
        False,
        False,
    )


def test_many_callers_over_the_limit_are_said_in_a_few_lines():
    steady = Steady()
    failures = Failures(most=0, steady=steady)
    with capture_logs() as logs:
        for number in range(50):
            failures.count(f"192.0.2.{number}")
        steady.now += 60
        failures.count("192.0.2.1")
    assert len(logs) == 2 * guard.LINES_A_MINUTE + 1


def test_the_memory_of_failures_is_bounded_whoever_comes(monkeypatch):
    monkeypatch.setattr(guard, "CALLERS_KNOWN", 10)
    failures = Failures(most=3)
    for number in range(1000):
        failures.count(f"10.0.{number // 250}.{number % 250}")
    assert len(failures._counts) == 11  # noqa: SLF001 - what is asked for is its size
    assert failures.count("10.9.9.9") is True  # one of many strangers


def test_many_threads_lose_no_count():
    failures = Failures(most=799)
    threads = [
        threading.Thread(target=lambda: [failures.count("192.0.2.1") for _ in range(100)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures.count("192.0.2.1") is True
