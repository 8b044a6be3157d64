"""`python -m sandbox` starts a shop with a past and the app in it, keeps it, and stops when told."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.sandbox.sandbox_app import FakeApp, fetch, serving

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def started(*arguments: str):
    child = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    timer = threading.Timer(30, child.kill)
    timer.start()
    try:
        yield child
    finally:
        timer.cancel()
        with suppress(ProcessLookupError):
            child.kill()
        child.communicate()


def ready(child) -> str:
    for line in child.stdout:
        if line.startswith("sandbox ready on "):
            return line.split()[-1]
    raise AssertionError(child.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_start_invents_and_installs_and_the_second_keeps_it_all(tmp_path, number):
    counts = []
    with serving(FakeApp()) as app:
        for _ in range(2):
            arguments = ("--data", str(tmp_path), "--customers", "30", "--app-manifest", app.manifest_url)
            with started(*arguments) as child:
                url = ready(child)
                summary = json.loads(fetch(f"{url}/_sandbox/summary")[2])
                counts.append((summary["accounts"], summary["orders"], summary["app"]["name"]))
                child.send_signal(number)
                assert child.wait(timeout=5) == 0

    assert counts[0] == counts[1]
    assert len([path for path, _, _ in app.heard if path == "/register"]) == 1


def test_a_taken_port_ends_in_one_sentence(tmp_path):
    with serving(FakeApp()) as app:
        port = app.url.rsplit(":", 1)[1]
        with started("--port", port, "--customers", "0") as child:
            said = child.communicate()[1]

    assert child.returncode == 1
    assert said.startswith("sandbox: cannot listen on 127.0.0.1:")


def test_a_folder_that_cannot_be_written_ends_in_one_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with started("--data", str(blocked / "shop"), "--customers", "0") as child:
        said = child.communicate()[1]

    assert (child.returncode, said.count("\n")) == (1, 1)
    assert said.startswith("sandbox: cannot keep data in")


def test_an_app_that_refuses_the_installation_is_named(tmp_path):
    refusing = FakeApp(registering=(403, {"error": {"message": "not this shop"}}))
    with serving(refusing), started("--customers", "0", "--app-manifest", refusing.manifest_url) as child:
        said = child.communicate()[1]

    assert (child.returncode, said) == (1, "sandbox: the app could not be installed: not this shop\n")


def test_it_stops_also_while_it_waits_for_the_app(tmp_path):
    with serving(FakeApp()) as gone:
        url = gone.manifest_url
    with started("--customers", "0", "--app-manifest", url) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=5) == 0
