"""Alembic migrations, and the revision that this version of the tables needs."""

HEAD = "0006"
