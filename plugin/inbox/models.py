"""The table of deliveries: kept as they came, before they are understood."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from plugin.db import metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("shop_id", ForeignKey("shops.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    # None once its retention is over: then the hash alone still recognises a repetition.
    Column("body", LargeBinary),
    Column("issued_at", DateTime(timezone=True)),
    Column("traceparent", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default="new"),
    Column("processed_at", DateTime(timezone=True)),
    Column("problem", Text),
    UniqueConstraint("shop_id", "event", "body_sha256", name="uq_deliveries_once"),
    CheckConstraint("state IN ('new', 'done', 'dead')", name="state"),
    Index("ix_deliveries_new", "shop_id", "id", postgresql_where=text("state = 'new'")),
    Index("ix_deliveries_dead", "shop_id", "id", postgresql_where=text("state = 'dead'")),
    Index(
        "ix_deliveries_bodies",
        "state",
        "processed_at",
        postgresql_where=text("body IS NOT NULL AND processed_at IS NOT NULL"),
    ),
)

# How many of each shop were ever processed, by how they ended: counting the rows would take longer every day.
delivery_totals = Table(
    "delivery_totals",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("state", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    CheckConstraint("state IN ('done', 'dead')", name="state"),
)
