"""What tests stand on: a real PostgreSQL, migrated once and emptied before each test, and an installation on it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from plugin import migrate
from plugin.db import Database
from plugin.installation import Installation, install
from plugin.postgres import running
from plugin.secret import Secret, new_key
from plugin.settings import Settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have `make soak` fuzz in one process, and do what depends on time in another beside it."""
    for item in items:
        if item.get_closest_marker("soak"):
            group = "fuzz" if "fuzz" in item.path.parts else "faults"
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have counted, by `record_property`."""
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) == "call":
            for name, value in report.user_properties:
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")


def _noon() -> datetime:
    return datetime.now(tz=UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@dataclass
class Clock:
    """A clock that a test can move; it starts at noon, so that no day ends under a test, and runs with the real one."""

    ahead: timedelta = field(default_factory=lambda: _noon() - datetime.now(tz=UTC))

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) + self.ahead

    def move(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for the test run that an unprivileged PostgreSQL may enter, whoever runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp" if os.name == "posix" else None))  # noqa: S108
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def database_url(folder: Path) -> Iterator[Secret]:
    with running(folder / "db") as url:
        db = Database(url)
        migrate.upgrade(db)
        db.close()
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings(
        url="http://herkend.example",
        api_url="http://herkend.example",
        host="127.0.0.1",
        port=8000,
        data=folder,
        database_url=None,
        keys=(new_key(),),
        allow_networks=(ip_network("127.0.0.0/8"),),
        allowed_shops=None,
        frame_ancestors="https:",
        operator_name="",
        operator_email="",
        log_level="info",
        log_format="text",
        web_threads=8,
        web_processes=1,
        trusted_proxies=0,
        metrics_token=None,
    )


@pytest.fixture
def installation(database_url: Secret, settings: Settings, clock: Clock) -> Iterator[Installation]:
    installation = install(settings, database_url=database_url, clock=clock)
    empty(installation.db)
    yield installation
    installation.db.close()


@pytest.fixture
def client(installation: Installation):
    from plugin.app import create_app

    return create_app(installation).test_client()


def empty(db: Database) -> None:
    """Take every row out of every table, but the schema's own version."""
    with db.begin() as connection:
        tables = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
        connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))
