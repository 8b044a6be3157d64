"""`make bench-intake`: how many deliveries a second are accepted and durable, beside contenders that keep nothing.

Contenders of two processes each take turns under `wrk -c64`: Herkend's web part, the same verifying only, a bare
verifier in the same server, and the handler of @saleor/app-sdk. Then Herkend alone is sent to for as long as asked,
with a worker draining, and what it answered 202 is counted in the database. The last line is one JSON object;
README.md says what its figures are.
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import variations
from sqlalchemy import text
from variations import API_URL, APP_ID, CAPTURES, MARK, ROUTE, Variations

from plugin import migrate, postgres
from plugin.clock import now
from plugin.db import Database
from plugin.secret import Secret, Vault, new_key
from plugin.shops import store as shops

HERE = Path(__file__).parent
HERKEND = "herkend"
PROCESSES, CONNECTIONS, SENDERS = 2, 64, 2
BARE_THREADS = "1"  # what serves it best: it never waits
WARM_UP = 20_000  # answers: after so many Node has compiled what it will
WARM_UP_TURNS, WARM_UP_SECONDS = 6, 4
IDLE_REQUESTS = 200
PATIENCE = 900.0
NEEDED = {
    "wrk": "apt-get install wrk",
    "node": "apt-get install nodejs npm",
    "npm": "apt-get install nodejs npm",
}


@dataclass(kw_only=True)
class Sending:
    """Sends variations to Herkend, none of them twice, or to a contender, each time from the first.

    The contenders keep nothing, so that to them nothing is a repetition. `used` is how many each of wrk's threads
    has sent to Herkend, `accepted` how many of them were answered 202.
    """

    made: Variations
    used: list[int] = field(default_factory=lambda: [0] * SENDERS)
    accepted: int = 0

    def wrk(self, name: str, port: int, *, seconds: int) -> dict[str, Any]:
        """Send for so many seconds; return what send.lua says of it, and how many were answered 202 a second."""
        first = self.used if name == HERKEND else [0] * SENDERS
        slices = [str(number) for at in first for number in (at, self.made.lines - at)]
        command = [
            "wrk", f"-t{SENDERS}", f"-c{CONNECTIONS}", f"-d{seconds + 3}s", "--timeout", "30s",
            "-s", str(HERE / "send.lua"), f"http://127.0.0.1:{port}{ROUTE}",
            "--", str(self.made.folder), str(seconds), *slices,
        ]  # fmt: skip
        output = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if not output.stdout.strip().endswith("}"):
            raise SystemExit(f"wrk failed:\n{output.stdout}{output.stderr}")
        told: dict[str, Any] = json.loads(output.stdout.strip().splitlines()[-1])
        good = told["answered"] - told["refused"]
        told["a_second"] = good / seconds
        if name == HERKEND:
            self.used = [at + sent for at, sent in zip(first, told["sent"], strict=True)]
            self.accepted += good
        _say(name, told)
        return told

    def one_by_one(self, port: int) -> float:
        """Send Herkend single requests with nothing else going on; return the middle latency in milliseconds."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        head = (self.made.folder / "head").read_text().splitlines()[1:]
        took = []
        for _ in range(IDLE_REQUESTS):
            body, signature = self.made.one(0, self.used[0])
            headers = dict(line.replace(MARK, signature).split(": ", 1) for line in head)
            begun = time.perf_counter()
            connection.request("POST", ROUTE, body, headers)
            answer = connection.getresponse()
            answer.read()
            took.append((time.perf_counter() - begun) * 1000)
            self.used[0] += 1
            self.accepted += answer.status == 202  # noqa: PLR2004
        return statistics.median(took)


def _say(name: str, told: Mapping[str, Any]) -> None:
    print(
        f"  {name:8} {told['a_second']:8.0f}/s   p50 {told['p50_ms']:6.1f} ms   p99 {told['p99_ms']:6.1f} ms"
        f"   refused {told['refused']}, broken {told['broken']}",
        flush=True,
    )
    if told["used_up"]:
        print("  The variations were used up before the time was: --variations asks for more.")


def main() -> None:
    """Measure, and print the figures."""
    asked = _asked()
    _check_tools()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="herkend-bench-", dir=asked.folder))
        folder.chmod(0o755)  # root's PostgreSQL runs as somebody else
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        _install_sdk(folder / "sdk")
        made = _variations(asked, folder / "variations")
        url = stack.enter_context(postgres.running(folder / "data"))
        db, key = Database(url, pool_size=2), new_key()
        stack.callback(db.close)
        _register(db, made, key=key)
        print(json.dumps(_measure(stack, asked, folder=folder, made=made, db=db, key=key)))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variations", type=int, default=400_000, help="how many deliveries are signed")
    parser.add_argument("--rounds", type=int, default=3, help="how often the contenders take turns")
    parser.add_argument("--round-seconds", type=int, default=10, help="how long each turn is")
    parser.add_argument("--seconds", type=int, default=30, help="how long is sent while a worker drains")
    parser.add_argument("--signed", type=Path, help="a folder to sign into, and to use again in the next run")
    parser.add_argument("--folder", default=None, help="where to work; on a disk, or durable means little")
    return parser.parse_args()


def _variations(asked: argparse.Namespace, folder: Path) -> Variations:
    folder = asked.signed or folder
    if (made := variations.found(folder, threads=SENDERS)) is None:
        folder.mkdir(exist_ok=True)
        print(f"Signing {asked.variations} variations.", flush=True)
        made = variations.make(folder, threads=SENDERS, lines=asked.variations // SENDERS)
    return made


def _check_tools() -> None:
    missing = {command for tool, command in NEEDED.items() if shutil.which(tool) is None}
    if missing:
        raise SystemExit("Missing tools. On Debian or Ubuntu: " + " && ".join(sorted(missing)))
    if not CAPTURES.exists():
        raise SystemExit(f"The captured deliveries of a running Saleor are not here: {CAPTURES}")


def _install_sdk(folder: Path) -> None:
    """Fetch the SDK into a folder of this run; nothing of it stays."""
    print("Installing @saleor/app-sdk.", flush=True)
    shutil.copytree(HERE / "sdk", folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "install", "--silent", "--no-package-lock"], cwd=folder, check=True)  # noqa: S607


def _register(db: Database, made: Variations, *, key: Secret) -> None:
    migrate.upgrade(db)
    with db.begin() as connection:
        shops.register(
            connection,
            api_url=API_URL,
            domain="127.0.0.1:9",
            app_id=APP_ID,
            token=Vault((key,)).lock(Secret("none")),
            saleor_version="3.23.28",
            jwks=made.jwks,
            main_currency="USD",
            now=now(),
        )


def _measure(
    stack: ExitStack, asked: argparse.Namespace, *, folder: Path, made: Variations, db: Database, key: Secret
) -> dict[str, Any]:
    ports = {name: _free_port() for name in (HERKEND, "verify", "bare", "sdk")}
    shop = str(made.folder / "shop.json")
    own = _environment(folder, port=ports[HERKEND], key=key)
    bare = (str(HERE / "verify_only.py"), str(ports["bare"]), str(PROCESSES), BARE_THREADS, shop)
    commands: dict[str, Sequence[str]] = {
        HERKEND: (sys.executable, "-m", "plugin", "serve"),
        "verify": (sys.executable, str(HERE / "keep_nothing.py")),
        "bare": (sys.executable, *bare),
        "sdk": ("node", str(folder / "sdk" / "server.mjs"), str(ports["sdk"]), str(PROCESSES), shop),
    }
    web = {
        name: stack.enter_context(_running(command, env={**own, "HERKEND_PORT": str(ports[name])}))
        for name, command in commands.items()
    }
    sending = Sending(made=made)
    rates = _take_turns(sending, ports, rounds=asked.rounds, seconds=asked.round_seconds)
    idle = sending.one_by_one(ports[HERKEND])
    before = _kept(db, forget=True)
    print(f"Accepted {sending.accepted}, kept {before['new']}. With a worker draining:", flush=True)
    with _running((sys.executable, "-m", "plugin", "worker"), env={**own, "HERKEND_LOG_LEVEL": "error"}):
        drained = sending.wrk(HERKEND, ports[HERKEND], seconds=asked.seconds)
        memory = _memory(web[HERKEND])
        after = _drained(db)
    return {
        "durable_vs_verify": round(rates[HERKEND] / rates["verify"], 3),
        "durable_vs_sdk": round(rates[HERKEND] / rates["sdk"], 3),
        "lost": sending.accepted - before["new"] - after["done"],
        "p99_ms": round(drained["p99_ms"], 1),
        "idle_p50_ms": round(idle, 2),
        "rss_mb": memory,
        "durable_vs_bare": round(rates[HERKEND] / rates["bare"], 3),
        "draining_vs_verify": round(drained["a_second"] / rates["verify"], 3),
        "draining_vs_sdk": round(drained["a_second"] / rates["sdk"], 3),
        "durable_per_second": round(rates[HERKEND]),
        "verify_per_second": round(rates["verify"]),
        "bare_per_second": round(rates["bare"]),
        "sdk_per_second": round(rates["sdk"]),
        "draining_per_second": round(drained["a_second"]),
        "accepted": sending.accepted,
        "kept": before["new"] + sum(after.values()),
        "accepted_while_draining": drained["answered"] - drained["refused"],
        "processed": after["done"],
    }


def _environment(folder: Path, *, port: int, key: Secret) -> dict[str, str]:
    """Return the settings of an installation of its own: nothing of this machine's is touched."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HERKEND_")} | {
        "HERKEND_DATA": str(folder / "data"),
        "HERKEND_KEYS": key.reveal(),
        "HERKEND_PORT": str(port),
        "HERKEND_WEB_PROCESSES": str(PROCESSES),
        "HERKEND_LOG_LEVEL": "warning",
        "DATABASE_URL": "",
        "PYTHONPATH": str(HERE.parent),
    }


def _take_turns(sending: Sending, ports: Mapping[str, int], *, rounds: int, seconds: int) -> dict[str, float]:
    """Return how many each was sent and answered a second: the middle of its turns, once all are warm."""
    for name, port in ports.items():
        _wait_for(port)
        warm = 0
        for _ in range(WARM_UP_TURNS):
            warm += sending.wrk(name, port, seconds=WARM_UP_SECONDS)["answered"]
            if warm >= WARM_UP:
                break
    turns = list(ports.items())
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds}:", flush=True)
        for name, port in turns[number % len(turns) :] + turns[: number % len(turns)]:
            rates[name].append(sending.wrk(name, port, seconds=seconds)["a_second"])
    return {name: statistics.median(found) for name, found in rates.items()}


@contextmanager
def _running(command: Sequence[str], *, env: Mapping[str, str]) -> Iterator[psutil.Process]:
    """Run one contender, with its children, as long as the block."""
    started = subprocess.Popen(command, env=env)  # noqa: S603 - our own commands
    try:
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"Nothing came up on port {port}.") from None
            time.sleep(0.1)
        else:
            return


def _memory(web: psutil.Process) -> int:
    """Return what the web processes take, in MB (10^6 bytes): each whole, shared pages counted in each."""
    return round(sum(one.memory_info().rss for one in (web, *web.children())) / 1e6)


def _kept(db: Database, *, forget: bool = False) -> dict[str, int]:
    """Count the rows by how they ended; `forget` then makes room, so that the worker begins without a backlog."""
    with db.begin() as connection:
        found = connection.execute(text("SELECT state, count(*) FROM deliveries GROUP BY state"))
        if counted := dict(iter(found)):
            connection.execute(text("TRUNCATE deliveries" if forget else "SELECT 1"))
    return {"new": 0, "done": 0, "dead": 0} | counted


def _drained(db: Database) -> dict[str, int]:
    """Wait until the worker has processed all that was kept; return how many rows there are, by how they ended."""
    begun = time.monotonic()
    while (counted := _kept(db))["new"] and time.monotonic() < begun + PATIENCE:
        time.sleep(1)
    print(f"The worker was done {time.monotonic() - begun:.0f} s after the last was accepted: {counted}")
    return counted


if __name__ == "__main__":
    main()
