"""A home in which everything has been done with the documents that can be, to be looked through after a deletion."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlmodel import select

from rag.chat.artifact import chat_model_artifact
from rag.chat.data_artifact import chat_data_artifact
from rag.chat.serving import register_chat_model
from rag.config import NegativesConfig
from rag.corpus.artifact import active_documents
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import finetuned_embedder
from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.llm.access import LanguageModels
from rag.llm.ledger import Record
from rag.pairs.artifact import collection_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.mining import negatives_artifact
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile, load_config
from rag.releases import Candidate, open_retriever, refresh_release, register_candidate
from rag.reranking.artifact import late_interaction
from rag.retrieval.artifact import index_artifact, load_index
from rag.retrieval.query import Query
from rag.retrieval.searcher import SearchModels
from rag.retrieval.shards import load_shard
from rag.settings import Settings
from rag.workspace import Workspace
from storage.registry import Release
from storage.tables import InteractionRow
from tests.company import write_company, write_questions

SMOKE = load_config(Profile.SMOKE)
CONFIG = SMOKE.model_copy(
    update={
        "negatives": NegativesConfig(per_pair=2, rounds=1),
        "embedding": SMOKE.embedding.model_copy(update={"max_steps": 1, "checkpoints": 1}),
        "chat": SMOKE.chat.model_copy(update={"training": SMOKE.chat.training.model_copy(update={"max_steps": 1})}),
    }
)
GONE, STAYS, UNSEEN = "birk.md", "cedern.md", "alder.md"
"""Two that the split trains on, and one that it evaluates on."""
OF_GONE = (
    "lung of the Birk",
    "muster of the Birk",
    "valley number 1",
    "update of the Birk",
    "cover on the Birk",
    "quoxelwright",  # a word of its own, which any list of words would hold
)
OF_STAYS = ("lung of the Cedern",)


def ingest(space, folder, collection="default"):
    uploads = seal_uploads(space.artifacts, space.database, collection, [str(folder)]).uploads
    return ingest_uploads(space.artifacts, space.database, collection, uploads, CONFIG.chunking)


def opened(folder, patch, create=False):
    patch.setenv("RAGLOOP_HOME", str(folder / "home"))
    patch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
    return Workspace.open(Settings(), create)


def fill(space, folder):
    documents = write_company(folder / "documents")
    with (documents / GONE).open("a") as file:
        file.write("\n\nWhat the quoxelwright says of the Birk is not for everybody.")
    ingest(space, documents)
    known = load_alignable(space.artifacts, space.database, "default")
    questions = read_questions(write_questions(folder / "questions.jsonl"))
    import_questions(space.database, space.sealer, "default", questions, known)
    first = refresh_release(space, "default", CONFIG)

    store = space.artifacts
    made = collection_pairs(store, space.database, "default", CONFIG)
    negatives = negatives_artifact(space, "default", made.pairs, None, CONFIG)
    embedder = finetuned_embedder(store, first.embedder, made.pairs, CONFIG.embedding, space.device, None, negatives)
    index = index_artifact(store, space.device, made.corpus, embedder, CONFIG, with_tokens=True)
    reranker = late_interaction(store, space.device, index, embedder, CONFIG)
    models = SearchModels(embedder=embedder, index=index, reranker=reranker)
    retrieval = CONFIG.retrieval.model_copy(update={"rerank_weight": 0.3})
    candidate = Candidate(corpus=made.corpus, pairs=made.pairs, models=models, retrieval=retrieval)
    tuned = register_candidate(space, "default", candidate, CONFIG).id
    space.registry.promote("default", tuned, "better")
    conversations = chat_data_artifact(space, "default", CONFIG)
    chat = chat_model_artifact(store, "bundled", conversations, CONFIG.chat.training, space.device)
    space.registry.promote("default", register_chat_model(space, "default", chat, CONFIG).id, "it speaks")

    # A second version, the same bytes elsewhere, and what people said.
    with (documents / GONE).open("a") as file:
        file.write("\n\nThe lung of the Birk is to be dusted weekly.")
    ingest(space, documents)
    refresh_release(space, "default", CONFIG)
    for name in (GONE, STAYS):
        ingest(space, documents / name, "other")

    ask(space, tuned, "How far from the wall?", "The lung of the Birk stands at 17 cm [1].", GONE)
    liked = ask(space, tuned, "And the Cedern?", "The lung of the Cedern stands at 24 cm [1].", STAYS)
    react(space, liked, FeedbackKind.THUMB_UP)
    quote = "A muster of the Birk takes 18 minutes and must not be cut short."
    ask(space, tuned, "And for the Cedern?", "The lung of the Cedern [1].", STAYS, history=f'["{quote}"]')
    corrected = ask(space, tuned, "How long is it?", "The lung of the Cedern [1].", STAYS)
    react(space, corrected, FeedbackKind.CORRECTION, quote)
    ids = {row.name: row.id for row in active_documents(space.database, "default")}
    ledger = LanguageModels.of(space).ledger
    ledger.write("a" * 32, Record(text="the lung of the Birk", about=(ids[GONE],)))
    ledger.write("b" * 32, Record(text="the lung of the Cedern", about=(ids[STAYS],)))
    space.database.close()


def ask(space, release, question, answer, document, **fields):
    """Record an interaction whose answer cites a document's first chunk; return its id."""
    row = next(row for row in active_documents(space.database, "default") if row.name == document)
    chunk = f"{row.id}:0"
    return record_interaction(
        space.database,
        Interaction(
            collection="default",
            release_id=release,
            question=question,
            answer=answer,
            retrieved=(Retrieved(chunk_id=chunk, rank=1, score=1.0),),
            citations=({"number": 1, "chunk_id": chunk, "doc_id": row.id, "char_start": 0, "char_end": 9},),
            **fields,
        ),
    )


def react(space, interaction, kind, text=None):
    said = Feedback(interaction_id=interaction, kind=kind, text=text, user_fingerprint="u")
    record_feedback(space.database, said, 1000)


def copied(filled, folder):
    """Copy a home; what lies in its artifacts never changes, and is linked."""

    def copy(source, target):
        (os.link if "/artifacts/" in source else shutil.copy)(source, target)

    return Path(shutil.copytree(filled, folder / "copy", copy_function=copy))


class Before(NamedTuple):
    """What a home held before a deletion."""

    places: list[str]
    others: list[str]
    doc_ids: set[str]
    vectors: set[bytes]
    sealed: dict[str, list[bytes]]
    """Text of chunks, by document id."""
    production: Release
    interactions: dict[str, InteractionRow]


def rows(space, table):
    with space.database.reading() as session:
        return session.exec(select(table)).all()


def found(space, question="How far from the wall is the outdoor unit?"):
    hits = open_retriever(space, "default", "production", CONFIG).search(Query(id="q", question=question), 50)
    return {hit.chunk.document for hit in hits}


def vectors_of(space, doc_ids):
    """Return the vectors that documents have in the index that serves, each as bytes."""
    index = load_index(space.artifacts, space.registry.production("default").index)
    owners = np.repeat([chunk.doc_id in doc_ids for chunk in index.chunks], [len(own) for own in index.windows])
    whole = [vectors for vectors in all_vectors(space) if len(vectors) == len(owners)]
    return {row.tobytes() for vectors in whole for row in vectors[owners]}


def all_vectors(space):
    shards = [ref for ref in space.artifacts.refs() if ref.kind == "vectors"]
    return [load_shard(space.artifacts, ref).vectors for ref in shards]
