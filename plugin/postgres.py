"""The embedded PostgreSQL: started by the first process that needs it, stopped by the last one that leaves.

Three lock files in the data folder say who is there; the kernel frees a lock when its holder dies, however:

* `start.lock`: one process at a time starts or stops the server.
* `users.lock`: shared by everybody who uses the server; whoever can have it alone is the last one.
* `server.lock`: inherited by the server's own processes, so it is free only when the last of them is gone. A
  `postmaster.pid` found then is stale for certain, whatever process has that number today.
"""

import errno
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from psycopg.pq import PGconn, Ping

from plugin.cluster import (
    check,
    child,
    complaint,
    full,
    make_database,
    os_errors_in_words,
    private_folder,
    programs,
)
from plugin.errors import Permanent
from plugin.secret import Secret
from plugin.settings import Settings

PATIENCE = 30.0  # seconds for a killed server's last processes to end, for a start, for a stop
ORPHANS_SECONDS = 5.0  # for what a killed server leaves to notice and end by itself
RECOVERY = 600.0  # seconds for what a crash left undone
STEP = 0.02
SERVER = (
    "listen_addresses=", "port=5432", "unix_socket_permissions=0700",
    "max_connections=200", "shared_buffers=64MB", "io_method=sync", "jit=off",
    "fsync=on", "synchronous_commit=on", "full_page_writes=on",  # what was accepted outlives a power cut
    "log_error_verbosity=terse", "log_min_error_statement=panic",  # rows and statements hold personal data
    "log_checkpoints=off",
)  # fmt: skip


@contextmanager
def database(settings: Settings) -> Iterator[Secret]:
    """Yield the address of the installation's database: the operator's own, else the embedded one."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with running(settings.data) as url:
        yield url


@contextmanager
def running(data: Path, *, alone: bool = False) -> Iterator[Secret]:
    """Yield the libpq address of the embedded database in this folder; it runs at least as long as the block.

    `alone`: with nobody else, who would have to wait until the block ends. Raises Permanent, in one sentence, where
    the folder or the machine does not let it run, or somebody else uses it who must not.
    """
    data = data.absolute()
    with _opened(data, "users.lock") as users:
        if not alone:
            fcntl.flock(users, fcntl.LOCK_SH)
        elif not _take(users):
            raise Permanent(f"Herkend runs on the database in {data}: stop it first.")
        try:
            ensure(data)
            yield Secret(_url(data))
        finally:
            with _starting_or_stopping(data):
                if _take(users):
                    _stop(data)


def found(settings: Settings) -> Secret | None:
    """Return the address of the installation's database as it is, None when the embedded one does not run.

    For who only looks: nothing is made, started or kept from stopping. Raises Permanent as `running` does.
    """
    if settings.database_url is not None:
        return settings.database_url
    data = settings.data.absolute()
    check(data)
    return Secret(_url(data)) if alive(data) else None


def alive(data: Path) -> bool:
    """Tell whether any process of the server is left; costs next to nothing, and makes nothing."""
    with os_errors_in_words(data):
        if not (data.absolute() / "server.lock").exists():
            return False
    with _opened(data.absolute(), "server.lock") as lock:
        return not _take(lock)


def headless(data: Path) -> bool:
    """Tell whether the server's first process is gone while others of it are left; `ensure` then clears them away."""
    try:
        os.kill(_first_process(data), 0)
    except ProcessLookupError:
        return alive(data)
    except (OSError, ValueError, IndexError):  # no such file, none of ours, or an empty one, on a full disk
        return False
    return False


def _first_process(data: Path) -> int:
    return int((data.absolute() / "postgres/postmaster.pid").read_text().split()[0])


def ensure(data: Path, *, given_up: Callable[[], bool] = lambda: False) -> None:
    """Start the server unless it answers: for whoever is inside `running` when somebody kills it.

    Raises Permanent as `running` does. `given_up`: return soon, whether it answers or not.
    """
    data = data.absolute()
    check(data)
    with _starting_or_stopping(data):
        while not _answers(data, given_up=given_up):
            pass


def _answers(data: Path, *, given_up: Callable[[], bool]) -> bool:
    """Start the server unless it answers, and wait for that or `given_up`; False when somebody killed it meanwhile.

    Its lock is then to be opened anew: the one it was handed stays ours while processes of it are left. One that
    says it is not ready yet is at work, on what a crash left undone, and is given more time.
    """
    started: subprocess.Popen[bytes] | None = None
    begun = time.monotonic()
    with _opened(data, "server.lock") as lock:
        while (answer := _ping(data)) is not Ping.OK and not given_up():
            if started is not None and (code := started.poll()) is not None:
                if code == -signal.SIGKILL:
                    return False
                with os_errors_in_words(data):
                    raise _did_not_start(data)
            if started is None and answer is Ping.NO_RESPONSE and _take(lock):
                started = _start(data, lock=lock)
            if started is None and answer is Ping.NO_RESPONSE and time.monotonic() > begun + ORPHANS_SECONDS:
                _end_orphans(data)
            if time.monotonic() > begun + (PATIENCE if answer is Ping.NO_RESPONSE else RECOVERY):
                raise Permanent(f"The database in {data} neither answers nor ends; its log is {_log(data)}.")
            time.sleep(STEP)
    return True


def _end_orphans(data: Path) -> None:
    """Kill what is left of a server whose first process is gone, where the system tells us (Linux).

    Processes that wait for a lock of one that was killed before never notice that they are alone: for ever, or until
    somebody kills them, they would keep a new server from starting. They can finish nothing any more.
    """
    holders = _holders(data / "server.lock")
    if all(_process_name(pid).startswith("postgres: ") for pid in holders):
        for pid in holders:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _holders(lock: Path) -> list[int]:
    """List the processes of PostgreSQL that have this file open."""
    own = lock.stat()
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.path.samestat(link.stat(), own) and "postgres" in _process_name(pid := int(link.parts[2])):
                found.add(pid)
    return sorted(found)


def _process_name(pid: int) -> str:
    """Return what it calls itself: "postgres: ..." but for the first process of a server."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").partition("\0")[0]
    return ""


def _stop(data: Path) -> None:
    """Stop the server and wait for its last process; after a long wait leave it to end by itself.

    The number in `postmaster.pid` is a server's only as long as that server answers.
    """
    until = time.monotonic() + PATIENCE
    with _opened(data, "server.lock") as lock:
        while not _take(lock) and time.monotonic() < until:
            if _ping(data) is not Ping.NO_RESPONSE:
                with suppress(FileNotFoundError, ProcessLookupError):
                    os.kill(_first_process(data), signal.SIGINT)
            time.sleep(STEP)


def _start(data: Path, *, lock: IO[str]) -> subprocess.Popen[bytes]:
    with os_errors_in_words(data):
        bin_folder = programs(data)
        if not (data / "postgres").exists():
            make_database(data, bin_folder, lock=lock)
        (data / "postgres/postmaster.pid").unlink(missing_ok=True)
        private_folder(data / "socket")
        folder = str(data / "socket").replace('"', '""')
        command: list[str | Path] = [bin_folder / "postgres", "-D", data / "postgres"]
        for setting in (*SERVER, f'unix_socket_directories="{folder}"'):
            command += ["-c", setting]
        with _new_log(data) as log:
            server: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  the package's own program, no shell
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **child(lock)
            )
    threading.Thread(target=server.wait, daemon=True).start()  # a zombie would pass for a running server
    return server


@contextmanager
def _opened(data: Path, name: str) -> Iterator[IO[str]]:
    with os_errors_in_words(data):
        data.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(_open(data / name), "w")
    with file:
        yield file


def _open(lock: Path) -> int:
    """Open for writing, as some file systems want it of who locks; one on a read-only disk is locked all the same."""
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS or not lock.exists():
            raise
        return os.open(lock, os.O_RDONLY)


@contextmanager
def _starting_or_stopping(data: Path) -> Iterator[None]:
    with _opened(data, "start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _take(lock: IO[str]) -> bool:
    """Take the lock for ourselves alone, if nobody else has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _url(data: Path) -> str:
    return f"postgresql://herkend@/herkend?host={quote(str(data / 'socket'), safe='')}&port=5432"


def _ping(data: Path) -> Ping:
    return Ping(PGconn.ping(f"{_url(data)}&connect_timeout=2".encode()))


def _log(data: Path) -> Path:
    return data / "postgres.log"


def _new_log(data: Path) -> IO[bytes]:
    """Open a log that its owner alone can read; the one before stays beside it."""
    with suppress(FileNotFoundError):
        _log(data).replace(data / "postgres.log.1")
    return os.fdopen(os.open(_log(data), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")


def _did_not_start(data: Path) -> Exception:
    """Say why: on a full disk it may not even have been able to."""
    lines = _log(data).read_text(errors="replace").splitlines()
    if full(data) or any("No space left on device" in line for line in lines):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    said = complaint("\n".join(line for line in lines if "FATAL:  the database system is" not in line))
    return Permanent(f"The database in {data} did not start: {said}")
