"""The database's own trouble makes no dead letters: what could not be taken in comes again."""

import pytest
from sqlalchemy import event as engine_events

from plugin.errors import Transient
from tests.told import event, keep, later, order, register
from webhooks.process import process_batch


@pytest.fixture
def hurried(installation):
    """An installation that waits for a locked row only for a moment, as a deadlock ends one of two waits."""

    def hurry(connection, _record):
        connection.execute("SET lock_timeout = '50ms'")
        connection.commit()

    engine_events.listen(installation.db.engine, "connect", hurry)
    return installation


def test_a_row_that_another_holds_makes_no_dead_letter(hurried):
    shop = register(hurried)
    keep(hurried, shop, "order_created", event("OrderCreated", order=order()))
    process_batch(hurried)
    keep(
        hurried,
        shop,
        "order_updated",
        event("OrderUpdated", order=order(updatedAt=later(hours=1).isoformat())),
    )
    with hurried.db.begin() as other:
        other.exec_driver_sql("SELECT * FROM orders FOR UPDATE")
        with pytest.raises(Transient):
            process_batch(hurried)
    process_batch(hurried)
    with hurried.db.begin() as connection:
        states = connection.exec_driver_sql("SELECT state FROM deliveries").scalars().all()
    assert states == ["done", "done"]
