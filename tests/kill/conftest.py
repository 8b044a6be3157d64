"""A real `herkend run` that can be killed in every part, against a sandbox shop in the test's own process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import plugin
import sandbox.server
from plugin.lifeline import GRACE_SECONDS
from sandbox.shop import Shop

KINDS = ("web", "web child", "worker", "database", "backend", "supervisor")
LOG_SHOWN = 20_000  # characters, when a test fails
# Whose end may lose the answer to a write; what the supervisor leaves behind has that long to end as well.
KEEPERS = {"worker", "database", "backend", "supervisor"}
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def wait_until(reached: Callable[[], bool], *, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.05)


class Herkend:
    """An installation of its own; `ended` counts how often `herkend run` gave up by itself."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.create_server(("127.0.0.1", 0)) as door:
            self.port = door.getsockname()[1]
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HERKEND_", "DATABASE_"))
        }
        self.environment = own | {
            "HERKEND_DATA": str(data / "herkend"),
            "HERKEND_PORT": str(self.port),
            "HERKEND_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
            "PYTHONPATH": str(Path(plugin.__file__).parents[1]),
        }
        self.manifest_url = f"http://127.0.0.1:{self.port}/api/manifest"
        self.ended = 0
        self.killed: Counter[str] = Counter()
        self.losses: list[tuple[float, float]] = []
        self.start()

    def start(self) -> None:
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "plugin", "run"],
                cwd=self.data,  # by which all that comes of it is known: a process may well change its name
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def tend(self) -> None:
        """Start `herkend run` again where it has ended, as a service manager does."""
        if self.process.poll() is not None:
            self.ended += 1
            self._lost(time.monotonic() - GRACE_SECONDS, GRACE_SECONDS)
            self.start()

    def command(self, *words: str) -> None:
        subprocess.run(  # noqa: S603  our own command, no shell
            [sys.executable, "-m", "plugin", *words], env=self.environment, check=True, timeout=60
        )

    def listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def victims(self, kind: str) -> list[psutil.Process]:
        """List what there is of a kind now."""
        if kind == "supervisor":
            return [psutil.Process(self.process.pid)]
        return [process for process in self.processes() if self._kind(process) == kind]

    def kill(self, kind: str, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.killed[kind] += 1
            if kind in KEEPERS:
                self._lost(time.monotonic(), GRACE_SECONDS if kind == "supervisor" else 0.0)
        if kind == "supervisor":
            self.process.wait()
            self.start()

    def _lost(self, moment: float, seconds: float) -> None:
        """Note when the answer to a write may have been lost."""
        self.losses.append((moment, moment + seconds))

    def processes(self) -> list[psutil.Process]:
        """List every process of this installation, whoever its parent is."""
        return [process for process in psutil.process_iter() if self._ours(process)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def clean(self) -> None:
        """Leave nothing behind, whatever happened."""
        self.process.kill()
        self.process.wait()
        wait_until(self._killed_all, what="all processes are gone", patience=30)

    def _killed_all(self) -> bool:
        found = self.processes()
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not found

    def _ours(self, process: psutil.Process) -> bool:
        with suppress(*GONE):
            return process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(self.data))
        return False

    def _kind(self, process: psutil.Process) -> str | None:
        with suppress(*GONE):
            return self._named(process)
        return None

    def _named(self, process: psutil.Process) -> str | None:
        parent = process.parent()
        if process.name() == "postgres":
            return "backend" if parent and parent.name() == "postgres" else "database"
        words = " ".join(process.cmdline()).split()
        if words[-1:] in (["run"], ["worker"]):
            return {"run": None, "worker": "worker"}[words[-1]]
        # The web part, which changes its name where it can: granian and its child.
        below = parent is not None and self._ours(parent) and parent.pid != self.process.pid
        return "web child" if below else "web"


@pytest.fixture
def herkend() -> Iterator[Herkend]:
    # pytest's own folders are closed to the user nobody, as whom the server runs for root, and too long for a socket.
    data = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    data.chmod(0o755)
    herkend = Herkend(data)
    try:
        yield herkend
    finally:
        herkend.clean()
        sys.stdout.write((data / "log").read_text(errors="replace")[-LOG_SHOWN:])
        shutil.rmtree(data)


@pytest.fixture
def shop(herkend: Herkend) -> Iterator[Shop]:
    """A shop that has the app installed and publishing released."""
    shop = Shop(retry_scale=0.1, delivery_timeout=5)
    with sandbox.server.running(shop):
        wait_until(herkend.listens, what="the app answers", patience=60)
        shop.install(herkend.manifest_url)
        herkend.command("shops", "publish", shop.api_url)
        yield shop
    shop.close()
