"""Feedback by collection, and an outbox that sends each event once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A plain ADD COLUMN: SQLite would forget AUTOINCREMENT, which the watermark counts on, if the table was copied.
    op.add_column("feedback", sa.Column("collection", sa.String(), server_default="", nullable=False))
    op.execute(
        "UPDATE feedback SET collection ="
        " (SELECT interaction.collection FROM interaction WHERE interaction.id = feedback.interaction_id)"
    )
    op.create_index(op.f("ix_feedback_collection_id"), "feedback", ["collection", "id"], unique=False)
    op.execute(
        "INSERT INTO watermark (collection, feedback_id, updated_at)"
        " SELECT DISTINCT collection, 0, CURRENT_TIMESTAMP FROM feedback"
        " WHERE collection NOT IN (SELECT collection FROM watermark)"
    )
    # Nothing wrote to the outbox before this revision.
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("watermark", sa.Integer(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_sent", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("collection", "topic", "watermark", name=op.f("uq_outbox_collection_topic_watermark")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )


def downgrade() -> None:
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.drop_index(op.f("ix_feedback_collection_id"), table_name="feedback")
    op.drop_column("feedback", "collection")
