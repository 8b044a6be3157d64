"""`herkend keys rotate`: what it says, what it changes, and the exit code that scripts rely on."""

import pytest
from click.testing import CliRunner

from plugin import keyfile
from plugin.cli import main
from plugin.cli.opened import opened
from plugin.secret import Secret, Vault, new_key
from plugin.shops import store
from tests.told import register


@pytest.fixture
def herkend(installation, folder, monkeypatch):
    """Run a command on the tests' own database; `keys` as in HERKEND_KEYS, empty: those of the file."""
    monkeypatch.setenv("HERKEND_DATA", str(folder / "db"))
    path = folder / "db" / keyfile.NAME

    def run(*arguments: str, keys: str = ""):
        monkeypatch.setenv("HERKEND_KEYS", keys)
        return CliRunner().invoke(main, arguments)

    yield run
    path.unlink(missing_ok=True)


def token(installation) -> bytes:
    with installation.db.begin() as connection:
        return store.named(connection, "1").token


def test_with_keys_of_the_environment_it_says_when_the_old_one_may_go(herkend, installation, settings):
    register(installation)
    new, old = new_key(), settings.keys[0]
    both = f"{new.reveal()},{old.reveal()}"
    first, again = (herkend("keys", "rotate", keys=both) for _ in range(2))
    assert (first.exit_code, first.output.splitlines()[0]) == (
        0,
        "1 encrypted anew, 0 already under the newest key.",
    )
    assert (again.exit_code, again.output.splitlines()[0]) == (
        0,
        "0 encrypted anew, 1 already under the newest key.",
    )
    assert Vault([new]).unlock(token(installation)) == Secret("token")
    assert "may go from HERKEND_KEYS" in first.output


def test_with_one_key_alone_it_says_what_to_do_first(herkend, installation, settings):
    result = herkend("keys", "rotate", keys=settings.keys[0].reveal())
    assert (result.exit_code, "put a new one in front" in result.output) == (0, True)


def test_with_a_key_file_it_makes_the_new_key_itself(herkend, installation, settings, folder):
    register(installation)
    path = folder / "db" / keyfile.NAME
    path.write_text(settings.keys[0].reveal())
    result = herkend("keys", "rotate")
    newest, previous = keyfile.read(path)
    assert (result.exit_code, str(path) in result.output, previous) == (0, True, settings.keys[0])
    assert Vault([newest]).unlock(token(installation)) == Secret("token")
    assert [key.reveal() in result.output for key in (newest, previous)] == [False, False]


def test_a_shop_without_its_key_is_named_with_the_way_back_and_the_exit_code_is_1(herkend, installation):
    register(installation)
    result = herkend("keys", "rotate", keys=new_key().reveal())
    assert result.exit_code == 1
    assert result.stderr.startswith("http://shop.example/graphql/: None of the keys in HERKEND_KEYS opens")
    assert "install the app again in the shop" in result.stderr


@pytest.mark.parametrize("quiet", [False, True])
def test_what_runs_for_long_says_once_at_its_start_whose_key_is_lost(herkend, installation, capsys, quiet):
    register(installation)
    herkend("keys", "rotate", keys=new_key().reveal())  # the environment has another key from here on
    capsys.readouterr()
    with opened(quiet=quiet):
        said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "the key of a shop is lost" in line]
    assert len(lines) == (0 if quiet else 1)
    assert all("http://shop.example/graphql/" in line and "install the app again" in line for line in lines)
