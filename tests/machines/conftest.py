"""Two web and three worker processes on one PostgreSQL that is not theirs, behind a balancer."""

import itertools
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import plugin
import sandbox.server
from plugin import postgres
from plugin.db import Database
from plugin.secret import Secret, new_key
from plugin.shops import store
from sandbox.shop import Shop
from tests.kill.conftest import wait_until

WEBS, WORKERS, SHOPS = 2, 3, 2
STOPPED_WITHIN = 60.0  # seconds; how quickly each of them has to stop, a test says where it matters
PATIENCE = 120.0
LOG_SHOWN = 4_000  # characters of each process, when a test fails


class Part:
    """One process of the installation, with a log of its own."""

    def __init__(self, name: str, *, folder: Path, environment: dict[str, str], port: int | None) -> None:
        self.name = name
        self.port = port
        self.log = folder / name
        self._command = "worker" if port is None else "serve"
        self._environment = environment | ({} if port is None else {"HERKEND_PORT": str(port)})
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  our own command, no shell
                [sys.executable, "-m", "plugin", self._command], env=self._environment, stdout=log, stderr=log
            )

    def tell_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(STOPPED_WITHIN)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def said(self, words: str) -> int:
        """Count the lines of its log with these words."""
        return sum(words in line for line in self.log.read_text(errors="replace").splitlines())


class Machines:
    """An installation of several processes; `rows` asks its database."""

    def __init__(self, folder: Path, *, database_url: str, balancer: "Balancer") -> None:
        self.url = f"http://127.0.0.1:{balancer.server_address[1]}"
        self.database_url = database_url
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HERKEND_", "DATABASE_"))
        }
        self.environment = others | {
            "DATABASE_URL": database_url,
            "HERKEND_KEYS": new_key().reveal(),
            "HERKEND_URL": self.url,
            "HERKEND_ALLOW_NETWORKS": "127.0.0.0/8",
            "PYTHONPATH": str(Path(plugin.__file__).parents[1]),
        }
        self.command("migrate")
        self.webs = [self._part(folder, f"web {port}", port=port) for port in balancer.ports]
        self.workers = [self._part(folder, f"worker {number}", port=None) for number in range(WORKERS)]

    def _part(self, folder: Path, name: str, *, port: int | None) -> Part:
        return Part(name, folder=folder, environment=self.environment, port=port)

    @property
    def parts(self) -> Sequence[Part]:
        return (*self.webs, *self.workers)

    def command(self, *words: str) -> None:
        subprocess.run(  # noqa: S603  our own command, no shell
            [sys.executable, "-m", "plugin", *words], env=self.environment, check=True, timeout=60
        )

    def release(self, installed: Sequence[Shop]) -> None:
        """Let Herkend write into these shops."""
        with closing(Database(Secret(self.database_url))) as db, db.begin() as connection:
            for shop in installed:
                there = store.named(connection, shop.api_url)
                store.release(connection, there.id, by="test", now=datetime.now(tz=UTC))

    def rows(self, query: str) -> list[tuple]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()

    def all_run(self) -> None:
        """Start what does not run; wait until the web processes answer."""
        for part in self.parts:
            if part.process.poll() is not None:
                part.start()
        for web in self.webs:
            wait_until(web.listens, what=f"{web.name} answers", patience=PATIENCE)


class Balancer(socketserver.ThreadingTCPServer):
    """Hands each connection to the next web process, whether that runs or not: it looks after nobody's health."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.ports = ports
        self._turns = itertools.cycle(ports)

    def next(self) -> int:
        return next(self._turns)


class _Line(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        port = self.server.next()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as inside:
            back = threading.Thread(target=_pump, args=(inside, self.request))
            back.start()
            _pump(self.request, inside)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def balancing() -> Iterator[Balancer]:
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(WEBS)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    with Balancer(ports) as balancer:
        thread = threading.Thread(target=balancer.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield balancer
        balancer.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def _machines() -> Iterator[Machines]:
    # pytest's own folders are closed to the user nobody, as whom the server runs for root, and too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        url = stack.enter_context(postgres.running(folder / "db")).reveal()
        machines = Machines(folder, database_url=url, balancer=stack.enter_context(balancing()))
        for part in machines.parts:
            stack.callback(part.kill)
        yield machines


@pytest.fixture
def machines(_machines) -> Iterator[Machines]:
    """All processes running; what they said is shown when a test fails."""
    _machines.all_run()
    yield _machines
    for part in _machines.parts:
        sys.stdout.write(f"--- {part.name}\n{part.log.read_text(errors='replace')[-LOG_SHOWN:]}\n")


@pytest.fixture
def shops(machines) -> Iterator[list[Shop]]:
    """Shops that have the app installed and publishing released."""
    with ExitStack() as stack:
        shops = []
        for _ in range(SHOPS):
            shop = Shop(retry_scale=0.1, delivery_timeout=10)
            stack.callback(shop.close)
            stack.enter_context(sandbox.server.running(shop))
            shop.install(f"{machines.url}/api/manifest")
            shops.append(shop)
        machines.release(shops)
        yield shops
