"""Tables of how the installation itself fares: its processes, its timetable, its talks with the shops."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
)

from plugin.db import metadata

# Who runs, and was seen when; a process that ends well takes its row with it.
processes = Table(
    "processes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('web', 'worker')", name="kind"),
)

# The last run of everything that has its time. `ended_at` is when one last ended well, `problem` how the last failed:
# begun later than that and without a problem means that it runs, or was lost.
timetable = Table(
    "timetable",
    metadata,
    Column("name", Text, primary_key=True),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("problem", Text),
)

# What was asked of each shop since it is known, by operation and how it ended.
saleor_calls = Table(
    "saleor_calls",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
)
