"""`herkend worker`."""

import signal

import click

from plugin.cli.opened import opened


@click.command()
def worker() -> None:
    """Process deliveries, review customers, publish. Run as many as are needed."""
    from plugin.worker import Worker

    with opened(quiet=False) as installation:
        working = Worker(installation)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: working.stop())
        working.run()
