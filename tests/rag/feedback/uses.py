"""A collection that is used: a release, questions to it, reactions to them; also from other processes."""

from uuid import uuid4

from sqlmodel import select

from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction
from storage.artifacts import ArtifactRef
from storage.database import Database
from storage.registry import Registry
from storage.sealing import Keyring, Sealer
from storage.tables import DocumentRow, FeedbackRow, OutboxRow


def ask(database, collection="docs", question="How long is the warranty?", **fields):
    """Return the id of a new interaction, with other fields as given."""
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
    asked = Interaction(collection=collection, release_id=release.id, question=question, **fields)
    return record_interaction(database, asked)


def cited(doc_id, start, end, number=1):
    """Return a citation as an interaction keeps it."""
    return {"number": number, "chunk_id": f"{doc_id}:0", "doc_id": doc_id, "char_start": start, "char_end": end}


def say(database, interaction_id, kind, user=None, **fields):
    """Return the id of one reaction."""
    feedback = Feedback(interaction_id=interaction_id, kind=kind, user_fingerprint=user, **fields)
    return record_feedback(database, feedback, 50)


def react(database, interaction_id, n=1, threshold=50):
    """Return the ids of n new reactions, each of somebody else."""
    thumb = Feedback(interaction_id=interaction_id, kind=FeedbackKind.THUMB_UP)
    others = [thumb.model_copy(update={"user_fingerprint": uuid4().hex}) for _ in range(n)]
    return [record_feedback(database, each, threshold) for each in others]


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


def document_row(collection):
    """Return a document of a collection, by its name."""
    texts = dict.fromkeys(("content_sha256", "media_type", "artifact_uri", "artifact_digest"), "x")
    numbers = dict.fromkeys(("size_bytes", "n_pages", "n_chars", "n_chunks"), 9)
    return DocumentRow(id=collection, collection=collection, name=collection, **texts, **numbers)
