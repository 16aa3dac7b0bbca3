"""What people wrote that a page about a release quotes: questions, right answers and passages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.corpus.artifact import load_chunks
from rag.corpus.document import Chunk
from rag.evaluation.sets import KIND as EVALUATION_SET
from rag.evaluation.sets import load_questions
from rag.pairs.pair import QueryPair
from rag.report.changes import lineage_ref, manifest_of
from rag.report.example import Passage
from rag.report.facts import ReleaseReport
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@dataclass(frozen=True)
class Texts:
    """Texts by id; what went with a deleted document is not among them."""

    questions: Mapping[str, QueryPair]
    chunks: Mapping[str, Chunk]

    def passages(self, chunk_ids: Iterable[str], right: Iterable[str] = ()) -> list[Passage]:
        """Return passages in the order of their ids.

        :param right: ids of those that hold the evidence.
        """
        known, found = set(right), []
        for chunk_id in chunk_ids:
            chunk = self.chunks.get(chunk_id)
            if chunk is None:
                found.append(Passage("no longer there", None, "", chunk_id in known))
            else:
                found.append(Passage(chunk.document, chunk.page_no, chunk.text, chunk_id in known))
        return found


def load_texts(space: Workspace, report: ReleaseReport) -> Texts:
    """Open what a report quotes, in clear."""
    corpus = lineage_ref(report.release, "corpus")
    there = report.reports and manifest_of(space.artifacts, corpus)
    chunks = load_chunks(space.artifacts, corpus) if there and corpus else []
    return Texts(questions_asked(space, report), {chunk.chunk_id: chunk for chunk in chunks})


def questions_asked(space: Workspace, report: ReleaseReport) -> dict[str, QueryPair]:
    """Return the questions of the evaluation set that a verdict rests on, by id; none if it is gone."""
    if report.judgement is None:
        return {}
    ref = ArtifactRef.of(EVALUATION_SET, report.judgement.evaluation_set_digest)
    if manifest_of(space.artifacts, ref) is None:
        return {}
    return {pair.id: pair for pair in load_questions(space.artifacts, ref)}
