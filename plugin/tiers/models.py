"""Tables of standings, and of what the shop was told of them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from plugin.db import metadata

standings = Table(
    "standings",
    metadata,
    Column("person_id", ForeignKey("persons.id"), primary_key=True),
    Column("tier", Text, nullable=False),
    Column("since", Date),
    Column("until", Date),
    Column("quiet_since", Date),
    Column("next_change", Date),
    Column("reasons", JSONB, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Index("ix_standings_next_change", "next_change", postgresql_where=text("next_change IS NOT NULL")),
)

UNPUBLISHED = (
    "(telling OR wanted_public IS DISTINCT FROM told_public OR wanted_private IS DISTINCT FROM told_private)"
    " AND NOT gone"
)

publications = Table(
    "publications",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("shop_id", ForeignKey("shops.id"), nullable=False),
    Column("person_id", ForeignKey("persons.id"), nullable=False),
    Column("target_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("wanted_public", Text),
    Column("wanted_private", Text),
    Column("wanted_at", DateTime(timezone=True), nullable=False),
    Column("told_public", Text),
    Column("told_private", Text),
    Column("told_at", DateTime(timezone=True)),
    # A request is under way, or its answer never came: what the shop holds is not known.
    Column("telling", Boolean, nullable=False, server_default="false"),
    # The target is no longer there: nothing more is said about it.
    Column("gone", Boolean, nullable=False, server_default="false"),
    Column("retry_at", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("problem", Text),
    UniqueConstraint("shop_id", "target_id"),
    CheckConstraint("kind IN ('user', 'order')", name="kind"),
    Index("ix_publications_due", "shop_id", "wanted_at", postgresql_where=text(UNPUBLISHED)),
    Index("ix_publications_person_id", "person_id"),
)
