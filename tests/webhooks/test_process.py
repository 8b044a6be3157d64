"""The inbox is drained: facts are kept, what cannot be understood is laid aside, and nothing else waits for it."""

import pytest
from sqlalchemy import text

from plugin.customers import store as customers
from plugin.inbox import store as inbox
from plugin.shops import store as shops
from tests.told import account, event, keep, later, order, register
from webhooks.process import process_batch


@pytest.fixture
def shop(installation):
    return register(installation)


def rows(installation, query: str) -> list:
    with installation.db.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def counts(installation, shop) -> dict:
    with installation.db.begin() as connection:
        return dict(inbox.counts(connection, shop.id))


def dead(installation) -> list[inbox.Delivery]:
    with installation.db.begin() as connection:
        return inbox.listed(connection, state="dead", shop_id=None, limit=10)


def test_an_order_becomes_known_and_its_person_is_to_be_read_from_the_shop_first(installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    persons = rows(
        installation, "SELECT key, read_due IS NOT NULL, review_due IS NOT NULL, read_at FROM persons"
    )
    assert persons == [("guest:ada@example.com", True, True, None)]
    assert rows(installation, "SELECT id, gross FROM orders") == [("order-1", 10)]
    assert counts(installation, shop) == {"new": 0, "done": 1, "dead": 0}


def test_the_newest_state_of_an_order_wins_whatever_the_order_of_arrival(installation, shop):
    new = order(updatedAt=later(hours=1).isoformat(), status="CANCELED")
    keep(installation, shop, "order_cancelled", event("OrderCancelled", order=new))
    process_batch(installation)
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    assert rows(installation, "SELECT status FROM orders") == [("CANCELED",)]


def test_a_later_word_about_the_same_state_wins_because_expiring_moves_no_updated_at(installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    expired = event("OrderExpired", issued=later(hours=1), order=order(status="EXPIRED"))
    keep(installation, shop, "order_expired", expired)
    process_batch(installation)
    assert rows(installation, "SELECT status FROM orders") == [("EXPIRED",)]


@pytest.mark.parametrize(
    "body",
    [
        b"not json at all",
        b"[]",
        b'{"__typename": "OrderCreated"}',
        b"[" * 100_000,
        b'{"order": {"id": "\\u0000"}}',
    ],
)
def test_what_cannot_be_understood_is_laid_aside_with_its_traceback_and_stops_no_other(
    installation, shop, body
):
    keep(installation, shop, "order_created", body)
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    assert counts(installation, shop) == {"new": 0, "done": 1, "dead": 1}
    assert "Traceback" in dead(installation)[0].problem


def test_what_the_database_does_not_take_is_laid_aside_and_the_rest_goes_through(
    installation, shop, monkeypatch
):
    """A parser that lets a NUL through: PostgreSQL refuses the whole statement, so each is tried by itself."""
    from dataclasses import replace

    from webhooks import process

    understand = process.understand

    def careless(delivery):
        facts = understand(delivery)
        return replace(
            facts, orders=tuple(replace(one, number=one.number.replace("!", "\x00")) for one in facts.orders)
        )

    monkeypatch.setattr(process, "understand", careless)
    for number, id_ in enumerate(["a", "b!", "c"]):
        keep(
            installation,
            shop,
            "order_created",
            event("OrderCreated", order=order(f"order-{number}", number=id_)),
        )
    process_batch(installation)
    assert counts(installation, shop) == {"new": 0, "done": 2, "dead": 1}
    assert rows(installation, "SELECT number FROM orders ORDER BY number") == [("a",), ("c",)]


def test_a_dead_letter_that_is_replayed_after_a_repair_is_taken_in(installation, shop, monkeypatch):
    from webhooks import process

    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    with monkeypatch.context() as broken:
        broken.setattr(process, "understand", lambda _: 1 / 0)
        process_batch(installation)
    with installation.db.begin() as connection:
        assert inbox.replay(connection, [dead(installation)[0].id])
    process_batch(installation)
    assert counts(installation, shop) == {"new": 0, "done": 1, "dead": 0}
    assert rows(installation, "SELECT id FROM orders") == [("order-1",)]


def test_replaying_everything_changes_nothing(installation, shop):
    for name, typename, status in (
        ("order_created", "OrderCreated", "UNFULFILLED"),
        ("order_fulfilled", "OrderFulfilled", "FULFILLED"),
    ):
        at = later(hours=status == "FULFILLED")
        keep(installation, shop, name, event(typename, order=order(updatedAt=at.isoformat(), status=status)))
    process_batch(installation)
    before = rows(installation, "SELECT * FROM orders")
    with installation.db.begin() as connection:
        inbox.replay(connection, [1, 2])
    process_batch(installation)
    assert rows(installation, "SELECT * FROM orders") == before


def test_a_busy_shop_does_not_keep_a_quiet_one_waiting(installation, shop):
    quiet = register(installation, name="quiet")
    for number in range(260):
        keep(installation, shop, "order_created", event("OrderCreated", order=order(f"order-{number}")))
    keep(installation, quiet, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    assert counts(installation, quiet)["done"] == 1


def test_two_shops_with_the_same_ids_do_not_meet(installation, shop):
    other = register(installation, name="other")
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    keep(installation, other, "order_created", event("OrderCreated", order=order(status="CANCELED")))
    process_batch(installation)
    found = rows(installation, "SELECT shop_id, status FROM orders ORDER BY shop_id")
    assert found == [(shop.id, "UNFULFILLED"), (other.id, "CANCELED")]


def test_deleting_the_app_ends_the_token_and_a_word_about_a_former_installation_does_not(installation, shop):
    former = event("AppDeleted", app={"id": "former", "isActive": False})
    keep(installation, shop, "app_deleted", former)
    process_batch(installation)
    assert rows(installation, "SELECT state FROM shops") == [("active",)]
    keep(installation, shop, "app_deleted", event("AppDeleted", app={"id": shop.app_id, "isActive": False}))
    process_batch(installation)
    assert rows(installation, "SELECT state, token FROM shops") == [("uninstalled", None)]


def test_switching_the_app_off_pauses_and_switching_it_on_resumes(installation, shop):
    assert [
        switch(installation, shop, active=False, hour=1),
        switch(installation, shop, active=True, hour=2),
    ] == [
        "paused",
        "active",
    ]


def test_an_older_word_about_being_switched_changes_nothing_however_late_it_comes(installation, shop):
    assert [
        switch(installation, shop, active=True, hour=2),
        switch(installation, shop, active=False, hour=1),
    ] == [
        "active",
        "active",
    ]


def switch(installation, shop, *, active: bool, hour: int) -> str:
    changed = event("AppStatusChanged", issued=later(hours=hour), app={"id": shop.app_id, "isActive": active})
    keep(installation, shop, "app_status_changed", changed)
    process_batch(installation)
    return rows(installation, "SELECT state FROM shops")[0][0]


def test_an_order_that_moves_to_an_account_concerns_both_persons(installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    with installation.db.begin() as connection:
        person = customers.by_keys(connection, shop.id, ["guest:ada@example.com"])[0]
        moment = installation.clock()
        customers.was_read(connection, person, started=moment, emails=["ada@example.com"], now=moment)
        customers.reviewed(connection, [person.id])
    linked = order(updatedAt=later(hours=1).isoformat(), user={"id": "user-1", "email": "ada@example.com"})
    keep(installation, shop, "order_updated", event("OrderUpdated", order=linked))
    process_batch(installation)
    due = rows(installation, "SELECT key FROM persons WHERE review_due IS NOT NULL ORDER BY key")
    assert due == [("guest:ada@example.com",), ("user:user-1",)]


def test_a_changed_account_has_its_orders_read_again_once_for_a_burst(installation, shop, clock):
    keep(installation, shop, "customer_created", event("CustomerCreated", user=account()))
    process_batch(installation)
    with installation.db.begin() as connection:
        person = customers.by_keys(connection, shop.id, ["user:user-1"])[0]
        moment = installation.clock()
        customers.was_read(connection, person, started=moment, emails=[], now=moment)
    for minute in range(3):
        changed = account(updatedAt=later(minutes=minute + 1).isoformat())
        keep(
            installation,
            shop,
            "customer_updated",
            event("CustomerUpdated", issued=later(minutes=minute), user=changed),
        )
        process_batch(installation)
    with installation.db.begin() as connection:
        at_once = customers.to_read(connection, shop.id, now=installation.clock(), limit=9)
        clock.move(seconds=3)
        soon = customers.to_read(connection, shop.id, now=installation.clock(), limit=9)
    assert (len(at_once), len(soon)) == (0, 1)


def test_an_unknown_event_is_laid_aside(installation, shop):
    keep(installation, shop, "gift_card_sent", event("GiftCardSent"))
    process_batch(installation)
    assert "No such event is known" in dead(installation)[0].problem


def test_a_shop_that_left_a_month_ago_is_forgotten_but_for_its_settings(installation, shop, clock):
    from plugin.worker import erase_left_shops

    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    with installation.db.begin() as connection:
        shops.uninstall(connection, shop.id, app_id=shop.app_id, now=installation.clock())
    clock.move(days=29)
    erase_left_shops(installation)
    assert rows(installation, "SELECT count(*) FROM orders") == [(1,)]
    clock.move(days=2)
    erase_left_shops(installation)
    left = rows(
        installation,
        "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM deliveries), count(*) FROM persons",
    )
    assert left == [(0, 0, 0)]
    assert rows(installation, "SELECT count(*) FROM shop_settings") == [(1,)]


def test_bodies_are_let_go_of_in_time_and_their_repetition_is_still_known(installation, shop, clock):
    from plugin.worker import forget_bodies

    kept = {}
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    keep(installation, shop, "order_created", b"nonsense")
    process_batch(installation)
    for days, passed in ((29, 29), (31, 2), (91, 60)):
        clock.move(days=passed)
        forget_bodies(installation)
        kept[days] = rows(installation, "SELECT state FROM deliveries WHERE body IS NOT NULL ORDER BY state")
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    assert kept == {29: [("dead",), ("done",)], 31: [("dead",)], 91: []}
    assert process_batch(installation) == 0


def test_a_shop_that_refused_our_token_is_called_again_once_it_sends_something(installation, shop):
    with installation.db.begin() as connection:
        shops.set_unreachable(connection, shop.id, app_id=shop.app_id)
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    assert rows(installation, "SELECT state FROM shops") == [("active",)]


def test_a_dead_letter_holds_no_personal_data(installation, shop, monkeypatch):
    """PostgreSQL quotes the row it refuses; that quotation is not kept."""
    from dataclasses import replace

    from webhooks import process

    understand = process.understand

    def careless(delivery):
        facts = understand(delivery)
        return replace(facts, orders=tuple(replace(one, number=None) for one in facts.orders))

    monkeypatch.setattr(process, "understand", careless)
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    problem = dead(installation)[0].problem
    assert ("NotNullViolation" in problem, "ada@example.com" in problem) == (True, False)


def test_an_error_nobody_thought_of_is_about_one_delivery_alone(installation, shop, monkeypatch):
    from webhooks import process

    take_in = process.take_in

    def careless(connection, shop_id, facts, **rest):
        if any(one.number == "bad" for fact in facts for one in fact.orders):
            raise ZeroDivisionError
        take_in(connection, shop_id, facts, **rest)

    monkeypatch.setattr(process, "take_in", careless)
    for number in ("good", "bad", "fine"):
        keep(installation, shop, "order_created", event("OrderCreated", order=order(number, number=number)))
    process_batch(installation)
    assert counts(installation, shop) == {"new": 0, "done": 2, "dead": 1}


def test_many_dead_letters_are_replayed_in_one_go(installation, shop):
    with installation.db.begin() as connection:
        many = """
            INSERT INTO deliveries (shop_id, event, body_sha256, body, received_at, state, processed_at)
            SELECT :id, 'order_created', int4send(n), '{}', now(), 'dead', now() FROM generate_series(1, 70000) n
        """
        connection.execute(text(many), {"id": shop.id})
        ids = [one.id for one in inbox.listed(connection, state="dead", shop_id=None, limit=100_000)]
        assert len(inbox.replay(connection, ids)) == 70_000


def test_who_was_read_before_the_shop_fell_silent_is_read_again_when_it_speaks(installation, shop, clock):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    with installation.db.begin() as connection:
        person = customers.by_keys(connection, shop.id, ["guest:ada@example.com"])[0]
        now = installation.clock()
        customers.was_read(connection, person, started=now, emails=["ada@example.com"], now=now)
    clock.move(days=3)
    switch(installation, shop, active=False, hour=1)
    switch(installation, shop, active=True, hour=2)
    keep(installation, shop, "order_created", event("OrderCreated", order=order("order-2")))
    process_batch(installation)
    assert rows(installation, "SELECT read_due IS NOT NULL FROM persons") == [(True,)]


def test_a_reading_that_another_worker_finished_first_is_not_asked_for_again(installation, shop):
    keep(installation, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(installation)
    with installation.db.begin() as connection:
        now = installation.clock()
        person = customers.by_keys(connection, shop.id, ["guest:ada@example.com"])[0]
        for _ in range(2):
            customers.was_read(connection, person, started=now, emails=["ada@example.com"], now=now)
    assert rows(installation, "SELECT read_due FROM persons") == [(None,)]
