"""Tables of what is known of customers: accounts, orders, and the persons they add up to."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from plugin.db import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("is_confirmed", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("joined_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Index("ix_accounts_email_key", "shop_id", "email_key"),
)

orders = Table(
    "orders",
    metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("number", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("origin", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("paid_at", DateTime(timezone=True)),
    Column("user_id", Text),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("gross", Numeric, nullable=False),
    Column("undiscounted", Numeric),
    Column("charged", Numeric, nullable=False),
    Column("refunded", Numeric, nullable=False),
    Column("voucher_code", Text),
    Column("details", JSONB, nullable=False),
    Index("ix_orders_user_id", "shop_id", "user_id"),
    Index("ix_orders_email_key", "shop_id", "email_key"),
)

persons = Table(
    "persons",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("shop_id", ForeignKey("shops.id"), nullable=False),
    Column("key", Text, nullable=False),
    # When the person's orders are to be read from the shop; `read_at` None: never yet, so nothing is decided.
    Column("read_due", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    Column("read_emails", ARRAY(Text), nullable=False, server_default="{}"),
    Column("read_failures", Integer, nullable=False, server_default="0"),
    Column("read_problem", Text),
    Column("review_due", DateTime(timezone=True)),
    UniqueConstraint("shop_id", "key"),
    Index("ix_persons_read_due", "shop_id", "read_due", postgresql_where=text("read_due IS NOT NULL")),
    Index(
        "ix_persons_review_due",
        "shop_id",
        "review_due",
        postgresql_where=text("review_due IS NOT NULL AND read_at IS NOT NULL"),
    ),
)

# The trace of the delivery that told of a person last: what follows from it goes on under that name. It is a table of
# its own because an older worker, which reads whole rows of persons, must go on beside it, and erase them.
traces = Table(
    "traces",
    metadata,
    Column("person_id", ForeignKey("persons.id", ondelete="CASCADE"), primary_key=True),
    Column("traceparent", Text, nullable=False),
)
