"""What it takes to run Herkend: who runs, what has its time, what shops were asked, what needs the merchant.

It only adds: an older web process or worker goes on beside it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Forward only."""
    op.create_table("fit_versions", sa.Column("version", sa.Text(), primary_key=True, nullable=False))
    op.execute("INSERT INTO fit_versions VALUES ('0001')")
    op.create_table(
        "processes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('web', 'worker')", name=op.f("ck_processes_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    op.create_table(
        "timetable",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_timetable")),
    )
    op.create_table(
        "delivery_totals",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('done', 'dead')", name=op.f("ck_delivery_totals_state")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_delivery_totals_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "state", name=op.f("pk_delivery_totals")),
    )
    op.create_table(
        "saleor_calls",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_saleor_calls_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "operation", "outcome", name=op.f("pk_saleor_calls")),
    )
    op.create_table(
        "shop_problems",
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_message", sa.Text(), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_shop_problems_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "key", name=op.f("pk_shop_problems")),
    )
    op.create_table(
        "webhook_syncs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_webhook_syncs_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_syncs")),
    )
    op.create_index(op.f("ix_webhook_syncs_shop_id"), "webhook_syncs", ["shop_id"], unique=False)
    op.create_table(
        "traces",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_traces_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_traces")),
    )
    op.execute(
        "INSERT INTO delivery_totals SELECT shop_id, state, count(*) FROM deliveries WHERE state <> 'new' GROUP BY 1, 2"
    )
    op.create_index(
        "ix_deliveries_bodies",
        "deliveries",
        ["state", "processed_at"],
        unique=False,
        postgresql_where=sa.text("body IS NOT NULL AND processed_at IS NOT NULL"),
    )
