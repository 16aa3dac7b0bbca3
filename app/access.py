"""Keys of the HTTP API: who may do what, with which collections. Only a key's digest is kept."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from storage.columns import utc_now
from storage.database import Database
from storage.errors import RagloopError
from storage.tables import ApiKeyRow

PREFIX = "rk_"
_ID_CHARS = 11
"""Of a key that are shown again later; they leave 208 bits unknown."""
_CREATE = "create one with `ragloop keys create`"


class KeyRefused(RagloopError):
    """No key was given, or one that opens nothing."""


class AccessDenied(RagloopError):
    """A good key that does not open this."""


class KeyNotFound(RagloopError):
    """No key answers to that id."""


class Role(StrEnum):
    """What a key may do; each role may also do what those before it may."""

    READER = "reader"
    """Ask, and react to answers."""
    TRAINER = "trainer"
    """Add and delete documents and training data, start a retraining."""
    ADMIN = "admin"
    """Promote and roll back releases, see the metrics."""

    def covers(self, other: "Role") -> bool:
        """Tell whether this role may do what another may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class Key(BaseModel):
    """What is known of a key, apart from the key itself."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    role: Role
    collections: tuple[str, ...]
    """What it opens; empty for all."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def opens(self, collection: str) -> bool:
        """Tell whether it opens a collection."""
        return not self.collections or collection in self.collections

    def require_role(self, role: Role) -> None:
        """Check that it may do what a role may.

        :raises AccessDenied: if not.
        """
        if not self.role.covers(role):
            raise AccessDenied(
                f"the key {self.id} has the role {self.role} and this takes {role}: {_CREATE} --role {role}"
            )

    def require_collection(self, collection: str) -> None:
        """Check that it opens a collection.

        :raises AccessDenied: if not.
        """
        if not self.opens(collection):
            raise AccessDenied(
                f"the key {self.id} does not open the collection {collection!r}: {_CREATE} --collection {collection}"
            )

    def require_all_collections(self) -> None:
        """Check that it is bound to no collection.

        :raises AccessDenied: if it is.
        """
        if self.collections:
            raise AccessDenied(f"the key {self.id} is bound to collections: {_CREATE} without --collection")


def create_key(
    database: Database, role: Role, collections: Sequence[str] = (), lasts: timedelta | None = None
) -> tuple[str, Key]:
    """Make a key and return it with what is known of it. It cannot be shown again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKeyRow(
        id=secret[:_ID_CHARS],
        key_sha256=_digest(secret),
        role=role.value,
        collections=sorted(set(collections)),
        expires_at=utc_now() + lasts if lasts is not None else None,
    )
    with database.session() as session:
        session.add(row)
    return secret, Key.model_validate(row)


def list_keys(database: Database) -> list[Key]:
    """Return all keys, oldest first."""
    with database.reading() as session:
        return [Key.model_validate(row) for row in session.exec(select(ApiKeyRow).order_by(col(ApiKeyRow.created_at)))]


def revoke_key(database: Database, key_id: str) -> Key:
    """End a key at once.

    :raises KeyNotFound: if there is none with that id.
    """
    with database.session() as session:
        row = session.get(ApiKeyRow, key_id)
        if row is None:
            raise KeyNotFound(f"no key {key_id!r}: see `ragloop keys list`")
        row.revoked_at = row.revoked_at or utc_now()
        return Key.model_validate(row)


def check_key(database: Database, secret: str | None) -> Key:
    """Return what is known of a key.

    :raises KeyRefused: if it is missing, unknown, expired or revoked.
    """
    if not secret:
        raise KeyRefused(f"no key was given: send `Authorization: Bearer {PREFIX}...`; {_CREATE}")
    with database.reading() as session:
        row = session.exec(select(ApiKeyRow).where(ApiKeyRow.key_sha256 == _digest(secret))).first()
    if row is None:
        raise KeyRefused(f"the key is not known here: check it, or {_CREATE}")
    if row.revoked_at is not None:
        raise KeyRefused(f"the key {row.id} was revoked: {_CREATE}")
    if row.expires_at is not None and row.expires_at <= utc_now():
        raise KeyRefused(f"the key {row.id} expired on {row.expires_at:%Y-%m-%d}: {_CREATE}")
    return Key.model_validate(row)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
