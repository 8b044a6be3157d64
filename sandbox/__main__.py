"""`python -m sandbox`: a shop on this machine, with a past, a page, and the app installed in it."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.page import add_page
from sandbox.schema import VERSIONS
from sandbox.seed import seed
from sandbox.server import running
from sandbox.shop import InstallFailed, Shop

PATIENCE_SECONDS = 120.0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    told = _arguments(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        shop = Shop(version=told.version, folder=told.data, name=told.name)
    except OSError as error:
        return _failed(f"cannot keep data in {told.data}: {error.strerror or error}")
    try:
        return _serve(shop, told, stop)
    finally:
        shop.close()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="folder to keep the shop in; without it nothing is kept")
    parser.add_argument("--version", choices=VERSIONS, default=VERSIONS[-1], help="the Saleor to be")
    parser.add_argument("--name", default="Kruid & Kandij", help="the shop's name")
    parser.add_argument("--url", default="", help="the address under which the app reaches the shop")
    parser.add_argument("--app-manifest", metavar="URL", help="the app to install")
    parser.add_argument("--customers", type=int, default=2000, help="people to invent on the first start")
    return parser.parse_args(argv)


def _serve(shop: Shop, told: argparse.Namespace, stop: threading.Event) -> int:
    if shop.store.setting("seeded") is None and told.customers:
        seed(shop, customers=told.customers, progress=_progress)
        _say(f"{len(shop.store.accounts) - 1} accounts and {len(shop.store.orders)} orders invented")
    shop.url = told.url.rstrip("/")
    try:
        with running(shop, host=told.host, port=told.port, add=add_page) as url:
            if told.app_manifest and shop.app is None and not _install(shop, told.app_manifest, stop):
                return 1
            if not stop.is_set():
                _say(f"sandbox ready on {url}")
            stop.wait()
    except OSError as error:
        return _failed(f"cannot listen on {told.host}:{told.port}: {error.strerror or error}")
    return 0


def _install(shop: Shop, manifest_url: str, stop: threading.Event) -> bool:
    """Wait for the app to answer, then install it; says why where it cannot be."""
    _say(f"waiting for the app at {manifest_url}")
    waited = 0.0
    while not stop.is_set():
        try:
            shop.fetch_manifest(manifest_url)
            break
        except InstallFailed as error:
            if waited >= PATIENCE_SECONDS:
                _failed(f"the app does not answer at {manifest_url}: {error}")
                return False
        stop.wait(0.2)
        waited += 0.2
    if stop.is_set():
        return True
    try:
        app = shop.install(manifest_url)
    except InstallFailed as error:
        _failed(f"the app could not be installed: {error}")
        return False
    _say(f"{app.name} {app.version} is installed")
    return True


def _progress(done: int, total: int) -> None:
    _say(f"inventing three years of orders: {100 * done // max(total, 1)} %")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command speaks to its terminal


def _failed(text: str) -> int:
    print(f"sandbox: {text}", file=sys.stderr, flush=True)  # noqa: T201 - a command speaks to its terminal
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
