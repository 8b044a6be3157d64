"""How Alembic runs our migrations: on the connection it is handed, inside that transaction."""

from alembic import context

from plugin.customers import models as customers
from plugin.db import metadata
from plugin.health import models as health
from plugin.inbox import models as inbox
from plugin.shops import models as shops
from plugin.tiers import models as tiers

TABLES = (shops, inbox, customers, tiers, health)  # imported so that `metadata` knows them


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the queue's own tables to the queue."""
    return kind != "table" or not (name or "").startswith("procrastinate_")


context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, include_name=_ours
)
context.run_migrations()
