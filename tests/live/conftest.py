"""Live tests: Herkend as it is run, beside a real Saleor that the environment names (CONTRIBUTING.md says how)."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.live.saleor import Saleor, wait_until

API_URL = os.environ.get("HERKEND_LIVE_API_URL", "")
# Where that Saleor reaches us; what is listened on is loopback at the same port, unless another is named.
URL = os.environ.get("HERKEND_LIVE_URL", "") or "http://127.0.0.1:8901"
PORT = os.environ.get("HERKEND_LIVE_PORT", "") or str(urlsplit(URL).port or 8901)
# One shop has room for one Herkend: not for several processes at once.
if not API_URL or "PYTEST_XDIST_WORKER" in os.environ:
    collect_ignore_glob = ["test_*.py"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Herkend:
    """A running installation: the address of its manifest, and its commands."""

    environment: dict[str, str] = field(repr=False)
    manifest_url: str

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own commands, no shell
            [sys.executable, "-m", "plugin", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def shop(self, saleor: Saleor) -> str:
        """What `herkend shops list` says of that shop."""
        lines = self.command("shops", "list").stdout.splitlines()
        return next((line for line in lines if saleor.host in line), "")

    def idle(self) -> bool:
        """Whether nothing that came in still waits to be understood."""
        return self.command("deliveries", "list", "--state", "new").returncode == 1


@pytest.fixture(scope="session")
def saleor() -> Iterator[Saleor]:
    with Saleor(
        api_url=API_URL,
        token=os.environ.get("HERKEND_LIVE_TOKEN", ""),
        email=os.environ.get("HERKEND_LIVE_EMAIL", ""),
        password=os.environ.get("HERKEND_LIVE_PASSWORD", ""),
    ) as shop:
        yield shop


@pytest.fixture(scope="session")
def herkend() -> Iterator[Herkend]:
    with tempfile.TemporaryDirectory(prefix="herkend-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        environment = os.environ | {
            "HERKEND_DATA": f"{name}/data", "HERKEND_URL": URL, "HERKEND_HOST": "127.0.0.1", "HERKEND_PORT": PORT,
        }  # fmt: skip
        with _running(environment, log=Path(name) / "log"):
            yield Herkend(environment=environment, manifest_url=f"{URL}/api/manifest")


@contextmanager
def _running(environment: dict[str, str], *, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(
        [sys.executable, "-m", "plugin", "run"], env=environment, stdout=output, stderr=output
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: b"Herkend runs on" in log.read_bytes(), what="Herkend runs")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            print(log.read_text())  # noqa: T201 - pytest shows it where a test failed


@pytest.fixture(scope="session")
def installed(saleor: Saleor, herkend: Herkend) -> Iterator[Herkend]:
    """Herkend, installed in the shop and released; whatever happens, it is taken out again."""
    try:
        saleor.install(herkend.manifest_url)
        published = herkend.command("shops", "publish", saleor.host)
        assert published.returncode == 0, published.stderr
        yield herkend
    finally:
        saleor.uninstall()
