"""Evaluation sets that were frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("artifact_uri", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_set")),
        sa.UniqueConstraint("collection", "version", name=op.f("uq_evaluation_set_collection_version")),
    )
    op.create_index(op.f("ix_evaluation_set_collection"), "evaluation_set", ["collection"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_evaluation_set_collection"), table_name="evaluation_set")
    op.drop_table("evaluation_set")
