"""What most commands begin with: a database that comes up beside them is waited for, by those that stay."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from plugin.cli import opened
from plugin.errors import Transient
from plugin.secret import Secret, new_key


@pytest.fixture
def later(database_url: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A socket's folder that is not there yet, and where it really is."""
    [host] = parse_qs(urlsplit(database_url.reveal()).query)["host"]
    monkeypatch.setenv("DATABASE_URL", f"postgresql://herkend@/herkend?host={tmp_path}/later")
    monkeypatch.setenv("HERKEND_KEYS", new_key().reveal())
    return tmp_path / "later", host


def test_a_database_that_comes_up_beside_us_is_waited_for(
    later: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, host = later
    comes = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: there.symlink_to(host))
    monkeypatch.setattr(opened, "time", comes)
    with opened.opened(quiet=False) as installation, installation.db.begin():
        pass


@pytest.mark.parametrize("quiet", [True, False])
def test_one_that_stays_away_is_said_with_why(
    later: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, *, quiet: bool
) -> None:
    monkeypatch.setattr(opened, "PATIENCE_SECONDS", 0.1)
    with (
        pytest.raises(Transient, match=r"cannot be reached\. Nobody listens there"),
        opened.opened(quiet=quiet),
    ):
        pass
