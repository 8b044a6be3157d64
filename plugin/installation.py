"""One running installation: the parts every door and job is handed, put together once at the top."""

from dataclasses import dataclass

from plugin.clock import Clock, now
from plugin.db import Database
from plugin.outbound import Outbound
from plugin.secret import Secret, Vault
from plugin.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Settings, database, vault for tokens, the way out, and the clock."""

    settings: Settings
    db: Database
    vault: Vault
    outbound: Outbound
    clock: Clock


def install(settings: Settings, *, database_url: Secret, clock: Clock = now) -> Installation:
    """Put the parts together; nothing is connected to yet."""
    return Installation(
        settings=settings,
        db=Database(database_url, pool_size=settings.web_threads),
        vault=Vault(settings.keys),
        outbound=Outbound(allow_networks=settings.allow_networks),
        clock=clock,
    )
