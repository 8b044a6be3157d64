"""Secrets show nothing by accident, and rest encrypted."""

import pickle

import pytest

from plugin.errors import Permanent
from plugin.problem import written
from plugin.secret import Secret, Vault, new_key


@pytest.mark.parametrize("form", ["{}", "{!s}", "{!r}", "{!a}"])
def test_a_secret_does_not_show_itself(form):
    assert "hunter2" not in form.format(Secret("hunter2"))
    assert "hunter2" not in form.format([Secret("hunter2")])


def test_secrets_with_the_same_text_are_equal_and_others_are_not():
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


def test_a_secret_survives_the_way_to_another_process():
    assert pickle.loads(pickle.dumps(Secret("a"))).reveal() == "a"  # noqa: S301 - our own bytes


def test_what_rests_is_not_what_was_locked_and_never_twice_the_same():
    vault = Vault([new_key()])
    first, second = vault.lock(Secret("token")), vault.lock(Secret("token"))
    assert (b"token" in first, first == second, vault.unlock(first)) == (False, False, Secret("token"))


def test_an_older_key_still_opens_and_the_newest_locks():
    old, new = new_key(), new_key()
    locked = Vault([old]).lock(Secret("token"))
    assert Vault([new, old]).unlock(locked) == Secret("token")
    with pytest.raises(Permanent, match="HERKEND_KEYS"):
        Vault([old]).unlock(Vault([new, old]).lock(Secret("token")))


def test_an_exception_written_down_is_itself_alone_and_fit_for_a_database():
    error = RuntimeError("name\x00")
    error.__cause__ = ValueError("ada@example.com")
    assert written(error) == "RuntimeError: name\n"


def test_what_postgresql_quotes_of_a_row_is_left_out_and_the_statement_stays():
    error = RuntimeError(
        "refused\nDETAIL:  Failing row contains (ada@example.com).\n[SQL: INSERT INTO orders]"
    )
    assert written(error).endswith("refused\n[SQL: INSERT INTO orders]\n")
