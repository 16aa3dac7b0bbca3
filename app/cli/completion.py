"""What the shell offers at TAB: names and ids out of the home; in silence nothing, where there is none.

Shells put an offer unquoted into a command, so a name is offered only if it is one plain word to each of them.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rag.workspace import Workspace

Offer = str | tuple[str, str]
"""A value, or a value and what it is."""
_PLAIN_WORD = re.compile(r"(?!-)[\w./+,%-]+")
_NOT_PLAIN = re.compile(r"[^\w ./+,%:;-]+")


def collections() -> list[Offer]:
    """Return the names of the collections that serve."""
    from sqlmodel import select  # by itself: `rag.releases` takes as long to import as the rest of this

    from storage.tables import ProductionRow

    def names(space: "Workspace") -> list[Offer]:
        with space.database.reading() as session:
            return [*session.exec(select(ProductionRow.collection).order_by(ProductionRow.collection))]

    return _offers(names)


def documents(ctx: typer.Context) -> list[Offer]:
    """Return the names of the collection's documents that need no quotes."""
    from rag.corpus.artifact import active_documents

    def names(space: "Workspace") -> list[Offer]:
        found = active_documents(space.database, _collection(ctx))
        return [row.name for row in found if _PLAIN_WORD.fullmatch(row.name)]

    return _offers(names)


def release_ids(ctx: typer.Context) -> list[Offer]:
    """Return the ids of the collection's releases, newest first, each with its state and why it has it."""
    return _offers(
        lambda space: [
            (str(release.id), _NOT_PLAIN.sub(" ", f"{release.state.value.replace('_', ' ')}: {release.reason}"))
            for release in reversed(space.registry.list(_collection(ctx)))
        ]
    )


def release_names(ctx: typer.Context) -> list[Offer]:
    """Return what names a release: `production`, or an id."""
    return [("production", "what serves"), *release_ids(ctx)]


def profiles() -> list[Offer]:
    """Return the names of the profiles."""
    from rag.profiles import Profile

    return [profile.value for profile in Profile]


def ways() -> list[Offer]:
    """Return the names of the ways to answer."""
    from rag.answering.answer import Way

    return [way.value for way in Way]


def roles() -> list[Offer]:
    """Return the roles that a key can have."""
    from app.access import Role

    return [role.value for role in Role]


def _collection(ctx: typer.Context) -> str:
    return ctx.params.get("collection") or "default"


def _offers(found: "Callable[[Workspace], list[Offer]]") -> list[Offer]:
    from rag.settings import Settings
    from rag.workspace import Workspace

    try:
        return found(Workspace.open(Settings()))
    except Exception:  # whatever is wrong here, a line of complaint would land in what is being typed
        return []
