"""Reviews: facts in, standings and what the shop is to be told out; one person out of accounts and guests."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import text

from plugin.customers import store as customers
from plugin.customers.facts import Facts
from plugin.customers.take_in import take_in
from plugin.review import review_batch
from plugin.saleor import shapes
from plugin.shops import store as shops
from plugin.tiers import store as tiers
from plugin.tiers.shown import shown
from tests.told import MOMENT, account, later, order, register

ADA = {"id": "user-1", "email": "ada@example.com"}


@pytest.fixture
def shop(installation):
    return register(installation)


@pytest.fixture
def tell(installation, shop):
    """Take facts in, count everybody's history as read, and review whoever is due."""

    def tell(*, orders=(), accounts=(), in_shop=shop, seen=MOMENT):
        facts = Facts(
            orders=tuple(shapes.order(one, seen_at=seen) for one in orders),
            accounts=tuple(
                shapes.account(one, seen_at=seen, deleted=one.get("deleted", False)) for one in accounts
            ),
        )
        with installation.db.begin() as connection:
            policy = shops.policy(connection, in_shop.id)
            take_in(connection, in_shop.id, [facts], policy=policy, now=installation.clock())
            connection.execute(text("UPDATE persons SET read_at = now(), read_due = NULL"))
        review_batch(installation)

    return tell


def tier(installation, shop, **who) -> str | None:
    with installation.db.begin() as connection:
        found = shown(connection, shop.id, **{"user_id": None, "email": None, **who})
    return found.tier if found else None


def told(installation) -> dict:
    with installation.db.begin() as connection:
        rows = connection.execute(text("SELECT target_id, wanted_public, wanted_private FROM publications"))
        return {row[0]: (row[1], json.loads(row[2])["tier"] if row[2] else None) for row in rows}


def bought(*days: int, **changes) -> list[dict]:
    return [order(f"order-{day}", at=later(days=-day), **changes) for day in days]


def test_nothing_is_decided_before_the_history_is_known(installation, shop):
    with installation.db.begin() as connection:
        policy = shops.policy(connection, shop.id)
        facts = Facts(orders=(shapes.order(order(), seen_at=MOMENT),))
        take_in(connection, shop.id, [facts], policy=policy, now=installation.clock())
    assert review_batch(installation) == 0
    assert tier(installation, shop, email="ada@example.com") is None


def test_a_guest_stands_on_the_newest_order_and_an_account_on_the_user(installation, tell):
    tell(orders=bought(1, 30))
    tell(
        orders=bought(2, user={"id": "user-2", "email": "bob@example.com"}, userEmail="bob@example.com"),
        accounts=[account("user-2", email="bob@example.com")],
    )
    assert told(installation) == {"order-1": (None, "returning"), "user-2": ("one-time", "one-time")}


def test_guest_orders_join_a_confirmed_account(installation, shop, tell):
    tell(orders=bought(10, 20), accounts=[account(isConfirmed=True)])
    assert tier(installation, shop, user_id="user-1") == "returning"


def test_guest_orders_do_not_join_an_unconfirmed_account(installation, shop, tell):
    tell(orders=bought(10, 20), accounts=[account(isConfirmed=False)])
    assert tier(installation, shop, user_id="user-1") == "prospect"
    assert told(installation) == {"order-10": (None, "returning"), "user-1": (None, None)}


def test_guest_orders_join_once_the_account_is_confirmed_and_leave_when_it_no_longer_is(
    installation, shop, tell
):
    tell(orders=bought(10, 20), accounts=[account(isConfirmed=False)])
    tell(accounts=[account(isConfirmed=True, updatedAt=later(hours=1).isoformat())])
    joined = tier(installation, shop, user_id="user-1")
    tell(accounts=[account(isConfirmed=False, updatedAt=later(hours=2).isoformat())])
    assert (joined, tier(installation, shop, user_id="user-1")) == ("returning", "prospect")


def test_an_unconfirmed_account_gets_no_public_tier_for_orders_that_saleor_linked_to_it(installation, tell):
    tell(orders=bought(10, user=ADA), accounts=[account(isConfirmed=False)])
    assert told(installation) == {"user-1": (None, "one-time")}


def test_where_the_merchant_says_so_accounts_count_as_confirmed(installation, shop, tell):
    with installation.db.begin() as connection:
        now = installation.clock()
        shops.change_settings(connection, shop.id, {"accounts_confirmed": True}, by="test", now=now)
    tell(orders=bought(10, 20), accounts=[account(isConfirmed=False)])
    assert told(installation) == {"user-1": ("returning", "returning")}


def test_a_deleted_account_leaves_its_orders_to_the_guest_and_is_told_nothing(installation, shop, tell):
    tell(orders=bought(10, 20, user=ADA), accounts=[account()])
    gone = {"id": "user-1", "email": "ada@example.com", "deleted": True}
    tell(accounts=[gone], seen=later(days=1))
    assert tier(installation, shop, user_id="user-1") == "prospect"
    assert tier(installation, shop, email="ada@example.com") == "returning"
    assert told(installation) == {"user-1": (None, None), "order-10": (None, "returning")}


def test_a_fully_refunded_only_order_takes_the_tier_back(installation, tell):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    refunded = {"totalRefunded": {"amount": 10.0}, "totalCharged": {"amount": 0.0}}
    tell(orders=[order("order-10", at=later(days=-10), user=ADA, updatedAt=MOMENT.isoformat(), **refunded)])
    assert told(installation) == {"user-1": (None, None)}


def test_a_partial_refund_moves_nothing_that_the_shop_would_be_told(installation, tell):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    with installation.db.begin() as connection:
        before = connection.execute(text("SELECT wanted_private, wanted_at FROM publications")).all()
    partly = {"totalRefunded": {"amount": 4.0}, "totalCharged": {"amount": 6.0}}
    tell(orders=[order("order-10", at=later(days=-10), user=ADA, updatedAt=MOMENT.isoformat(), **partly)])
    with installation.db.begin() as connection:
        assert connection.execute(text("SELECT wanted_private, wanted_at FROM publications")).all() == before


def test_another_shop_is_never_touched(installation, shop, tell):
    other = register(installation, name="other")
    tell(orders=bought(1, 2, 3, 4, user=ADA), accounts=[account()])
    tell(orders=bought(1, user=ADA), accounts=[account()], in_shop=other)
    assert [tier(installation, one, user_id="user-1") for one in (shop, other)] == ["regular", "one-time"]


def test_reviewing_many_takes_as_many_queries_as_reviewing_one(installation, shop, tell):
    def queries(people: int) -> int:
        seen = []
        with installation.db.begin() as connection:
            for number in range(people):
                snapshot = shapes.order(
                    order(f"o-{people}-{number}", userEmail=f"{people}-{number}@example.com"), seen_at=MOMENT
                )
                take_in(
                    connection,
                    shop.id,
                    [Facts(orders=(snapshot,))],
                    policy=shops.policy(connection, shop.id),
                    now=installation.clock(),
                )
            connection.execute(text("UPDATE persons SET read_at = now(), read_due = NULL"))
        listen = lambda *args: seen.append(args[2])  # noqa: E731
        sql_event.listen(installation.db.engine, "before_cursor_execute", listen)
        assert review_batch(installation) == people
        sql_event.remove(installation.db.engine, "before_cursor_execute", listen)
        return len(seen)

    assert queries(1) == queries(3)


def test_two_workers_never_review_the_same_person_at_once(installation, shop, tell):
    tell(orders=bought(10))
    with installation.db.begin() as connection:
        connection.execute(text("UPDATE persons SET review_due = 'epoch'"))
        claimed = customers.to_review(
            connection, now=installation.clock() + timedelta(seconds=1), per_shop=9, most=9
        )
        with installation.db.begin() as other:
            assert (
                customers.to_review(
                    other, now=installation.clock() + timedelta(seconds=1), per_shop=9, most=9
                )
                == []
            )
    assert len(claimed) == 1


def test_what_was_told_is_not_due_again_until_it_changes(installation, shop, tell, clock):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    with installation.db.begin() as connection:
        now = installation.clock()
        due = tiers.due(connection, shop.id, now=now, limit=9)
        tiers.told(connection, due[0], now=now)
    clock.move(minutes=1)
    tell(orders=bought(10, user=ADA))
    with installation.db.begin() as connection:
        assert tiers.due(connection, shop.id, now=installation.clock(), limit=9) == []


def test_a_target_that_was_just_told_rests_so_that_a_burst_is_told_once(installation, shop, tell, clock):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    with installation.db.begin() as connection:
        now = installation.clock()
        tiers.told(connection, tiers.due(connection, shop.id, now=now, limit=9)[0], now=now)
    tell(orders=bought(11, user=ADA))
    with installation.db.begin() as connection:
        at_once = tiers.due(connection, shop.id, now=installation.clock(), limit=9)
        clock.move(seconds=2)
        soon = tiers.due(connection, shop.id, now=installation.clock(), limit=9)
    assert (len(at_once), len(soon)) == (0, 1)


def test_a_person_who_cannot_be_decided_holds_up_nobody_and_is_tried_again(
    installation, shop, tell, clock, monkeypatch
):
    from plugin import review

    decide = review.standing
    monkeypatch.setattr(
        review,
        "standing",
        lambda facts, **rest: decide(facts, **rest) if facts.orders_counted == 1 else 1 / 0,
    )
    tell(
        orders=[
            *bought(1),
            order("o-2", userEmail="bob@example.com"),
            order("o-3", userEmail="bob@example.com"),
        ]
    )
    first = [tier(installation, shop, email=email) for email in ("ada@example.com", "bob@example.com")]
    monkeypatch.setattr(review, "standing", decide)
    clock.move(hours=2)
    review_batch(installation)
    assert (first, tier(installation, shop, email="bob@example.com")) == (["one-time", None], "one-time")


def test_a_guest_is_met_when_an_account_lets_go_of_its_orders(installation, shop, tell):
    """A confirmed account takes another address: what it bought as a guest of the old one is the guest's again."""
    tell(orders=bought(10, 20), accounts=[account()])
    tell(accounts=[account(email="other@example.com", updatedAt=later(hours=1).isoformat())])
    assert tier(installation, shop, email="ada@example.com") == "returning"


def test_a_deleted_account_does_not_come_back_by_a_late_word(installation, shop, tell):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    tell(accounts=[{"id": "user-1", "email": "ada@example.com", "deleted": True}], seen=later(days=1))
    tell(accounts=[account(updatedAt=later(days=2).isoformat())], seen=later(days=2))
    assert tier(installation, shop, user_id="user-1") == "prospect"


def test_older_guest_orders_are_not_told_once_there_is_a_newer_one(installation, shop, tell):
    for day in (30, 20, 10):
        tell(orders=bought(day))
    with installation.db.begin() as connection:
        due = tiers.due(connection, shop.id, now=installation.clock(), limit=9)
    assert [one.target_id for one in due] == ["order-10"]


def test_releasing_a_shop_writes_nobody_anew(installation, shop, tell, clock):
    tell(orders=bought(10, user=ADA), accounts=[account()])
    with installation.db.begin() as connection:
        now = installation.clock()
        tiers.told(connection, tiers.due(connection, shop.id, now=now, limit=9)[0], now=now)
        shops.release(connection, shop.id, by="test", now=now)
    clock.move(minutes=1)
    tell(accounts=[account(firstName="Augusta", updatedAt=later(hours=1).isoformat())])
    with installation.db.begin() as connection:
        assert tiers.due(connection, shop.id, now=installation.clock(), limit=9) == []


def test_a_tier_ends_when_its_time_is_over_though_nothing_happens(installation, shop, tell, clock):
    from plugin.worker import grow_older

    tell(orders=bought(10, 20, user=ADA), accounts=[account()])
    seen = [tier(installation, shop, user_id="user-1")]
    for months in (34, 3):
        clock.move(days=30.5 * months)
        grow_older(installation)
        review_batch(installation)
        seen.append(tier(installation, shop, user_id="user-1"))
    assert seen == ["returning", "returning", "one-time"]


def test_a_shop_that_cannot_be_reviewed_holds_up_no_other(installation, shop, tell):
    other = register(installation, name="other")
    with installation.db.begin() as connection:
        broken = """UPDATE shop_settings SET "values" = '{"time_zone": "Nowhere"}' WHERE shop_id = :id"""
        tell(orders=bought(1), in_shop=other)
        connection.execute(text(broken), {"id": shop.id})
        connection.execute(
            text(
                "INSERT INTO persons (shop_id, key, read_at, review_due) VALUES (:id, 'user:1', now(), 'epoch')"
            ),
            {"id": shop.id},
        )
        connection.execute(text("UPDATE persons SET review_due = 'epoch'"))
    review_batch(installation)
    assert tier(installation, other, email="ada@example.com") == "one-time"
    with installation.db.begin() as connection:
        waiting = connection.execute(
            text("SELECT shop_id, review_due > now() FROM persons WHERE review_due IS NOT NULL")
        )
        assert [row[0] for row in waiting] == [shop.id]


def test_a_till_account_with_thousands_of_orders_is_taken_in(installation, shop, tell):
    tell(orders=[order(f"order-{number}", user=ADA) for number in range(4000)], accounts=[account()])
    assert tier(installation, shop, user_id="user-1") == "one-time"


def test_a_busy_shop_does_not_keep_a_quiet_one_from_being_reviewed(installation, shop, tell):
    quiet = register(installation, name="quiet")
    insert = "INSERT INTO persons (shop_id, key, read_at, review_due) SELECT :id, 'user:' || n, now(), 'epoch' FROM "
    with installation.db.begin() as connection:
        connection.execute(text(insert + "generate_series(1, 300) n"), {"id": shop.id})
        connection.execute(text(insert + "generate_series(1, 1) n"), {"id": quiet.id})
    review_batch(installation)
    assert tier(installation, quiet, user_id="1") == "prospect"
