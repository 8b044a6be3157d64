"""How Alembic runs our migrations: on the connection it is handed, inside that transaction."""

from alembic import context

from plugin.customers import models as customers
from plugin.db import metadata
from plugin.inbox import models as inbox
from plugin.shops import models as shops
from plugin.tiers import models as tiers

TABLES = (shops, inbox, customers, tiers)  # imported so that `metadata` knows them

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
