"""`herkend worker`."""

import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import click

from plugin.cli.opened import opened

if TYPE_CHECKING:
    from plugin.worker import Worker


@click.command()
def worker() -> None:
    """Process deliveries, review customers, publish. Run as many as are needed."""
    from plugin.worker import Worker

    with opened(quiet=False) as installation:
        working = Worker(installation)
        # `stop` from within a handler would wait for ever for a lock that the interrupted code holds just then; a
        # queue of this kind is made for handlers.
        told: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: told.put(number))
        threading.Thread(target=_stop, args=(working, told), name="signals", daemon=True).start()
        working.run()


def _stop(working: "Worker", told: "SimpleQueue[int]") -> None:
    told.get()
    working.stop()
