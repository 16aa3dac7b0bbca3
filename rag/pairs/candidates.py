"""Questions from feedback that may judge releases: a person looks at them, and takes the ones that are right."""

from collections.abc import Mapping, Sequence

from rag.config import Config
from rag.corpus.artifact import corpus_artifact
from rag.errors import BadQuestions
from rag.pairs.alignment import AlignableDocument
from rag.pairs.collection import ImportSummary, import_questions, load_alignable, real_questions
from rag.pairs.feedback_pairs import feedback_questions
from rag.pairs.questions_file import RealQuestion
from rag.pairs.splitting import load_split, split_artifact
from rag.pairs.words import normalize
from rag.workspace import Workspace
from storage.tables import QueryPairRow


def candidate_questions(space: Workspace, collection: str, config: Config) -> list[QueryPairRow]:
    """Return what feedback asks of documents that are judged by, less what was taken already; in no table.

    :raises EmptyCorpus: if the collection has no documents.
    """
    corpus = corpus_artifact(space.artifacts, space.database, collection)
    split = split_artifact(space.artifacts, space.database, collection, corpus, config.split, keep=False)
    splits = load_split(space.artifacts, split)
    found = feedback_questions(space.artifacts, space.database, collection, splits, config.pairs).candidates
    known = {(normalize(row.anchor), row.document) for row in real_questions(space.database, collection)}
    return [row for row in found if (normalize(row.anchor), row.document) not in known]


def accept_candidates(
    space: Workspace, collection: str, config: Config, ids: Sequence[str] | None = None
) -> ImportSummary:
    """Make candidates real questions of the collection, those with these ids or all; the evaluation set changes.

    :raises BadQuestions: if no candidate has one of the ids.
    """
    rows = {row.id: row for row in candidate_questions(space, collection, config)}
    if unknown := sorted(set(ids or ()) - rows.keys()):
        raise BadQuestions(f"no candidate {unknown[0]!r}: see `ragloop pairs candidates`; nothing was accepted")
    documents = load_alignable(space.artifacts, space.database, collection)
    chosen = [rows[id_] for id_ in (rows if ids is None else dict.fromkeys(ids))]
    questions = [_question(row, documents) for row in chosen]
    return import_questions(space.database, space.sealer, collection, questions, documents)


def _question(row: QueryPairRow, documents: Mapping[str, AlignableDocument]) -> RealQuestion:
    """Return a candidate as a question to import, by its place if its version of the document is the current one."""
    asked = RealQuestion(id=row.id, question=row.anchor, answer=row.answer, document=row.document)
    if row.doc_id not in documents:
        return asked
    quoted = documents[row.doc_id].text[row.answer_start : row.answer_end]
    place = {"answer_start": row.answer_start, "answer_end": row.answer_end}
    return asked.model_copy(update={"answer": quoted, **place})
