"""What needs the merchant shows in his shop as a problem of the app, once, and goes when it is over."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from plugin.queue import CHECK, ask
from plugin.shops import store as shops
from plugin.shops.check import ask_around
from tests.journeys.conftest import wait_until
from tests.told import register

USERS, ORDERS = "permission.MANAGE_USERS", "permission.MANAGE_ORDERS"
PAID, CREATED = "Herkend ORDER_PAID", "Herkend ORDER_CREATED"


@pytest.fixture
def version():
    return "3.23"


@pytest.fixture
def there(version, empty_world, make_shop, clock):
    """A shop that has the app installed and publishing released; one worker runs."""
    empty_world.shop = make_shop(version=version, clock=clock)
    empty_world.install()
    return empty_world


both = pytest.mark.parametrize("version", ["3.22", "3.23"])


def look(world) -> None:
    """Have the worker look after the shop now, and wait until all is told."""
    with world.installation.db.begin() as connection:
        ask(connection, CHECK, [1])
    wait_until(
        lambda: world.count("SELECT count(*) FROM procrastinate_jobs") == 0, what="the shop is checked"
    )
    told(world)


def told(world) -> None:
    untold = "SELECT count(*) FROM shop_problems WHERE over_at IS NOT NULL OR told_message IS DISTINCT FROM message"
    wait_until(lambda: world.count(untold) == 0, what="all is told")


def state(world) -> str:
    with world.installation.db.begin() as connection:
        return shops.by_id(connection, 1).state


@both
def test_a_permission_that_is_missed_is_named_and_forgotten_once_it_is_granted(there, clock):
    ada = there.confirmed("ada@example.com")
    there.settle()
    there.shop.deliveries.hold()
    there.shop.place_order(ada, total="25.00")
    there.shop.grant("MANAGE_ORDERS")
    there.shop.deliveries.release()
    wait_until(lambda: USERS in there.shop.problems() or clock.move(seconds=1), what="the problem shows")
    assert there.shop.problems()[USERS].startswith(
        "Herkend lacks the permission MANAGE_USERS: it hears of no customers"
    )
    assert (list(there.shop.problems()), state(there)) == ([USERS], "active")
    there.shop.grant("MANAGE_ORDERS", "MANAGE_USERS")
    wait_until(lambda: there.tier(ada) == "one-time" or clock.move(seconds=5), what="the work goes on")
    look(there)
    assert there.shop.problems() == {}


def test_while_a_permission_is_missing_the_shop_is_asked_once_a_minute(there, clock):
    ada = there.confirmed("ada@example.com")
    there.settle()
    there.shop.deliveries.hold()
    there.shop.place_order(ada, total="25.00")
    there.shop.grant("MANAGE_ORDERS")
    there.shop.deliveries.release()
    wait_until(lambda: USERS in there.shop.problems(), what="the problem shows")
    held = "SELECT count(*) FROM shops WHERE hold_until > now() + interval '50 s' + :ahead * interval '1 s'"
    ahead = clock.ahead.total_seconds()

    def waiting() -> bool:
        with there.installation.db.begin() as connection:
            return connection.execute(text(held), {"ahead": ahead}).scalar_one() == 1

    wait_until(waiting, what="the shop is left alone for a minute")
    assert there.count("SELECT failures FROM shops") == 0


@pytest.mark.parametrize(("code", "key"), [("MANAGE_USERS", ORDERS), ("MANAGE_ORDERS", USERS)])
def test_looking_after_a_quiet_shop_finds_a_missing_permission_and_that_it_is_back(there, code, key):
    there.shop.grant(code)
    look(there)
    shown = there.shop.problems()
    there.shop.grant("MANAGE_ORDERS", "MANAGE_USERS")
    look(there)
    assert (list(shown), there.shop.problems()) == ([key], {})


def test_what_goes_on_is_told_once_and_whoever_dismissed_it_is_left_in_peace(there):
    there.shop.grant("MANAGE_ORDERS")
    look(there)
    (problem,) = there.shop.app.problems
    look(there)
    counts = [one.count for one in there.shop.app.problems]
    there.shop.dismiss_problem(problem.key)
    look(there)
    assert (counts, there.shop.problems()) == ([1], {})


def test_what_comes_back_is_told_again(there):
    for permissions in (("MANAGE_ORDERS",), ("MANAGE_ORDERS", "MANAGE_USERS"), ("MANAGE_ORDERS",)):
        there.shop.grant(*permissions)
        look(there)
    assert list(there.shop.problems()) == [USERS]


@both
def test_webhooks_that_do_not_speak_are_named_until_they_do(there):
    there.shop.delete_webhook(CREATED)
    there.shop.change_webhook(PAID, is_active=False)
    look(there)
    both = there.shop.problems()
    there.shop.change_webhook(PAID, is_active=True)
    look(there)
    one = there.shop.problems()
    there.shop.reinstall_app()
    there.settle()
    look(there)
    assert (list(both), "switched off: ORDER_CREATED, ORDER_PAID." in both["webhooks"]) == (
        ["webhooks"],
        True,
    )
    assert ("switched off: ORDER_CREATED." in one["webhooks"], there.shop.problems()) == (True, {})


def test_messages_that_do_not_arrive_or_are_not_understood_are_told_when_they_are_many(there, clock):
    rows = (
        "INSERT INTO deliveries (shop_id, event, body, body_sha256, received_at, processed_at, state) "
        "SELECT 1, 'order_paid', 'x', n::text::bytea, now(), now(), 'dead' FROM generate_series(1, 12) AS n"
    )
    with there.installation.db.begin() as connection:
        connection.execute(text(rows))
    undelivered(there, count=25)
    look(there)
    shown = there.shop.problems()
    with there.installation.db.begin() as connection:
        connection.execute(text("DELETE FROM deliveries"))
    clock.move(hours=25)
    look(there)
    assert (sorted(shown), there.shop.problems()) == (["dead-letters", "undelivered"], {})
    assert shown["dead-letters"].startswith("10 or more messages of your shop could not be understood")


def undelivered(world, *, count: int) -> None:
    target = world.shop.webhook(PAID).target_url
    world.shop.change_webhook(PAID, target_url=f"{world.shop.url}/nobody-is-here")
    for _ in range(count):
        world.shop.place_order(email="ada@example.com")
    world.shop.change_webhook(PAID, target_url=target)
    world.settle()


def test_another_installation_of_the_app_is_told_anew(there):
    there.shop.grant("MANAGE_ORDERS")
    look(there)
    there.shop.reinstall_app()
    there.shop.grant("MANAGE_ORDERS")
    look(there)
    assert list(there.shop.problems()) == [USERS]


@pytest.mark.parametrize("fault", ["drop", "close"])
def test_a_lost_answer_makes_no_second_problem(there, clock, fault):
    there.shop.grant("MANAGE_ORDERS")
    look_while(there, clock, fault)
    assert [one.key for one in there.shop.app.problems] == [USERS]


def look_while(world, clock, fault: str) -> None:
    """The first two requests of a look and the list of failures go well, the problem does not."""
    take, count = world.shop.faults.take, iter(range(1, 1000))

    def counting(*kinds, target=""):
        if kinds[0] == "status" and next(count) == 4:
            world.shop.faults.add(fault, times=1)
        return take(*kinds, target=target)

    world.shop.faults.take = counting
    with world.installation.db.begin() as connection:
        ask(connection, CHECK, [1])
    wait_until(lambda: world.shop.problems() and told(world) is None, what="the problem shows")


@both
def test_the_dead_token_of_a_quiet_shop_is_noticed_and_that_it_works_again(there):
    """As on a 3.22, where nobody tells us that the app is switched off or on."""
    there.shop.deliveries.hold()
    there.shop.deactivate_app()
    look(there)
    off = state(there)
    look(there)
    there.shop.activate_app()
    look(there)
    assert (off, state(there)) == ("unreachable", "active")


def test_a_shop_whose_word_that_we_are_on_again_was_lost_is_taken_up_again(there, clock):
    with there.installation.db.begin() as connection:
        shops.pause(connection, 1, app_id=there.shop.app.gid, said_at=clock() - timedelta(hours=1))
    look(there)
    assert state(there) == "active"


@pytest.mark.parametrize("before", ["unreachable", "paused"])
def test_a_word_that_came_while_we_looked_counts(installation, clock, before):
    """We looked, the app was on, then it was switched off: what we saw is older."""
    shop = register(installation)
    with installation.db.begin() as connection:
        shops.pause(connection, shop.id, app_id=shop.app_id, said_at=clock() - timedelta(hours=1))
        connection.execute(text("UPDATE shops SET state = :before"), {"before": before})
        seen = shops.by_id(connection, shop.id)
        shops.pause(connection, shop.id, app_id=shop.app_id, said_at=clock())
        assert not shops.found_working(connection, seen, now=clock())
        assert shops.by_id(connection, shop.id).state == "paused"


def test_each_minute_has_its_part_of_the_shops_and_those_that_wait_for_a_permission(installation, clock):
    known = [register(installation, name=f"shop{number}") for number in range(1, 122)]
    with installation.db.begin() as connection:
        shops.uninstall(connection, known[60].id, app_id=known[60].app_id, now=clock())
        connection.execute(
            text("INSERT INTO shop_problems (shop_id, key, message, since) VALUES (7, :key, 'x', now())"),
            {"key": USERS},
        )
    clock.move(seconds=(1 - clock().minute) * 60)
    ask_around(installation)
    with installation.db.begin() as connection:
        asked = connection.execute(text("SELECT (args->>'shop_id')::int FROM procrastinate_jobs")).scalars()
        assert sorted(asked) == [1, 7, 121]


def test_a_shop_that_does_not_know_problems_is_told_nothing_more_and_works_on(world):
    fields = world.shop.schema.type_map["Mutation"].fields
    unknown = fields.pop("appProblemCreate")
    try:
        world.shop.change_webhook(PAID, is_active=False)
        look(world)
    finally:
        fields["appProblemCreate"] = unknown
    assert world.count("SELECT count(*) FROM shops WHERE failures = 0 AND hold_until IS NULL") == 1


def test_nobody_waits_longer_for_a_permission_because_others_were_told(there, clock):
    """A guest and a customer in one request: the guest is told, the customer as soon as the permission is back."""
    ada = there.confirmed("ada@example.com")
    there.settle()
    there.shop.deliveries.hold()
    there.shop.place_order(ada, total="25.00")
    guest = there.shop.place_order(email="guest@example.com", total="25.00")
    there.shop.grant("MANAGE_ORDERS")
    there.shop.deliveries.release()
    wait_until(
        lambda: (there.standing(guest) and USERS in there.shop.problems()) or clock.move(seconds=1),
        what="the guest is told, and the merchant",
    )
    assert there.count("SELECT count(*) FROM publications WHERE retry_at IS NOT NULL") == 0
    there.shop.grant("MANAGE_ORDERS", "MANAGE_USERS")
    wait_until(lambda: there.tier(ada) == "one-time" or clock.move(seconds=5), what="the customer is told")
