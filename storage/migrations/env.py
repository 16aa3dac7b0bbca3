"""Runs migrations on the connection that `Database.migrate` gives.

To write a new one: `alembic -c storage/migrations/alembic.ini -x url=sqlite:///scratch.db upgrade head`, change the
tables, then the same with `revision --autogenerate --rev-id 0002 -m WHAT`, and set HEAD.
"""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, create_engine

from storage.columns import SealedText, UtcDateTime
from storage.tables import Table

_PLAIN_TYPES = {SealedText: "sa.LargeBinary()", UtcDateTime: "sa.DateTime(timezone=True)"}


def _render_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write plain types into a migration, which must not change when our own types do."""
    if kind != "type":
        return False
    return "sa.String()" if type(item).__name__ == "AutoString" else _PLAIN_TYPES.get(type(item), False)


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Table.metadata, render_item=_render_type, render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with create_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as opened:
        _run(opened)
        opened.commit()
