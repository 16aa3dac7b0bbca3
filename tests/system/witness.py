"""Writes, as JSON, what a host sees of the default collection: digests, and the ten best chunks for each question."""

import json
import sys
from pathlib import Path

from rag.corpus.artifact import active_documents
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile, load_config
from rag.releases import open_retriever
from rag.retrieval.query import Query
from rag.settings import Settings
from rag.workspace import Workspace


def main(questions: Path) -> None:
    space = Workspace.open(Settings())
    releases = space.registry.list("default")
    shown = next((r for r in releases if "pairs" in r.lineage), releases[0])  # the candidate, once there is one
    retriever = open_retriever(space, "default", str(shown.id), load_config(Profile.SMOKE))
    top10 = {
        q.id: [hit.chunk.chunk_id for hit in retriever.search(Query(id=q.id, question=q.question), 10)]
        for q in read_questions(questions)
    }
    documents = {d.name: d.artifact_digest for d in active_documents(space.database, "default")}
    seen = {
        "documents": documents,
        "corpus": shown.lineage["corpus"]["digest"],
        "pairs": shown.lineage.get("pairs", {}).get("digest"),
        "embedder": shown.embedder.digest,
        "index": shown.index.digest,
        "answering": shown.answering,
        "states": [r.state for r in releases],
        "top10": top10,
    }
    json.dump(seen, sys.stdout)


main(Path(sys.argv[1]))
