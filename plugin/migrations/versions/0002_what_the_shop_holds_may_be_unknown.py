"""What the shop holds may be unknown: a request whose answer never came."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Forward only."""
    op.add_column("publications", sa.Column("telling", sa.Boolean(), server_default="false", nullable=False))
    op.drop_index("ix_publications_due", table_name="publications")
    op.create_index(
        "ix_publications_due",
        "publications",
        ["shop_id", "wanted_at"],
        unique=False,
        postgresql_where=sa.text(
            "(telling OR wanted_public IS DISTINCT FROM told_public"
            " OR wanted_private IS DISTINCT FROM told_private) AND NOT gone"
        ),
    )
