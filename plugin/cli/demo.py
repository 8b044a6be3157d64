"""`herkend demo`."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import click

from plugin import clock, cluster, log, settings
from plugin.cli.run import COMMANDS, Say, installation, listens, port_problem
from plugin.db import Database
from plugin.errors import Permanent, Transient
from plugin.shops import store as shops
from plugin.supervisor import TICK, Parts, stop_signals

HOST = "127.0.0.1"
CUSTOMERS = "2000"
PORT_PATIENCE = 3.0  # seconds: a demo that was just killed may be about to let go of its ports
PATIENCE = 180.0  # seconds for one step


@click.command()
@click.option(
    "--port", default=8800, show_default=True, type=click.IntRange(1024, 65000), help="Of the page."
)
@click.option(
    "--version", default="3.23", show_default=True, type=click.Choice(["3.22", "3.23"]), help="Of Saleor."
)
def demo(port: int, version: str) -> None:
    """Run Herkend with a shop to play with: 2,000 customers and three years of orders.

    It prints one address to open; Ctrl-C stops everything. A taken port gives way to the next free one. Your own
    settings (HERKEND_..., DATABASE_URL) are neither used nor changed.

    What happened is kept for the next time on the same ports, in .herkend/demo of the current folder. Where the
    database cannot stand there (no write permission, too long a path, or you are root and the folder is closed to the
    user nobody, as whom PostgreSQL then runs) it is kept in /var/lib/herkend/demo for root and in
    ~/.local/share/herkend/demo for others.
    """
    if find_spec("graphql") is None:
        raise Permanent("The demo needs more than Herkend alone: pip install 'herkend[sandbox]'.")
    say = _steps()
    page = free_port(port, say=say)
    app = free_port(page + 1, say=say)
    data = _data_folder(f"{page}-{app}-{version}")
    with stop_signals() as stopping, (data / "demo.log").open("wb") as output:
        _set_environment(data, page=page, app=app)
        read = settings.read()
        log.configure(read)
        with installation(read, say=say, output=output) as (url, parts), closing(Database(url)) as db:
            shop = _shop_command(data, page=page, version=version, app_url=read.url)
            for step in (
                Step("the worker", partial(parts.add_command, "worker", COMMANDS["worker"]), lambda: True),
                Step(
                    "the app", partial(parts.add_command, "web", COMMANDS["web"]), partial(listens, HOST, app)
                ),
                Step("the shop", partial(parts.add_command, "shop", shop), partial(listens, HOST, page)),
                Step("the app in the shop", lambda: None, partial(_released, db, page=page)),
            ):
                step.take(parts, stopping, say=say, log_file=data / "demo.log")
            if not stopping.is_set():
                say("Everything runs; Ctrl-C stops it. Open this address:")
                click.echo(f"\n    http://{HOST}:{page}/\n")
            parts.tend(stopping)
            say("Stopping.")


@dataclass(frozen=True, slots=True)
class Step:
    """Something to start, and how to tell that it is there."""

    name: str
    begin: Callable[[], object]
    done: Callable[[], bool]

    def take(self, parts: Parts, stopping: threading.Event, *, say: Say, log_file: Path) -> None:
        """Do it and wait; raise Permanent when it takes far too long. Nothing is begun once we are to stop."""
        if stopping.is_set():
            return
        say(f"Starting {self.name}.")
        self.begin()
        deadline = time.monotonic() + PATIENCE
        parts.tend(stopping, until=lambda: self.done() or time.monotonic() > deadline)
        if time.monotonic() > deadline:
            raise Permanent(f"Starting {self.name} took longer than {PATIENCE:.0f} seconds; see {log_file}.")


def _steps() -> Say:
    began = time.monotonic()
    return lambda text: click.echo(f"{time.monotonic() - began:6.1f} s  {text}")


def _data_folder(name: str) -> Path:
    """Choose the folder and make it, open to the user PostgreSQL runs as for root.

    Shop and app know each other by their addresses, so other ports have other data.
    """
    bases = (Path.cwd() / ".herkend" / "demo", settings.default_data_folder() / "demo")
    base = next((base for base in bases if cluster.usable(base / name)), bases[-1])
    try:
        for folder in (base.parent, base, base / name):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o711)
    except OSError as error:
        raise Permanent(
            f"The demo can keep its data neither in {bases[0]} nor in {bases[1]} ({error.strerror}): "
            "start it in a folder of your own."
        ) from error
    return base / name


def free_port(wanted: int, *, say: Say) -> int:
    """Return the port, or the next one that is free when it stays taken; say so then."""
    deadline = time.monotonic() + PORT_PATIENCE
    while port_problem(HOST, wanted) is not None and time.monotonic() < deadline:
        time.sleep(TICK)
    port = next((port for port in range(wanted, 65536) if port_problem(HOST, port) is None), None)
    if port is None:
        raise Permanent(f"No port from {wanted} on is free: name another one with --port.")
    if port != wanted:
        say(f"Port {wanted} is taken: using {port}.")
    return port


def _set_environment(data: Path, *, page: int, app: int) -> None:
    """Make the demo's settings the only ones, for this process and for those it starts."""
    for name in [name for name in os.environ if name.startswith("HERKEND_") or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ |= {
        "HERKEND_DATA": str(data),
        "HERKEND_HOST": HOST,
        "HERKEND_PORT": str(app),
        "HERKEND_URL": f"http://{HOST}:{app}",
        "HERKEND_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
        "HERKEND_FRAME_ANCESTORS": f"http://{HOST}:{page} http://localhost:{page}",
        "HERKEND_LOG_FORMAT": "text",
    }


def _shop_command(data: Path, *, page: int, version: str, app_url: str) -> list[str]:
    where = ["--host", HOST, "--port", str(page), "--data", str(data / "shop")]
    what = ["--version", version, "--customers", CUSTOMERS, "--app-manifest", f"{app_url}/api/manifest"]
    return ["sandbox", *where, *what]


def _released(db: Database, *, page: int) -> bool:
    """Let Herkend write into the demo's shop once it is installed there; tell whether it is."""
    try:
        with db.begin() as connection:
            for shop in shops.all_shops(connection):
                if urlsplit(shop.api_url).port == page and shop.state == "active":
                    shops.release(connection, shop.id, by="demo", now=clock.now())
                    return True
    except Transient:
        pass
    return False
