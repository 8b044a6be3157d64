"""Retention: bodies go when their time is over, some at a time, the oldest first."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from plugin import worker
from plugin.worker import forget_bodies
from tests.told import keep, register
from webhooks.process import process_batch

LEFT = "SELECT count(*) FROM deliveries WHERE body IS NOT NULL"


@pytest.fixture
def old_bodies(installation, clock, monkeypatch):
    """Five dead letters whose time is over and one whose time is not; two are let go of at once."""
    monkeypatch.setattr(worker, "FORGOTTEN_AT_ONCE", 2)
    shop = register(installation)
    for number in range(6):
        keep(installation, shop, "order_created", str(number).encode())
        process_batch(installation)
        clock.move(hours=1)
    clock.move(days=89, hours=22, minutes=30)


def count(installation, query: str = LEFT) -> int:
    with installation.db.begin() as connection:
        return connection.execute(text(query)).scalar_one()


def test_all_whose_time_is_over_go_and_no_other(installation, old_bodies):
    forget_bodies(installation)
    with installation.db.begin() as connection:
        left = connection.execute(text("SELECT body FROM deliveries WHERE body IS NOT NULL")).scalars().all()
    assert left == [b"5"]


def test_what_stays_is_hash_kind_and_times(installation, old_bodies):
    with installation.db.begin() as connection:
        connection.execute(text("UPDATE deliveries SET traceparent = 'from the shop'"))
    forget_bodies(installation)
    kept = (
        "SELECT count(*) FROM deliveries WHERE body IS NULL AND traceparent IS NULL AND problem IS NULL "
        "AND body_sha256 IS NOT NULL AND event = 'order_created' AND processed_at >= received_at"
    )
    whole = "SELECT count(*) FROM deliveries WHERE body IS NOT NULL AND traceparent IS NOT NULL AND problem IS NOT NULL"
    assert (count(installation, kept), count(installation, whole)) == (5, 1)


def test_told_to_stop_it_leaves_the_rest(installation, old_bodies):
    class StopsSoon:
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 2

    forget_bodies(replace(installation, stopping=StopsSoon()))
    assert count(installation) == 4


def test_finding_them_does_not_read_what_was_forgotten_before(installation, old_bodies):
    forget_bodies(installation)
    plan = """
        EXPLAIN SELECT id FROM deliveries
        WHERE state = 'dead' AND processed_at < now() AND body IS NOT NULL ORDER BY processed_at LIMIT 2
    """
    with installation.db.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        assert "ix_deliveries_bodies" in "".join(connection.execute(text(plan)).scalars())
