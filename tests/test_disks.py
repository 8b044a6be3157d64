"""A full disk and a read-only one, for real: words, 503, nothing broken, and all goes on when there is room again."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

import sandbox.server
from plugin import postgres
from plugin.cluster import client_programs
from sandbox.manifest import InstallFailed
from sandbox.shop import Shop
from tests.faults.invariants import KEPT, assert_all_is_well, echo
from tests.kill.conftest import Herkend, wait_until
from tests.kill.customers import Customers
from tests.kill.test_kill import database, settle

PATIENCE = 60.0
LOST = 2  # answers in a round: the request under way when there is no room for the table, and when PostgreSQL ends
FILLING = 64 * 1024
FULL = "The disk of the database is full: make room there."
WAITING = "SELECT count(*) FROM deliveries WHERE state = 'new'"
LOG_ONLY = "SELECT pg_logical_emit_message(true, 'test', repeat(md5(random()::text), 30000))"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    """Have a disk of its own in a folder; what still uses it when the block ends keeps it until then."""
    place.mkdir(exist_ok=True)
    _do("mount", *options, place)
    place.chmod(0o755)
    try:
        yield place
    finally:
        subprocess.run(["/bin/umount", "--lazy", place], check=True)  # noqa: S603 - our own folder


def _do(*command: str | Path) -> None:
    subprocess.run(["/usr/bin/env", *command], check=True, capture_output=True)  # noqa: S603 - our own commands


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="herkend-", dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture
def place() -> Iterator[Path]:
    with folder() as made:
        yield made


def tmpfs(size: str) -> tuple[str, ...]:
    return ("-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def fill(disk: Path) -> Path:
    """Leave no room on it."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(FILLING))
        except OSError:
            return ballast


@contextmanager
def busy(herkend: Herkend) -> Iterator[Shop]:
    """A shop that has the app installed, with customers who do what customers do."""
    shop = Shop(retry_scale=0.1, delivery_timeout=5)
    with sandbox.server.running(shop):
        wait_until(herkend.listens, what="the app answers", patience=PATIENCE)
        shop.install(herkend.manifest_url)
        herkend.command("shops", "publish", shop.api_url)
        yield shop
    shop.close()


@contextmanager
def cleaned(herkend: Herkend) -> Iterator[Herkend]:
    try:
        yield herkend
    finally:
        herkend.clean()
        sys.stdout.write((herkend.data / "log").read_text(errors="replace")[-20_000:])


def said(herkend: Herkend, words: str, *, patience: float = PATIENCE) -> None:
    log = herkend.data / "log"
    wait_until(lambda: words in log.read_text(errors="replace"), what=f"it says {words}", patience=patience)


def put_off(shop: Shop) -> None:
    """Wait until the shop gets its first 503s from now on."""
    before = len([it for it in shop.deliveries.all() for attempt in it.attempts if attempt.status == 503])
    wait_until(
        lambda: (
            len([it for it in shop.deliveries.all() for a in it.attempts if a.status == 503]) > before + 3
        ),
        what="deliveries are put off",
        patience=PATIENCE,
    )


def crash_for_want_of_room(data: Path) -> None:
    """Write to the database's log alone, until PostgreSQL finds no room to promise anything more."""
    with postgres.running(data) as url, suppress(psycopg.OperationalError):
        while True:
            with psycopg.connect(url.reveal()) as connection:
                connection.execute(LOG_ONLY)


def whole(data: Path) -> None:
    """Read every page of a database that was stopped; their checksums say whether it is as it was written."""
    _do(client_programs() / "pg_checksums", "--check", "-D", data / "postgres")


@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.soak)])
def test_a_full_disk_puts_deliveries_off_and_breaks_nothing(place: Path, rounds: int) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(mounted(place / "herkend", *tmpfs("400m")))
        herkend = stack.enter_context(cleaned(Herkend(place)))
        shop = stack.enter_context(busy(herkend))
        customers = Customers(shop, seed=1)
        with customers.busy():
            windows = [run_out_of_room(disk, shop, herkend) for _ in range(rounds)]
        with database(herkend) as rows:
            settle(herkend, shop, rows=rows)
            assert_all_is_well(rows, customers, losses=windows * LOST)
        assert (herkend.ended, herkend.stop()) == (0, 0)
        whole(disk)


def run_out_of_room(disk: Path, shop: Shop, herkend: Herkend) -> tuple[float, float]:
    """Fill the disk, first for PostgreSQL's tables, then for its own log too; see what comes of it, and make room.

    Returns from when until when there was none.
    """
    begun = time.monotonic()
    ballast = fill(disk)
    put_off(shop)
    said(herkend, FULL)
    crash_for_want_of_room(disk)
    # It may wait a minute for its own helpers before it gives up starting.
    said(herkend, f"HERKEND_DATA: the disk of {disk} is full: make room there.", patience=3 * PATIENCE)
    put_off(shop)
    refused_to_register(herkend)
    ballast.unlink()
    taken_before = len(taken(shop))
    wait_until(lambda: len(taken(shop)) > taken_before, what="it goes on", patience=PATIENCE)
    return begun, time.monotonic()


def refused_to_register(herkend: Herkend) -> None:
    other = Shop()
    with sandbox.server.running(other), pytest.raises(InstallFailed):
        other.install(herkend.manifest_url)
    other.close()


@pytest.mark.soak
def test_a_disk_that_turns_read_only_puts_deliveries_off_and_loses_none_that_was_accepted(
    place: Path,
) -> None:
    image = place / "image"
    with image.open("wb") as file:
        file.truncate(192 * 1024 * 1024)
    _do("mkfs.ext4", "-q", "-F", image)
    with ExitStack() as stack:
        herkend, shop = None, None
        with mounted(place / "herkend", "-o", "loop", str(image)) as disk:
            herkend = stack.enter_context(cleaned(Herkend(place)))
            shop = stack.enter_context(busy(herkend))
            with Customers(shop, seed=2).busy():
                put_off_after(disk, shop, herkend)
            assert herkend.process.poll() is None
            herkend.stop()
            wait_until(lambda: not postgres.alive(disk), what="the database is gone", patience=PATIENCE)
        subprocess.run(["/usr/bin/env", "e2fsck", "-p", image], check=False, capture_output=True)  # noqa: S603 - 1: mended
        with mounted(place / "herkend", "-o", "loop", str(image)) as disk:
            herkend.start()
            wait_until(herkend.listens, what="the app answers", patience=PATIENCE)
            with database(herkend) as rows:
                assert taken(shop) - set(rows(KEPT.format(shop.api_url))) == set()
                wait_until(lambda: rows(WAITING) == [(0,)], what="all is processed", patience=PATIENCE)
                assert rows("SELECT problem FROM deliveries WHERE state <> 'done'") == []
            told = {attempt.status for it in shop.deliveries.all() for attempt in it.attempts}
            assert told <= {202, 503, None}
            assert herkend.stop() == 0
            whole(disk)


def taken(shop: Shop) -> set[tuple[str, str]]:
    """List what the shop saw taken so far, but for the echoes of what the app itself wrote."""
    told = [it for it in shop.deliveries.all() if any(attempt.status == 202 for attempt in it.attempts)]
    return {(it.event, hashlib.sha256(it.body).hexdigest()) for it in told if not echo(it, shop)}


def put_off_after(disk: Path, shop: Shop, herkend: Herkend) -> None:
    """Have the kernel make it read-only, as after a fault of the disk, and see what comes of it."""
    wait_until(lambda: len(shop.deliveries.all()) > 20, what="there is something to lose", patience=PATIENCE)
    _do("mount", "-o", "remount,abort", disk)
    put_off(shop)
    said(herkend, f"HERKEND_DATA: the disk of {disk} is read-only: see why")


def run(data: Path, *command: str | Path) -> tuple[int, str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HERKEND_", "DATABASE_"))
    }
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "plugin", *command],
        env=environment | {"HERKEND_DATA": str(data)},
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """The folder of an installation that was made once and stopped: for copies on disks of their own."""
    with folder() as place:
        assert run(place / "herkend", "migrate") == (0, "")
        yield place / "herkend"


@contextmanager
def copied(made: Path, place: Path, *, size: str) -> Iterator[Path]:
    with mounted(place / "herkend", *tmpfs(size)) as disk:
        _do("cp", "--archive", f"{made}/.", disk)
        yield disk


def test_on_a_full_disk_it_does_not_start_and_says_why(made: Path, place: Path) -> None:
    with copied(made, place, size="120m") as disk:
        fill(disk)
        for command in ("migrate", "worker"):
            assert run(disk, command) == (
                1,
                f"herkend: HERKEND_DATA: the disk of {disk} is full: make room there.\n",
            )


def test_a_disk_too_small_for_a_database_is_named(place: Path) -> None:
    with mounted(place / "herkend", *tmpfs("50m")) as disk:
        assert run(disk, "migrate") == (
            1,
            f"herkend: HERKEND_DATA: the disk of {disk} is full: make room there.\n",
        )
        assert not (disk / "postgres").exists()


def test_on_a_read_only_disk_it_does_not_start_and_says_why(made: Path, place: Path) -> None:
    with copied(made, place, size="160m") as disk:
        _do("mount", "-o", "remount,ro", disk)
        code, errors = run(disk, "worker")
        assert code == 1
        assert errors.startswith(f"herkend: HERKEND_DATA: the disk of {disk} is read-only: see why")
        _do("mount", "-o", "remount,rw", disk)
        assert run(disk, "migrate")[0] == 0


def test_a_backup_that_finds_no_room_leaves_nothing_behind(made: Path, place: Path) -> None:
    with mounted(place / "disk", *tmpfs("40k")) as disk:
        code, errors = run(made, "db", "backup", disk / "kept.dump")
        assert (code, errors, list(disk.iterdir())) == (
            1,
            f"herkend: No backup was made: the disk of {disk} is full.\n",
            [],
        )
