"""`herkend run`: what dies is started again, what is stopped stops, and nothing is left behind."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

import pytest
import structlog.testing

from plugin import migrate, supervisor
from plugin.cli import demo, run
from plugin.db import Database
from plugin.errors import Permanent, Transient
from plugin.postgres import alive, running
from plugin.secret import Secret
from plugin.settings import Settings
from plugin.supervisor import Part, Parts, stop_signals

# It tells its process id, and what it is told to, by files; its own child shares its process group.
STAND_IN = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (folder / "stopped").touch() or sys.exit(0))
below = subprocess.Popen(["/bin/sleep", "600"])
(folder / "draft").write_text(f"{os.getpid()} {below.pid}")
(folder / "draft").rename(folder / "pids")
while True:
    time.sleep(0.05)
"""

SUPERVISOR = """
import sys, threading
from plugin.supervisor import Parts
with Parts() as parts:
    parts.add_command("stand-in", ("stand_in", *sys.argv[1:]))
    parts.tend(threading.Event())
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(place: Path) -> tuple[int, int]:
    """Wait for a stand-in to say who it is, and who its child is."""
    until((place / "pids").exists)
    own, below = (place / "pids").read_text().split()
    (place / "pids").unlink()
    return int(own), int(below)


def test_pauses_double_up_to_ten_seconds_and_begin_anew_after_thirty_steady_ones() -> None:
    now, starts, up = 0.0, [], [True]
    part = Part("part", up=lambda: up[0], start=lambda: starts.append(now), words="", now=0)
    for steady in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 30.0):
        up[0] = True
        now += steady
        part.tend(now=now)
        up[0] = False
        died, count = now, len(starts)
        while len(starts) == count:
            part.tend(now=now)
            now = round(now + 0.1, 1)
        starts[-1] = round(starts[-1] - died, 1)
    assert starts == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 0.2], abs=0.11)


def test_what_never_lives_is_said_once_with_where_its_last_words_stand() -> None:
    now, up = 0.0, [True]
    part = Part("worker", up=lambda: up[-1], start=up.pop, words="in the log", now=0)
    with structlog.testing.capture_logs() as lines:
        for lived in (1.0, 6.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
            now += lived
            up.append(False)
            part.tend(now=now)
            now += 10.0
            part.tend(now=now)
    said = [(line["part"], line["why"]) for line in lines if line["log_level"] == "error"]
    assert said == [("worker", "in the log")]
    assert [line["log_level"] for line in lines].index("error") == 6


def test_a_killed_command_is_started_again_and_leaves_nothing_behind(place: Path) -> None:
    with Parts() as parts:
        parts.add_command("stand-in", ("stand_in", str(place)))
        own, below = pids(place)
        os.kill(own, signal.SIGKILL)
        parts.tend(threading.Event(), until=(place / "pids").exists)
        until(lambda: not lives(below))
        assert pids(place)[0] != own


def test_leaving_stops_commands_gracefully_with_all_they_started(place: Path) -> None:
    with Parts() as parts:
        parts.add_command("stand-in", ("stand_in", str(place)))
        own, below = pids(place)
    assert (place / "stopped").exists()
    until(lambda: not lives(own) and not lives(below))


def test_a_command_that_does_not_stop_is_killed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.3)
    with Parts() as parts:
        parts.add_command("stand-in", ("stand_in", str(place), "stubborn"))
        own, below = pids(place)
    until(lambda: not lives(own) and not lives(below))
    assert not (place / "stopped").exists()


def test_commands_stop_when_their_supervisor_is_killed(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(place)]) as process:  # noqa: S603 - our own script
        own, below = pids(place)
        process.kill()
    until(lambda: not lives(own))
    assert (place / "stopped").exists()
    os.kill(below, signal.SIGKILL)


def test_a_signal_says_stop_and_a_second_one_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals() as stopping:
        signal.raise_signal(signal.SIGTERM)
        assert stopping.wait(30)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def too_long(*_: object) -> None:
    raise TimeoutError


def test_a_signal_that_comes_while_the_event_looks_at_itself_holds_up_nothing() -> None:
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(10)
    try:
        with stop_signals() as stopping:
            with stopping._cond:  # type: ignore[attr-defined] # noqa: SLF001 - as `wait` holds it for a moment
                signal.raise_signal(signal.SIGTERM)
            assert stopping.wait(5)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_while_the_database_is_waited_for_what_dies_is_started_again_and_stopping_goes_on(
    place: Path, data: Path
) -> None:
    stopping = threading.Event()
    with running(data), (data / "start.lock").open("w") as lock, Parts() as parts:
        os.killpg(int((data / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        until(lambda: not alive(data))
        fcntl.flock(lock, fcntl.LOCK_EX)  # somebody else is about to start or stop it
        parts.add_database(data)
        until_named("database", parts)
        parts.add_command("stand-in", ("stand_in", str(place)))
        own, _ = pids(place)
        os.kill(own, signal.SIGKILL)
        parts.tend(stopping, until=(place / "pids").exists)
        assert pids(place)[0] != own
        stopping.set()
        parts.tend(stopping)
        fcntl.flock(lock, fcntl.LOCK_UN)


def until_named(name: str, parts: Parts) -> None:
    """Tend until a thread of that name is at work."""
    parts.tend(threading.Event(), until=lambda: name in {it.name for it in threading.enumerate()})


def test_a_database_that_takes_its_time_is_waited_for_no_longer_when_it_is_time_to_stop(data: Path) -> None:
    with running(data), structlog.testing.capture_logs() as lines:
        server = supervisor.Server(data)
        postmaster = int((data / "postgres/postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # it answers nobody
        server.start()
        server.leave()
        os.kill(postmaster, signal.SIGCONT)
    assert lines == []


def test_a_taken_port_is_named_with_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PORT_PATIENCE", 0.2)
    with listening() as port, pytest.raises(Permanent) as caught:
        run.wait_for_port("127.0.0.1", port, say=lambda _: None)
    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 is taken: stop what runs there, or set HERKEND_PORT to another."
    )


def test_a_port_that_comes_free_in_time_is_taken() -> None:
    said: list[str] = []
    with listening() as port:
        said_so = threading.Event()
        waiting = threading.Thread(
            target=run.wait_for_port,
            args=("127.0.0.1", port),
            kwargs={"say": lambda text: (said.append(text), said_so.set())},
        )
        waiting.start()
        assert said_so.wait(10)
    waiting.join(10)
    assert said == [f"Port {port} is taken; giving it 5 seconds to come free."]


def test_an_address_of_another_machine_is_named_with_the_setting() -> None:
    with pytest.raises(Permanent) as caught:
        run.wait_for_port("192.0.2.1", 8000, say=lambda _: None)
    assert str(caught.value) == (
        "HERKEND_HOST and HERKEND_PORT: 192.0.2.1:8000 is not to be had (Cannot assign requested address)."
    )


def test_a_database_that_does_not_answer_is_given_a_while(
    settings: Settings, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DATABASE_PATIENCE", 0.3)
    said: list[str] = []
    nowhere = Secret(f"postgresql://herkend@/herkend?host={place}")
    with pytest.raises(Transient):
        run.migrate_once_it_answers(replace(settings, database_url=nowhere), nowhere, say=said.append)
    assert said == ["The database does not answer; giving it 0 seconds."]


def test_a_database_that_comes_up_in_time_is_migrated(
    settings: Settings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(data) as url:
        answers = iter([Transient("not yet"), None])

        def upgrade(_db: Database) -> None:
            if (problem := next(answers)) is not None:
                raise problem

        monkeypatch.setattr(migrate, "upgrade", upgrade)
        run.migrate_once_it_answers(replace(settings, data=data), url, say=lambda _: None)
    assert next(answers, "none left") == "none left"


# The real thing


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield door.getsockname()[1]


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


class Herkend:
    """A command of Herkend in a process; the block's end stops it if need be."""

    def __init__(self, data: Path, *arguments: str, **environment: str) -> None:
        with listening() as port:
            self.port = port
        self.data = data
        self.parts = (lambda: self.command("serve"), lambda: self.command("worker"), self.server)
        settings = {"HERKEND_DATA": str(data), "HERKEND_PORT": str(self.port), **environment}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HERKEND_", "DATABASE_"))
        }
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "plugin", *(arguments or ("run",))],
            cwd=data,
            env=kept | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def lines_until(self, part: str, *, of: IO[str] | None = None) -> list[str]:
        """Read what it says up to a line with that in it; a command that says nothing for long is killed."""
        stream = of or self.process.stdout
        assert stream is not None
        watch = threading.Timer(60, self.process.kill)
        watch.start()
        lines: list[str] = []
        while not lines or part not in lines[-1]:
            lines.append(stream.readline())
            assert lines[-1] != "", (lines, self.end())
        watch.cancel()
        return lines

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        return self.end()

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def command(self, name: str) -> int | None:
        """Return the process id of one of its commands, None while it has none."""
        for folder in Path("/proc").glob("[0-9]*"):
            state = _read(folder / "stat").rpartition(b")")[2].split()
            own = state and int(state[1]) == self.process.pid
            if own and name.encode() in _read(folder / "cmdline").split(
                b"\0"
            ):  # the database's path has "pgserver"
                return int(folder.name)
        return None

    def pids(self) -> list[int]:
        """Return the process ids of all that can be killed: the supervisor last."""
        found = [part() for part in self.parts]
        assert None not in found
        return [*(pid for pid in found if pid is not None), self.process.pid]

    def server(self) -> int | None:
        """Return the process id of the database server, None while there is none."""
        words = _read(self.data / "postgres" / "postmaster.pid").split()
        return int(words[0]) if words else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_it_says_each_step_and_stops_cleanly(data: Path) -> None:
    with Herkend(data) as herkend:
        assert herkend.lines_until("Herkend runs") == [
            f"Database: embedded, in {data}.\n",
            "Database: up to date.\n",
            "Starting: web.\n",
            "Starting: worker.\n",
            f"Herkend runs on http://127.0.0.1:{herkend.port} (Ctrl-C stops it).\n",
        ]
        there = herkend.pids()
        assert herkend.stop() == (0, "")
    assert [lives(pid) for pid in there] == [False, False, False, False]


def test_where_the_log_is_json_all_that_it_says_is_log_lines(data: Path) -> None:
    with Herkend(data, HERKEND_LOG_FORMAT="json") as herkend:
        lines = herkend.lines_until("Herkend runs", of=herkend.process.stderr)
        herkend.process.terminate()
        output, rest = herkend.process.communicate(timeout=60)
    said = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert (output, herkend.process.returncode) == ("", 0)
    assert [(line["event"], line["level"]) for line in said if line["logger"] == "plugin.cli.run"] == [
        (f"Database: embedded, in {data}.", "info"),
        ("Database: up to date.", "info"),
        ("Starting: web.", "info"),
        ("Starting: worker.", "info"),
        (f"Herkend runs on http://127.0.0.1:{herkend.port} (Ctrl-C stops it).", "info"),
        ("Stopping.", "info"),
    ]


def test_each_part_that_is_killed_runs_again(data: Path) -> None:
    with Herkend(data) as herkend:
        herkend.lines_until("Herkend runs")
        for part in herkend.parts:
            killed = part()
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            until(lambda part=part, killed=killed: part() not in {None, killed})
        until(lambda: run.listens("127.0.0.1", herkend.port))
        assert herkend.stop()[0] == 0
    assert not alive(data)


def test_after_the_supervisor_is_killed_everything_stops_and_a_new_one_runs(data: Path) -> None:
    with Herkend(data) as killed:
        killed.lines_until("Herkend runs")
        killed.process.kill()
        killed.end()
    with Herkend(data, HERKEND_PORT=str(killed.port)) as herkend:
        herkend.lines_until("Herkend runs")
        assert herkend.stop()[0] == 0
    until(lambda: not alive(data))


def test_after_everything_is_killed_a_new_one_runs(data: Path) -> None:
    with Herkend(data) as killed:
        killed.lines_until("Herkend runs")
        for pid in reversed(killed.pids()):
            os.kill(pid, signal.SIGKILL)
        killed.end()
    with Herkend(data, HERKEND_PORT=str(killed.port)) as herkend:
        herkend.lines_until("Herkend runs")
        assert herkend.stop()[0] == 0
    assert not alive(data)


def test_a_taken_port_ends_it_before_anything_is_started(data: Path) -> None:
    with listening() as port, Herkend(data, HERKEND_PORT=str(port)) as herkend:
        assert herkend.end() == (
            1,
            f"herkend: Port {port} on 127.0.0.1 is taken: stop what runs there, or set HERKEND_PORT to another.\n",
        )
    assert not (data / "postgres").exists()


def test_a_wrong_setting_ends_it_with_two(data: Path) -> None:
    with Herkend(data, HERKEND_PORT="many") as herkend:
        code, errors = herkend.end()
    assert (code, errors.partition(":")[0], "HERKEND_PORT" in errors) == (2, "herkend", True)


# The demo


def test_a_taken_port_gives_way_to_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PORT_PATIENCE", 0.2)
    said: list[str] = []
    with listening() as port:
        found = demo.free_port(port, say=said.append)
    assert found > port
    assert said == [f"Port {port} is taken: using {found}."]


def test_the_demo_prints_one_address_and_stops_cleanly(data: Path) -> None:
    with listening() as port:
        pass
    with Herkend(data, "demo", "--port", str(port)) as herkend:
        page = int(herkend.lines_until("http://")[-1].strip().strip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", page)) as browser:
            browser.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert browser.recv(12) == b"HTTP/1.1 200"
        herkend.process.send_signal(signal.SIGINT)
        rest, _ = herkend.process.communicate(timeout=60)
        assert (herkend.process.returncode, "http://" in rest) == (0, False)
    assert not run.listens("127.0.0.1", page)
