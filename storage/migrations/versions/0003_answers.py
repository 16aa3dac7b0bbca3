"""What an answer rests on, which passage a reaction is about, keys of the API, and files that came through it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INTERACTION = (
    sa.Column("history", sa.LargeBinary(), nullable=True),
    sa.Column("citations", sa.JSON(), server_default="[]", nullable=False),
    sa.Column("found", sa.Boolean(), nullable=True),
    sa.Column("support", sa.Float(), nullable=True),
    sa.Column("silent", sa.JSON(), server_default="[]", nullable=False),
    sa.Column("cached", sa.Boolean(), server_default=sa.false(), nullable=False),
)


def upgrade() -> None:
    for column in _INTERACTION:
        op.add_column("interaction", column.copy())
    op.add_column("feedback", sa.Column("chunk_id", sa.String(), nullable=True))
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key_sha256", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("collections", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_key_key_sha256")),
    )
    op.create_table(
        "upload",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("artifact_uri", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index(op.f("ix_upload_collection"), "upload", ["collection"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_upload_collection"), table_name="upload")
    op.drop_table("upload")
    op.drop_table("api_key")
    op.drop_column("feedback", "chunk_id")
    for column in reversed(_INTERACTION):
        op.drop_column("interaction", column.name)
