"""The environment in, one frozen object out, or all that is wrong with it at once."""

import os
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from plugin import settings
from plugin.errors import Invalid
from plugin.secret import Secret, new_key

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("HERKEND_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HERKEND_DATA", str(tmp_path / "data"))


def problems(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as caught:
        settings.read()
    return [line.split(": ")[0] for line in str(caught.value).splitlines()]


def test_nothing_set_runs_on_loopback_with_its_own_database_and_key(tmp_path):
    read = settings.read()
    assert (read.url, read.api_url, read.database_url) == (
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8000",
        None,
    )
    assert read.keys == (Secret((tmp_path / "data" / "keys").read_text()),)
    assert (tmp_path / "data" / "keys").stat().st_mode & 0o777 == 0o600


def test_the_own_key_is_made_once():
    assert settings.read().keys == settings.read().keys


def test_an_empty_value_counts_as_none(monkeypatch):
    before = settings.read()
    for name in ("HERKEND_PORT", "HERKEND_URL", "HERKEND_ALLOW_NETWORKS", "HERKEND_KEYS", "DATABASE_URL"):
        monkeypatch.setenv(name, " ")
    assert settings.read() == before


def test_every_wrong_setting_is_named_at_once(monkeypatch):
    wrong = {
        "HERKEND_PORT": "99999",
        "HERKEND_URL": "ftp://shop.example",
        "HERKEND_API_URL": "http://[::1",
        "HERKEND_FRAME_ANCESTORS": "https:; script-src *",
        "HERKEND_ALLOW_NETWORKS": "10.0.0.0/8, 10.0.0.0/99",
        "HERKEND_ALLOWED_SHOPS": "(",
        "HERKEND_WEB_THREADS": "many",
        "HERKEND_OPERATOR_EMAIL": "nobody",
        "HERKEND_LOG_LEVEL": "loud",
        "HERKEND_LOG_FORMAT": "xml",
        "HERKEND_KEYS": "secret",
        "DATABASE_URL": "mysql://localhost/herkend",
    }
    assert sorted(problems(monkeypatch, **wrong)) == sorted(wrong)


def test_a_public_address_is_needed_where_others_can_reach_the_port(monkeypatch):
    assert problems(monkeypatch, HERKEND_HOST="0.0.0.0") == ["HERKEND_URL"]  # noqa: S104 - what is refused


def test_a_database_of_ones_own_needs_keys_of_ones_own(monkeypatch):
    assert problems(monkeypatch, DATABASE_URL="postgresql://localhost/herkend") == ["HERKEND_KEYS"]


def test_a_wrong_key_is_not_repeated_in_what_is_said(monkeypatch):
    monkeypatch.setenv("HERKEND_KEYS", "hunter2")
    with pytest.raises(Invalid) as caught:
        settings.read()
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch):
    key = new_key().reveal()
    monkeypatch.setenv("HERKEND_KEYS", key)
    monkeypatch.setenv("DATABASE_URL", "postgresql://herkend:hunter2@localhost/herkend")
    shown = repr(settings.read())
    assert (key in shown, "hunter2" in shown) == (False, False)


def test_lists_may_hold_spaces(monkeypatch):
    monkeypatch.setenv("HERKEND_ALLOW_NETWORKS", "10.0.0.0/8, fd00::/8 ,")
    assert settings.read().allow_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_addresses_lose_their_last_slash_and_the_api_may_have_its_own(monkeypatch):
    monkeypatch.setenv("HERKEND_URL", "https://shop.example/herkend/")
    monkeypatch.setenv("HERKEND_API_URL", "http://herkend:8000/")
    read = settings.read()
    assert (read.url, read.api_url) == ("https://shop.example/herkend", "http://herkend:8000")


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_every_name_of_loopback_makes_a_working_address(monkeypatch, host):
    monkeypatch.setenv("HERKEND_HOST", host)
    assert settings.read().url == {"::1": "http://[::1]:8000", "localhost": "http://localhost:8000"}[host]


def test_a_data_folder_that_cannot_be_used_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    assert problems(monkeypatch, HERKEND_DATA=str(tmp_path / "file" / "below")) == ["HERKEND_DATA"]


def test_the_readme_lists_every_setting_and_no_other():
    asked_for = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', Path(settings.__file__).read_text()))
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README.read_text(), flags=re.MULTILINE))
    assert listed == asked_for


def test_keys_of_the_file_can_be_told_from_those_of_the_environment(monkeypatch, tmp_path):
    own = settings.read().key_file
    monkeypatch.setenv("HERKEND_KEYS", f"{new_key().reveal()}, {new_key().reveal()}")
    read = settings.read()
    assert (own, read.key_file, len(read.keys)) == (tmp_path / "data" / "keys", None, 2)


def test_the_own_keys_may_be_several(tmp_path):
    (first,) = settings.read().keys
    newer = new_key()
    (tmp_path / "data" / "keys").write_text(f"{newer.reveal()}\n{first.reveal()}\n")
    assert settings.read().keys == (newer, first)


def test_an_own_key_file_that_holds_something_else_is_named_and_not_shown(monkeypatch, tmp_path):
    settings.read()
    (tmp_path / "data" / "keys").write_text("hunter2")
    with pytest.raises(Invalid) as caught:
        settings.read()
    assert (str(tmp_path) in str(caught.value), "hunter2" in str(caught.value)) == (True, False)


@pytest.mark.parametrize("content", [None, "", "nonsense"])
def test_a_file_of_authorities_that_cannot_be_used_is_named(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    assert problems(monkeypatch, HERKEND_CA_FILE=str(tmp_path / "ca.pem")) == ["HERKEND_CA_FILE"]
