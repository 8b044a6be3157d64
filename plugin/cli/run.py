"""`herkend run`."""

import errno
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import IO

import click
import structlog

from plugin import log, migrate, postgres, settings
from plugin.db import Database
from plugin.errors import Permanent, Transient
from plugin.secret import Secret
from plugin.settings import Settings
from plugin.supervisor import TICK, Parts, stop_signals

COMMANDS: Mapping[str, Sequence[str]] = {"web": ("plugin", "serve"), "worker": ("plugin", "worker")}
PORT_PATIENCE = 5.0  # seconds: an installation that was just killed may be about to let go of its port
DATABASE_PATIENCE = 10.0  # seconds: where everything is started at once, the database comes up beside us
Say = Callable[[str], None]


@click.command()
def run() -> None:
    """Run Herkend: the web part, a worker, and an embedded PostgreSQL unless DATABASE_URL names another.

    What dies is started again. Ctrl-C or SIGTERM stops everything.
    """
    read = settings.read()
    log.configure(read)
    say = saying(read)
    with stop_signals() as stopping, installation(read, say=say) as (_, parts):
        for name, command in COMMANDS.items():
            say(f"Starting: {name}.")
            parts.add_command(name, command)
        parts.tend(stopping, until=lambda: listens(read.host, read.port))
        if not stopping.is_set():
            say(f"Herkend runs on {read.url} (Ctrl-C stops it).")
        parts.tend(stopping)
        say("Stopping.")


def saying(read: Settings, *, err: bool = False) -> Say:
    """Return how a command tells of its progress: in words, on stderr if `err`; as log lines where these are JSON."""
    if read.log_format == "json":
        return structlog.get_logger(__name__).info  # type: ignore[no-any-return] # structlog's loggers are lazy
    return partial(click.echo, err=err)


@contextmanager
def installation(
    read: Settings, *, say: Say, output: IO[bytes] | None = None
) -> Iterator[tuple[Secret, Parts]]:
    """Yield the address of the migrated database and the parts to be kept running on it; stop those at the end.

    Nothing is started before the port is known to be free.
    """
    wait_for_port(read.host, read.port, say=say)
    say(f"Database: {'that of DATABASE_URL' if read.database_url else f'embedded, in {read.data}'}.")
    with postgres.database(read) as url, Parts(output=output) as parts:
        if read.database_url is None:
            parts.add_database(read.data)
        migrate_once_it_answers(read, url, say=say)
        say("Database: up to date.")
        yield url, parts


def migrate_once_it_answers(read: Settings, url: Secret, *, say: Say) -> None:
    """Bring the database up to date; one that does not answer (it may be starting itself) is given a while."""
    deadline = time.monotonic() + DATABASE_PATIENCE
    waiting = False
    while True:
        try:
            with closing(Database(url, pool_size=1)) as db:
                migrate.upgrade(db)
        except Transient:
            if time.monotonic() > deadline:
                raise
        else:
            return
        if not waiting:
            say(f"The database does not answer; giving it {DATABASE_PATIENCE:.0f} seconds.")
            waiting = True
        time.sleep(TICK)
        if read.database_url is None:
            postgres.ensure(read.data)


def wait_for_port(host: str, port: int, *, say: Say) -> None:
    """Return when the port can be listened on; raise Permanent when it stays taken or never can."""
    deadline = time.monotonic() + PORT_PATIENCE
    waiting = False
    while (problem := port_problem(host, port)) is not None:
        if problem.errno != errno.EADDRINUSE:
            raise Permanent(
                f"HERKEND_HOST and HERKEND_PORT: {host}:{port} is not to be had ({problem.strerror})."
            )
        if time.monotonic() > deadline:
            raise Permanent(
                f"Port {port} on {host} is taken: stop what runs there, or set HERKEND_PORT to another."
            )
        if not waiting:
            say(f"Port {port} is taken; giving it {PORT_PATIENCE:.0f} seconds to come free.")
            waiting = True
        time.sleep(TICK)


def port_problem(host: str, port: int) -> OSError | None:
    """Try to take the port for a moment; return what was in the way, None when it is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(address)
    except OSError as error:
        return error
    return None


def address_of(host: str, port: int) -> str:
    """Return the number of an address that `wait_for_port` found free: the web server knows no names."""
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])


def listens(host: str, port: int) -> bool:
    """Tell whether somebody answers there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
