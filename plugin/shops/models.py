"""Tables of the shops that installed us."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from plugin.db import metadata

shops = Table(
    "shops",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("api_url", Text, nullable=False, unique=True),
    Column("domain", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("token", LargeBinary),
    Column("saleor_version", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("jwks", JSONB),
    Column("installed_at", DateTime(timezone=True), nullable=False),
    Column("uninstalled_at", DateTime(timezone=True)),
    # When the shop last began to tell us things: what was read before may lack what it did not tell.
    Column("listening_since", DateTime(timezone=True), nullable=False),
    # Which word about being switched on or off was the last: words can overtake each other.
    Column("switched_at", DateTime(timezone=True)),
    # Waiting out an unwell shop: no call before `hold_until`; `failures` in a row make the wait longer.
    Column("hold_until", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('active', 'paused', 'unreachable', 'uninstalled')", name="state"),
)

shop_settings = Table(
    "shop_settings",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    # The last version that changed what is decided, rather than whether it is published.
    Column("rules_version", Integer, nullable=False),
    Column("values", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
)

# What needs the merchant, as the shop's own list of app problems is to show it.
shop_problems = Table(
    "shop_problems",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    # What the shop was told, None: nothing yet; and since when it is over, None: it is not.
    Column("told_message", Text),
    Column("over_at", DateTime(timezone=True)),
)

# What `herkend webhooks sync` changed in a shop, to be undone: the webhooks as they were and as it left them.
webhook_syncs = Table(
    "webhook_syncs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("shop_id", ForeignKey("shops.id"), nullable=False, index=True),
    Column("app_id", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("undone_at", DateTime(timezone=True)),
)
