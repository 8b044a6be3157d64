"""A clock that is set back: nothing that was noted by the wrong one stands in the future."""

import pytest

from plugin.set_back import SetBack

MOMENTS = [
    "SELECT begun_at FROM timetable",
    "SELECT ended_at FROM timetable",
    "SELECT seen_at FROM processes",
    "SELECT uninstalled_at FROM shops",
    "SELECT listening_since FROM shops",
]
FILL = "INSERT INTO timetable (name, begun_at, ended_at) VALUES ('date', %(now)s, %(now)s)"
PROCESS = """
    INSERT INTO processes (kind, host, pid, version, started_at, seen_at)
    VALUES ('web', 'host', 1, '1', %(now)s, %(now)s)
"""
SHOP = """
    INSERT INTO shops (api_url, domain, app_id, saleor_version, state, installed_at, listening_since, uninstalled_at)
    VALUES ('http://shop/graphql/', 'shop', '1', '3.23', 'uninstalled', %(now)s, %(now)s, %(now)s)
"""


@pytest.fixture
def rows(installation):
    def rows(statement: str, **values) -> list:
        with installation.db.begin() as connection:
            result = connection.exec_driver_sql(statement, values)
            return list(result.scalars()) if result.returns_rows else []

    return rows


@pytest.mark.parametrize("looked_before", [True, False], ids=["while it runs", "while nothing ran"])
def test_what_a_clock_that_was_ahead_noted_is_taken_for_now(installation, clock, rows, looked_before):
    anew: list[bool] = []
    set_back = SetBack(installation, anew=lambda: anew.append(True))
    clock.move(hours=24)
    if looked_before:
        set_back.look()
    for statement in (FILL, PROCESS, SHOP):
        rows(statement, now=clock())
    clock.move(hours=-24)
    set_back.look()
    assert [query for query in MOMENTS if rows(query)[0] > clock()] == []
    assert anew == [True] * looked_before
