"""Migrations: they make just the tables that the code believes in, once, whoever else is migrating."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from plugin import migrate
from plugin.db import Database, metadata
from plugin.errors import Permanent
from plugin.migrations import versions
from plugin.secret import Secret


@pytest.fixture
def empty(database_url: Secret) -> Iterator[Database]:
    """A database of its own, with nothing in it."""
    admin = psycopg.connect(database_url.reveal(), autocommit=True)
    admin.execute("CREATE DATABASE migrating")
    parts = urlsplit(database_url.reveal())
    db = Database(Secret(parts._replace(path="/migrating").geturl()))
    yield db
    db.close()
    admin.execute("DROP DATABASE migrating WITH (FORCE)")
    admin.close()


def test_the_tables_are_those_the_code_believes_in(empty):
    migrate.upgrade(empty)
    with empty.begin() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _but_the_queues_own})
        assert compare_metadata(context, metadata) == []


def _but_the_queues_own(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not (name or "").startswith("procrastinate_")


def test_several_processes_that_migrate_at_once_do_it_once(empty):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate.upgrade(empty), range(4)))
    migrate.check(empty)


def test_what_stands_in_the_tables_outlives_migrating_again(empty):
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO shops (api_url, domain, app_id, saleor_version, state, installed_at, listening_since)"
                " VALUES ('http://shop.example/graphql/', 'shop.example', 'app', '3.23.28', 'active', now(), now())"
            )
        )
    migrate.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM shops")).scalar_one() == 1


def test_the_version_before_goes_on_beside_a_database_that_only_grew(empty):
    migrate.upgrade(empty)
    ahead(empty, fit=True)
    migrate.check(empty)


def ahead(db: Database, *, fit: bool) -> None:
    """Make the database one that a later version left; `fit`: one that only added to it."""
    with db.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-tomorrow'"))
        if not fit:
            connection.execute(text("DELETE FROM fit_versions"))


def test_the_version_before_leaves_a_database_that_only_grew_as_it_is(empty):
    migrate.upgrade(empty)
    ahead(empty, fit=True)
    migrate.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [
            ("from-tomorrow",)
        ]


def test_the_version_before_does_not_migrate_a_database_that_it_does_not_fit(empty):
    migrate.upgrade(empty)
    ahead(empty, fit=False)
    with pytest.raises(Permanent, match="newer version"):
        migrate.upgrade(empty)


WEB = """
    INSERT INTO processes (kind, host, pid, version, started_at, seen_at)
    VALUES ('web', 'shop-1', 42, '0.1.0', now(), now() - CAST(:ago AS interval))
"""


@pytest.fixture
def needs_stop(monkeypatch):
    """A version of tomorrow, whose migration needs a stop."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "0999.py").write_text(
            "revision = '0999'\ndown_revision = '0002'\nNEEDS_STOP = True\ndef upgrade(): pass\n"
        )
        config = migrate._config  # noqa: SLF001 - where migrations stand is no setting

        def two_places():
            made = config()
            made.set_main_option("version_locations", f"{Path(versions.__file__).parent}:{folder}")
            return made

        monkeypatch.setattr(migrate, "_config", two_places)
        yield


def test_what_needs_a_stop_waits_until_all_have_stopped(empty, request):
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text(WEB), {"ago": "20 seconds"})
    request.getfixturevalue("needs_stop")
    with pytest.raises(Permanent, match=r"needs a stop, and these still run: web on shop-1 \(process 42\)"):
        migrate.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("0002",)]


def test_after_a_stop_no_version_from_before_fits(empty, request):
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text(WEB), {"ago": "40 seconds"})
    request.getfixturevalue("needs_stop")
    migrate.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT version FROM fit_versions")).all() == [("0999",)]


FIRST_ROWS = """
    INSERT INTO shops (api_url, domain, app_id, saleor_version, state, installed_at, listening_since)
    VALUES ('http://shop.example/graphql/', 'shop.example', 'app', '3.23.28', 'active', now(), now());
    INSERT INTO deliveries (shop_id, event, body_sha256, received_at, state)
    SELECT 1, 'order_paid', convert_to(n::text, 'UTF8'), now(), CASE WHEN n < 4 THEN 'done' ELSE 'dead' END
    FROM generate_series(1, 5) AS n;
    INSERT INTO shop_settings VALUES (1, 1, 1, '{"time_zone": "Europe/Brussels"}', now(), 'ann');
    INSERT INTO persons (shop_id, key, read_at, review_due) VALUES (1, 'user:a', now(), now());
"""


def test_a_database_of_the_first_version_is_brought_up_with_all_that_stands_in_it(empty):
    migrate.upgrade(empty, to="0001")
    with empty.begin() as connection:
        connection.execute(text(FIRST_ROWS))
    migrate.upgrade(empty)
    with empty.begin() as connection:
        totals = connection.execute(text("SELECT state, count FROM delivery_totals ORDER BY 1")).all()
        settings = connection.execute(text('SELECT "values", changed_by FROM shop_settings')).all()
        persons = connection.execute(text("SELECT key, review_due IS NULL FROM persons")).all()
        fit = connection.execute(text("SELECT version FROM fit_versions ORDER BY 1")).scalars().all()
    assert (totals, settings, persons, fit) == (
        [("dead", 2), ("done", 3)],
        [({"time_zone": "Europe/Brussels"}, "ann")],
        [("user:a", False)],
        ["0001", "0002"],
    )


@pytest.mark.parametrize(("there", "words"), [(None, "herkend migrate"), ("from-tomorrow", "newer version")])
def test_a_database_of_another_version_is_refused_with_what_to_do(empty, there, words):
    if there:
        migrate.upgrade(empty)
        ahead(empty, fit=False)
    with pytest.raises(Permanent, match=words):
        migrate.check(empty)
