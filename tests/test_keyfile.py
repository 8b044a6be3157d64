"""The keys of the embedded installation: made once, read in any form a person may give them, replaced whole."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugin import keyfile
from plugin.errors import Invalid
from plugin.secret import Secret, new_key


@pytest.fixture
def path(tmp_path):
    return tmp_path / keyfile.NAME


def test_of_many_first_writers_one_wins_and_all_read_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: keyfile.read_or_make(tmp_path), range(16)))
    assert (len(found), [it.name for it in tmp_path.iterdir()]) == (1, [keyfile.NAME])


@pytest.mark.parametrize("between", ["\n", ",", ", ", "\r\n", "\n\n"])
def test_several_keys_are_read_newest_first(path, between):
    keys = [new_key(), new_key()]
    path.write_text(between.join(key.reveal() for key in keys) + "\n")
    assert keyfile.read(path) == tuple(keys)


def test_what_is_written_is_read_again_and_its_owners_alone(path):
    keys = (new_key(), new_key(), new_key())
    path.write_text(new_key().reveal())
    path.chmod(0o644)
    keyfile.write(path, keys)
    assert (keyfile.read(path), stat.S_IMODE(path.stat().st_mode)) == (keys, 0o600)


@pytest.mark.parametrize("content", [b"", b"\n", b"secret", b"\xff\xfe", b"a,b"], ids=repr)
def test_a_file_without_keys_is_named_and_not_shown(path, content):
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        keyfile.read(path)
    assert (str(path) in str(caught.value), "secret" in str(caught.value)) == (True, False)


def test_a_file_that_is_gone_is_not_made_anew_by_whoever_reads_it_again(path):
    with pytest.raises(Invalid, match="No such file"):
        keyfile.read(path)
    assert not path.exists()


def test_where_nothing_can_be_written_the_keys_stay_as_they_are(path):
    before = Secret(new_key().reveal())
    path.write_text(before.reveal())
    path.with_name("below").mkdir()
    with pytest.raises(Invalid, match="cannot be written"):
        keyfile.write(path.with_name("below") / "gone" / "keys", [new_key()])
    assert keyfile.read(path) == (before,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_leaves_the_file_to_whom_it_belongs(path):
    path.write_text(new_key().reveal())
    os.chown(path, 65534, 65534)
    keyfile.write(path, [new_key()])
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
