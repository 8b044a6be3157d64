"""`herkend serve`."""

import os
import threading
import time
from dataclasses import dataclass
from multiprocessing.util import Finalize

import click
from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from plugin.cli.opened import opened
from plugin.cli.run import address_of, saying, wait_for_port
from plugin.secret import Secret
from plugin.settings import Settings

# A request that is never sent to its end must not hold up the stop; shorter than the supervisor's own patience.
STOP_SECONDS = 8


@click.command()
def serve() -> None:
    """Answer web requests: webhooks, registration, the Dashboard's pages."""
    with opened(quiet=False) as installation:
        read, url = installation.settings, installation.db.url
        installation.db.close()  # nothing open is shared with the process that answers
        wait_for_port(read.host, read.port, say=saying(read, err=True))
        Granian(
            "plugin.app",
            address=address_of(read.host, read.port),
            port=read.port,
            interface=Interfaces.WSGI,
            workers=read.web_processes,
            blocking_threads=read.web_threads,
            respawn_failed_workers=True,
            respawn_interval=0.2,
            workers_kill_timeout=STOP_SECONDS,
            log_enabled=False,
        ).serve(target_loader=Loader(settings=read, database_url=url, parent=os.getpid()), wrap_loader=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Makes the application in the process that answers requests; that process ends with `parent`."""

    settings: Settings
    database_url: Secret
    parent: int

    def __call__(self) -> Flask:
        """Return the WSGI application."""
        from plugin import log
        from plugin.app import create_app
        from plugin.health.beat import beating
        from plugin.installation import install

        threading.Thread(target=_end_with, args=(self.parent,), daemon=True).start()
        log.configure(self.settings)
        installation = install(self.settings, database_url=self.database_url)
        # What multiprocessing started ends without `atexit`.
        Finalize(None, beating(installation, kind="web"), exitpriority=0)
        return create_app(installation)


def _end_with(parent: int) -> None:
    """An orphan would hold the port against its successor; losing a request here loses no accepted delivery."""
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)
