"""A collection that is used: a release, questions to it, reactions to them; also from other processes."""

from sqlmodel import select

from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction
from storage.artifacts import ArtifactRef
from storage.database import Database
from storage.registry import Registry
from storage.sealing import Keyring, Sealer
from storage.tables import FeedbackRow, OutboxRow


def ask(database, collection="docs"):
    """Return the id of a new interaction."""
    release = Registry(database).register(
        collection,
        parent_id=None,
        reason="first",
        embedder=ArtifactRef.of("embedder", "e"),
        index=ArtifactRef.of("index", "i"),
        answering={},
        config={},
        lineage={},
    )
    return record_interaction(
        database, Interaction(collection=collection, release_id=release.id, question="How long is the warranty?")
    )


def react(database, interaction_id, n=1, threshold=50):
    """Return the ids of n new reactions."""
    thumb = Feedback(interaction_id=interaction_id, kind=FeedbackKind.THUMB_UP)
    return [record_feedback(database, thumb, threshold) for _ in range(n)]


def address(database):
    """Return what `opened` needs to open the same database in another process."""
    key = database.engine.dialect.ragloop_sealer.keyring.to_json()
    return database.url.render_as_string(hide_password=False), key


def opened(url, key):
    return Database(url, Sealer(Keyring.from_json(key)))


def react_from_process(url, key, interaction_id, n, threshold):
    react(opened(url, key), interaction_id, n, threshold)


def feedback_ids(database, collection="docs"):
    with database.reading() as session:
        query = select(FeedbackRow.id).where(FeedbackRow.collection == collection).order_by(FeedbackRow.id)
        return session.exec(query).all()


def events(database):
    with database.reading() as session:
        return session.exec(select(OutboxRow).order_by(OutboxRow.id)).all()
