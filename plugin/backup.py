"""A backup: the whole database in one file, made by PostgreSQL's own pg_dump while everything runs."""

import os
import re
import subprocess
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from plugin.cluster import MAJOR, client_programs, complaint
from plugin.db import why_not_connected
from plugin.errors import Invalid, Permanent, Transient
from plugin.secret import Secret

MAGIC = b"PGDMP"  # how an archive in pg_dump's custom format begins
KEPT = re.compile(r"^COPY \S+\.alembic_version \(version_num\) FROM stdin;\n(\S+)\n", re.MULTILINE)
OURS = [re.compile(rf" TABLE \S+ {table} ") for table in ("deliveries", "procrastinate_jobs", "shops")]
ENCRYPTED = ("SSL support is not compiled in", "no encryption")


class NoRoom(Permanent):
    """The disk that is written to is full."""


def make(url: Secret, file: Path, *, overwrite: bool) -> int:
    """Write a backup to `file`, whole or not at all, for its owner alone; return its size in bytes.

    Of several at once each writes a draft of its own, and the last one to end has the name.

    Raises Invalid when the file is there and may not be overwritten, Permanent when the backup cannot be made.
    """
    if file.exists() and not overwrite:
        raise Invalid(f"{file} is there already; --force puts the new backup in its place.")
    draft: Path | None = None
    try:
        number, name = tempfile.mkstemp(dir=file.parent, prefix="herkend-backup-", suffix=".partial")
        draft = Path(name)
        with os.fdopen(number, "rb") as written:
            _dump(url, f"--file={draft}")
            os.fsync(written.fileno())
            size = os.fstat(written.fileno()).st_size
        draft.replace(file)
    except NoRoom as error:
        raise Permanent(f"No backup was made: the disk of {file.parent} is full.") from error
    except OSError as error:
        raise Permanent(f"No backup was made: {file} cannot be written ({error.strerror}).") from error
    finally:
        with suppress(OSError):
            if draft is not None:
                draft.unlink(missing_ok=True)
    return size


def write(url: Secret, out: IO[bytes]) -> None:
    """Write a backup of what stands in the database at this moment; raise Permanent when that cannot be done."""
    _dump(url, out=out)


def _dump(url: Secret, *options: str, out: IO[bytes] | None = None) -> None:
    _check_server(url)
    what = ("--format=custom", "--no-owner", "--no-privileges", "--exclude-extension=*")
    run("pg_dump", *what, *options, url=url, out=out)


def version(file: Path) -> str:
    """Return the version of the database in a backup; raise Invalid when it is no backup of Herkend's, or damaged."""
    try:
        with file.open("rb") as archive:
            magic = archive.read(len(MAGIC))
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from error
    try:
        listed = run("pg_restore", "--list", file) if magic == MAGIC else ""
        rows = run("pg_restore", "--data-only", "--table=alembic_version", "--file=-", file) if listed else ""
    except Permanent as error:
        raise Invalid(f"{file} is damaged or cut off, or made by a newer PostgreSQL. {error}") from error
    found = KEPT.search(rows)
    if found is None or not all(table.search(listed) for table in OURS):
        raise Invalid(f"{file} is no backup of a Herkend database.")
    return found[1]


def run(program: str, *arguments: str | Path, url: Secret | None = None, out: IO[bytes] | None = None) -> str:
    """Run a client program of PostgreSQL's; return what it says, where that does not go to `out`.

    Raises Permanent with its own complaint.
    """
    command: list[str | Path] = [client_programs() / program]
    environment = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    if url is not None:
        address = conninfo_to_dict(url.reveal())
        # Others on the machine see a command, and not its environment.
        environment |= {"PGPASSWORD": str(address.pop("password"))} if "password" in address else {}
        command.append(f"--dbname={make_conninfo('', **address)}")
    done = subprocess.run(  # noqa: S603  the package's own program, no shell
        [*command, *arguments], env=environment | {"LC_ALL": "C", "HOME": str(Path.home())}, stdin=subprocess.DEVNULL,
        stdout=out or subprocess.PIPE, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise _failed(program, done.stderr.decode(errors="replace"))
    return (done.stdout or b"").decode(errors="replace")


def _failed(program: str, output: str) -> Permanent:
    if any(words in output for words in ENCRYPTED):
        return Permanent(
            f"The server of DATABASE_URL wants an encrypted connection, which the {program} that comes with Herkend "
            f"does not speak: take the {program} of PostgreSQL itself, as docs/operator.md shows."
        )
    if "No space left on device" in output:
        return NoRoom("The disk is full.")
    return Permanent(
        f"{program} says: {complaint(output).removeprefix(f'{program}: ').removeprefix('error: ')}"
    )


def _check_server(url: Secret) -> None:
    """Refuse, by Permanent, what there is no sense in keeping, and a server that our pg_dump is too old for."""
    try:
        with closing(psycopg.connect(url.reveal(), connect_timeout=3)) as connection:
            there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            major = connection.info.server_version // 10000
    except psycopg.OperationalError as error:
        raise Transient(why_not_connected(error)) from error
    if major > int(MAJOR):
        raise Permanent(
            f"The server runs PostgreSQL {major}, and the pg_dump that comes with Herkend is of {MAJOR}: take the "
            f"pg_dump of PostgreSQL {major}, as docs/operator.md shows."
        )
    if there is None or there[0] is None:
        raise Permanent("There is nothing to keep: Herkend has never run on this database.")
