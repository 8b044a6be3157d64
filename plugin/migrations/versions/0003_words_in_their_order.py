"""Words in their order."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Forward only."""
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "shop_settings", sa.Column("rules_version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("shops", sa.Column("listening_since", moment, nullable=False, server_default=sa.func.now()))
    op.add_column("shops", sa.Column("switched_at", moment, nullable=True))
    op.drop_index("ix_persons_review_due", table_name="persons")
    op.create_index(
        "ix_persons_review_due",
        "persons",
        ["shop_id", "review_due"],
        postgresql_where=sa.text("review_due IS NOT NULL AND read_at IS NOT NULL"),
    )
