"""A process that ends when the one it works for is gone, even by SIGKILL.

`python -m plugin.lifeline PID MODULE ARGUMENTS` is `python -m MODULE ARGUMENTS` as long as PID is its parent. The
parent is looked for five times a second: portable, and without a file descriptor that a grandchild could keep open.
"""

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence

LOOK_SECONDS = 0.2
GRACE_SECONDS = 10.0


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return how to run a module as a child that this process takes with it."""
    return [sys.executable, "-m", "plugin.lifeline", str(os.getpid()), module, *arguments]


def follow(parent: int) -> None:
    """Stop this process as SIGTERM does when `parent` is its parent no longer; by force ten seconds later."""
    threading.Thread(target=_stop_after, args=(parent,), name="lifeline", daemon=True).start()


def _stop_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    follow(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
