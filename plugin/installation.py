"""One running installation: the parts every door and job is handed, put together once at the top."""

import threading
from dataclasses import dataclass, field
from functools import partial

from plugin import keyfile, spans
from plugin.clock import Clock, now
from plugin.db import Database
from plugin.outbound import Outbound
from plugin.secret import Secret, Vault
from plugin.settings import Settings
from plugin.spans import Spans
from plugin.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Settings, database, vault for tokens, the way out, the clock, and what is told of how it fares."""

    settings: Settings
    db: Database
    vault: Vault
    outbound: Outbound
    clock: Clock
    tally: Tally
    spans: Spans
    # Set once this process is to end: long work stops at its next step, as it goes on elsewhere.
    stopping: threading.Event = field(default_factory=threading.Event)


def install(settings: Settings, *, database_url: Secret, clock: Clock = now) -> Installation:
    """Put the parts together; nothing is connected to yet."""
    return Installation(
        settings=settings,
        db=Database(database_url),
        vault=_vault(settings),
        outbound=Outbound(allow_networks=settings.allow_networks, ca_file=settings.ca_file),
        clock=clock,
        tally=Tally(),
        spans=spans.from_environment(),
    )


def _vault(settings: Settings) -> Vault:
    """The keys of the environment stay what they are; those of the file may be rotated while we run."""
    path = settings.key_file
    if path is None:
        return Vault(settings.keys)
    return Vault(settings.keys, source=str(path), read_again=partial(keyfile.read, path))
