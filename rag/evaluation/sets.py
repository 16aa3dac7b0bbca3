"""Evaluation sets: the questions that judge, frozen, so that releases of different nights are asked the same."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from rag.config import Config, EvaluationConfig
from rag.corpus.artifact import active_documents
from rag.errors import BadQuestions, EmptyCorpus, LeakFound
from rag.pairs.artifact import load_pairs
from rag.pairs.assembly import SplitPairs
from rag.pairs.filters import assert_no_leak
from rag.pairs.pair import Origin, QueryPair
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.tables import EvaluationSetRow

KIND = "evaluationset"
_QUESTIONS = "questions.encrypted"


class EvaluationSet(BaseModel):
    """A version of a collection's evaluation set."""

    model_config = ConfigDict(frozen=True)

    version: int
    ref: ArtifactRef
    reason: str
    """Why it took the place of the one before."""
    created_at: datetime


def frozen_set(space: Workspace, collection: str, pairs: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the questions that judge what is trained on `pairs`: the collection's latest set while it stands.

    A new version is frozen if there is none, if a document of the latest has changed, if what is trained would touch
    it, or if there are so many new questions that it would judge better.

    :raises EmptyCorpus: if there is no question to freeze.
    :raises LeakFound: if a training pair touches the new version all the same.
    """
    made = load_pairs(space.artifacts, pairs)
    drawn = _drawn(made.evaluation, config.evaluation.questions_max)
    latest = _latest(space, collection)
    reason = "none was there"
    if latest is not None:
        frozen = load_questions(space.artifacts, latest.ref)
        found = _changed(frozen, made) or _grown(frozen, drawn, config)
        if _stands(space, collection, frozen) and found is None:
            return latest.ref
        reason = f"{found or 'documents are gone from under questions'} of version {latest.version}"
    if not drawn:
        remedy = "import questions with `ragloop pairs import FILE.jsonl`, or ingest more documents"
        raise EmptyCorpus(f"no question to judge by in the collection {collection!r}: {remedy}")
    assert_no_leak([*made.train, *made.validation], drawn)
    ref = _set_artifact(space.artifacts, pairs, drawn, config.evaluation)
    _keep(space, collection, ref, reason)
    return ref


def judging_set(space: Workspace, collection: str) -> ArtifactRef | None:
    """Return the set that judged last, while its documents stand; None if there is none."""
    latest = _latest(space, collection)
    if latest is None or not _stands(space, collection, load_questions(space.artifacts, latest.ref)):
        return None
    return latest.ref


def load_questions(store: ArtifactStore, ref: ArtifactRef) -> list[QueryPair]:
    """Open the questions of an evaluation set."""
    # Bytes, since text has more ends of lines than the one that we write.
    return [QueryPair.model_validate_json(line) for line in store.unseal(ref, _QUESTIONS).splitlines()]


def evaluation_sets(space: Workspace, collection: str) -> list[EvaluationSet]:
    """Return the versions of a collection's set, oldest first.

    Those that were frozen while a document was there that has been deleted since are gone with it.
    """
    query = select(EvaluationSetRow).where(EvaluationSetRow.collection == collection)
    with space.database.reading() as session:
        rows = session.exec(query.order_by(col(EvaluationSetRow.version))).all()
        found = [
            EvaluationSet(
                version=row.version,
                ref=ArtifactRef.parse(row.artifact_uri),
                reason=row.reason,
                created_at=row.created_at,
            )
            for row in rows
        ]
    return [each for each in found if space.artifacts.find(KIND, each.ref.digest)]


def named_set(space: Workspace, collection: str, version: int) -> ArtifactRef:
    """Return a version of a collection's set.

    :raises BadQuestions: if it has none of that number.
    """
    known = {each.version: each.ref for each in evaluation_sets(space, collection)}
    if version not in known:
        there = f"give one of {', '.join(map(str, known))}" if known else "freeze the first with `ragloop evaluate`"
        raise BadQuestions(f"the collection {collection!r} has no evaluation set {version}: {there}")
    return known[version]


def _drawn(questions: Sequence[QueryPair], at_most: int) -> list[QueryPair]:
    """Return real questions first, then synthetic ones; who is drawn does not depend on the others."""

    def place(pair: QueryPair) -> tuple[bool, str]:
        return pair.origin is not Origin.REAL, hashlib.sha256(pair.id.encode()).hexdigest()

    return sorted(questions, key=place)[:at_most]


def _latest(space: Workspace, collection: str) -> EvaluationSet | None:
    return next(reversed(evaluation_sets(space, collection)), None)


def _stands(space: Workspace, collection: str, frozen: Sequence[QueryPair]) -> bool:
    """Say whether there are questions, and the collection has all their documents, in those versions."""
    there = {row.id for row in active_documents(space.database, collection)}
    return bool(frozen) and all(there.issuperset(pair.doc_ids) for pair in frozen)


def _changed(frozen: Sequence[QueryPair], made: SplitPairs) -> str | None:
    """Return what does not hold any more of questions that were frozen, or None."""
    current = {pair.id: pair for pair in made.evaluation}
    moved = sum(_place(current.get(pair.id, pair)) != _place(pair) for pair in frozen)
    if moved:
        return f"documents have changed under {moved} of {len(frozen)} questions"
    try:
        assert_no_leak([*made.train, *made.validation], frozen)
    except LeakFound:
        return "what is trained has come to touch questions"
    return None


def _grown(frozen: Sequence[QueryPair], drawn: Sequence[QueryPair], config: Config) -> str | None:
    """Return how many new questions of one origin there are beside those that were frozen, if enough, or None.

    Synthetic ones count only while real ones are too few to decide: another writer writes others.
    """
    known = {pair.id for pair in frozen}
    before = Counter(pair.origin for pair in frozen)
    new = Counter(pair.origin for pair in drawn if pair.id not in known)
    n_real = max(before[Origin.REAL], sum(pair.origin is Origin.REAL for pair in drawn))
    counted = [Origin.REAL] if n_real >= config.gate.min_questions else [Origin.REAL, Origin.SYNTHETIC]
    for origin in counted:
        if new[origin] and new[origin] >= config.evaluation.renew_share * before[origin]:
            return f"{new[origin]} more {origin} questions beside the {before[origin]}"
    return None


def _place(pair: QueryPair) -> tuple[object, ...]:
    return pair.doc_id, pair.answer_start, pair.answer_end, pair.second


def _set_artifact(
    store: ArtifactStore, pairs: ArtifactRef, drawn: Sequence[QueryPair], config: EvaluationConfig
) -> ArtifactRef:
    def write(draft: Draft) -> dict[str, Any]:
        draft.seal(_QUESTIONS, "\n".join(pair.model_dump_json() for pair in drawn).encode())
        return {
            "questions": len(drawn),
            "by_origin": dict(Counter(pair.origin for pair in drawn)),
            "by_type": dict(Counter(pair.question_type for pair in drawn)),
            "documents": len({pair.document for pair in drawn}),
        }

    return store.build(
        KIND,
        inputs={"pairs": pairs.digest},
        config={"questions_max": config.questions_max},
        recipe=["rag.evaluation.sets"],
        write=write,
        reads=[pairs],
    )


def _keep(space: Workspace, collection: str, ref: ArtifactRef, reason: str) -> None:
    """Note a new version, unless it is the latest one already."""
    with space.database.session() as session:
        space.database.lock(session, f"evaluation-sets/{collection}")
        query = select(EvaluationSetRow).where(EvaluationSetRow.collection == collection)
        latest = session.exec(query.order_by(col(EvaluationSetRow.version).desc())).first()
        if latest is None or latest.artifact_uri != ref.uri:
            version = latest.version + 1 if latest else 1
            session.add(EvaluationSetRow(collection=collection, version=version, artifact_uri=ref.uri, reason=reason))
