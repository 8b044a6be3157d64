"""`herkend serve` with several processes: one that dies is started again, and none outlives the command."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest
import requests

from plugin.secret import new_key
from tests.journeys.conftest import wait_until

PROCESSES = 2


@contextmanager
def serving(database_url, folder):
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    settings = {
        "DATABASE_URL": database_url.reveal(),
        "HERKEND_KEYS": new_key().reveal(),
        "HERKEND_PORT": str(port),
        "HERKEND_DATA": str(folder / "none"),
        "HERKEND_WEB_PROCESSES": str(PROCESSES),
        "HERKEND_WEB_THREADS": "4",
    }
    command = [sys.executable, "-m", "plugin", "serve"]
    with subprocess.Popen(command, env={**os.environ, **settings}) as process:  # noqa: S603 - our own command
        try:
            served = psutil.Process(process.pid)
            wait_until(lambda: answers(port) and len(web(served)) == PROCESSES, what="it serves")
            yield served, port
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/manifest", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def web(served: psutil.Process) -> list[psutil.Process]:
    """The processes that answer: those that listen."""
    return [child for child in served.children() if child.status() != psutil.STATUS_ZOMBIE and listens(child)]


def listens(process: psutil.Process) -> bool:
    try:
        return any(it.status == psutil.CONN_LISTEN for it in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def served(installation, database_url, folder):
    with serving(database_url, folder) as served:
        yield served


def test_a_web_process_that_is_killed_is_started_again_while_the_other_answers(served):
    process, port = served
    before = {child.pid for child in web(process)}
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: len({child.pid for child in web(process)} - {killed}) == PROCESSES, what="it is started again"
    )
    assert len({child.pid for child in web(process)} & before) == PROCESSES - 1
    assert answers(port)


def test_no_web_process_outlives_the_command_however_it_ends(served):
    process, port = served
    children = web(process)
    process.kill()
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert not answers(port)
