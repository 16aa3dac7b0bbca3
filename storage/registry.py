"""Releases, and which of them serves. Promote and rollback swap one row in one transaction."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal

from sqlmodel import Session, col, func, select

from storage.columns import utc_now
from storage.database import Database
from storage.errors import ProductionMoved, ReleaseNotFound, ReleaseWithdrawn, StorageError
from storage.manifest import ArtifactRef
from storage.release import (
    Evaluation,
    Promotion,
    Release,
    ReleaseState,
    evaluation_fact,
    lineage_digest,
    release_fact,
    served_steps,
)
from storage.tables import EvaluationRow, ProductionRow, PromotionRow, ReleaseRow

__all__ = ["Evaluation", "Promotion", "Registry", "Release", "ReleaseState"]


class Registry:
    """The releases of all collections of one home."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self,
        collection: str,
        *,
        parent_id: int | None,
        reason: str,
        embedder: ArtifactRef,
        index: ArtifactRef,
        answering: Mapping[str, Any],
        config: Mapping[str, Any],
        lineage: Mapping[str, Any],
        reranker: ArtifactRef | None = None,
        chat_model: ArtifactRef | None = None,
    ) -> Release:
        """Return the release of these parts: a new candidate, or the one that they already make."""
        digest = lineage_digest(embedder, index, answering, reranker, chat_model, lineage)
        with self._database.session() as session:
            self._database.lock(session, f"releases/{collection}")
            known = select(ReleaseRow).where(ReleaseRow.collection == collection, ReleaseRow.lineage_digest == digest)
            row = session.exec(known).first()
            if row is None:
                row = ReleaseRow(
                    collection=collection,
                    parent_id=parent_id,
                    reason=reason,
                    config=dict(config),
                    lineage_digest=digest,
                    embedder_uri=embedder.uri,
                    embedder_digest=embedder.digest,
                    index_uri=index.uri,
                    index_digest=index.digest,
                    reranker_uri=reranker.uri if reranker else None,
                    chat_model_uri=chat_model.uri if chat_model else None,
                    answering=dict(answering),
                    lineage=dict(lineage),
                )
                session.add(row)
                session.flush()
            elif row.state == ReleaseState.WITHDRAWN:  # its documents are back, and so are its parts
                row.state, row.reason = ReleaseState.CANDIDATE, reason
            return release_fact(row)

    def get(self, collection: str, release_id: int) -> Release:
        """Return a release.

        :raises ReleaseNotFound: if the collection has none with that id.
        """
        with self._database.reading() as session:
            return release_fact(_row(session, collection, release_id))

    def list(self, collection: str) -> Sequence[Release]:
        """Return the collection's releases, oldest first."""
        with self._database.reading() as session:
            query = select(ReleaseRow).where(ReleaseRow.collection == collection).order_by(col(ReleaseRow.id))
            return [release_fact(row) for row in session.exec(query)]

    def production(self, collection: str) -> Release | None:
        """Return what serves, or None before the first promotion."""
        with self._database.reading() as session:
            production = session.get(ProductionRow, collection)
            return release_fact(_row(session, collection, production.release_id)) if production else None

    def history(self, collection: str) -> Sequence[Promotion]:
        """Return every change of production, oldest first."""
        with self._database.reading() as session:
            return [Promotion.model_validate(row.model_dump()) for row in _promotions(session, collection)]

    def promote(
        self,
        collection: str,
        release_id: int,
        reason: str,
        action: Literal["promote", "refresh"] = "promote",
        instead_of: int | None | Literal["any"] = "any",
    ) -> Release:
        """Let a release serve; nothing changes if it does already.

        :param instead_of: the release that must still serve, None for none; what was built for it would undo another.
        :raises ReleaseNotFound: if the collection has none with that id.
        :raises ProductionMoved: if another release than `instead_of` serves.
        :raises ReleaseWithdrawn: if it was.
        """
        with self._database.session() as session:
            self._database.lock(session, f"releases/{collection}")
            production = session.get(ProductionRow, collection, populate_existing=True)
            if instead_of != "any" and instead_of != (production.release_id if production else None):
                raise ProductionMoved(
                    f"another release began to serve {collection} before release {release_id} could: run it again"
                )
            row = _row(session, collection, release_id)
            if row.state == ReleaseState.WITHDRAWN:
                raise ReleaseWithdrawn(f"release {release_id} cannot serve again ({row.reason}): promote another")
            return _swap(session, row, reason, action)

    def withdraw(
        self, collection: str, part_uris: Set[str], reason: str, production_too: bool = False
    ) -> Sequence[int]:
        """Let no release with one of these indexes or chat models serve again; return their ids.

        With `production_too` the one that serves is among those, and nothing serves the collection until the next
        promotion.

        :raises ProductionMoved: if one of them serves and is not to be touched.
        """
        with self._database.session() as session:
            self._database.lock(session, f"releases/{collection}")
            query = select(ReleaseRow).where(ReleaseRow.collection == collection).order_by(col(ReleaseRow.id))
            rows = [row for row in session.exec(query) if not part_uris.isdisjoint((row.index_uri, row.chat_model_uri))]
            production = session.get(ProductionRow, collection, populate_existing=True)
            if production is not None and production.release_id in {row.id for row in rows}:
                if not production_too:
                    raise ProductionMoved(f"release {production.release_id} began to serve {collection}: run it again")
                session.delete(production)
                session.add(
                    PromotionRow(
                        collection=collection,
                        release_id=production.release_id,
                        previous_id=production.release_id,
                        action="withdraw",
                        reason=reason,
                    )
                )
            for row in rows:
                if row.state != ReleaseState.WITHDRAWN:
                    row.state, row.reason = ReleaseState.WITHDRAWN, reason
            return [_id(row.id) for row in rows]

    def rollback(self, collection: str, reason: str) -> Release:
        """Let the models serve that did before, with the documents that they knew last; again, those before them.

        New documents are no step of their own, and releases that were withdrawn are passed over.

        :raises ReleaseNotFound: if none served before that still can.
        """
        with self._database.session() as session:
            self._database.lock(session, f"releases/{collection}")
            served = served_steps(_promotions(session, collection))
            steps = [[_row(session, collection, release_id) for release_id in step] for step in served]
            unable = {ReleaseState.PRODUCTION, ReleaseState.WITHDRAWN}
            able = [row for step in steps[:-1] for row in step if row.state not in unable]
            if not able:
                withdrawn = any(row.state == ReleaseState.WITHDRAWN for step in steps for row in step)
                why = ", since those before held a document that was deleted" if withdrawn else ""
                raise ReleaseNotFound(
                    f"collection {collection!r} has no earlier release to roll back to{why}: "
                    "see `ragloop releases list` for one to promote"
                )
            return _swap(session, able[-1], reason, "rollback")

    def keep_out(self, release_id: int, reason: str) -> Release:
        """Note that a candidate failed.

        :raises ReleaseNotFound: if there is none with that id.
        :raises StorageError: if it serves.
        """
        with self._database.session() as session:
            row = session.get(ReleaseRow, release_id)
            if row is None:
                raise ReleaseNotFound(f"no release {release_id}: see `ragloop releases list`")
            self._database.lock(session, f"releases/{row.collection}")
            session.refresh(row)  # it may have been withdrawn before the lock was ours
            production = session.get(ProductionRow, row.collection)
            if production is not None and production.release_id == release_id:
                raise StorageError(f"release {release_id} serves and cannot be kept out: roll back or promote another")
            if row.state != ReleaseState.WITHDRAWN:
                row.state, row.reason = ReleaseState.KEPT_OUT, reason
            return release_fact(row)

    def record_evaluation(
        self,
        release_id: int,
        *,
        evaluation_set_digest: str,
        metrics: Mapping[str, Any],
        artifact: ArtifactRef,
        against_id: int | None = None,
        verdict: Literal["promote", "keep"] | None = None,
        reason: str | None = None,
    ) -> Evaluation:
        """Keep what a release scored.

        :raises ReleaseNotFound: if there is no such release.
        """
        with self._database.session() as session:
            for known in (release_id, against_id):
                if known is not None and session.get(ReleaseRow, known) is None:
                    raise ReleaseNotFound(f"no release {known}: see `ragloop releases list`")
            row = EvaluationRow(
                release_id=release_id,
                against_id=against_id,
                evaluation_set_digest=evaluation_set_digest,
                metrics=dict(metrics),
                verdict=verdict,
                reason=reason,
                artifact_uri=artifact.uri,
            )
            session.add(row)
            session.flush()
            return evaluation_fact(row)

    def judged_against(self, release_ids: Sequence[int]) -> Sequence[Evaluation]:
        """Return the verdicts on what was to replace any of these releases, oldest first."""
        with self._database.reading() as session:
            query = select(EvaluationRow).where(
                col(EvaluationRow.against_id).in_(release_ids), col(EvaluationRow.verdict).is_not(None)
            )
            return [evaluation_fact(row) for row in session.exec(query.order_by(col(EvaluationRow.id)))]

    def judgements(self, collection: str) -> Mapping[int, Evaluation]:
        """Return the last verdict on each release of a collection, by its id; those that were not judged have none."""
        with self._database.reading() as session:
            last = select(func.max(EvaluationRow.id)).join(ReleaseRow, col(ReleaseRow.id) == EvaluationRow.release_id)
            last = last.where(ReleaseRow.collection == collection, col(EvaluationRow.verdict).is_not(None))
            query = select(EvaluationRow).where(col(EvaluationRow.id).in_(last.group_by(col(EvaluationRow.release_id))))
            return {row.release_id: evaluation_fact(row) for row in session.exec(query)}

    def evaluations(self, release_id: int) -> Sequence[Evaluation]:
        """Return what a release has scored, oldest first."""
        with self._database.reading() as session:
            query = select(EvaluationRow).where(EvaluationRow.release_id == release_id).order_by(col(EvaluationRow.id))
            return [evaluation_fact(row) for row in session.exec(query)]


def _swap(session: Session, row: ReleaseRow, reason: str, action: str) -> Release:
    """Let a release serve: production row, history and states, in the caller's transaction."""
    production = session.get(ProductionRow, row.collection, with_for_update=True)
    if production is not None and production.release_id == row.id:
        return release_fact(row)
    now, release_id = utc_now(), _id(row.id)
    previous_id = production.release_id if production else None
    if production is None:
        session.add(ProductionRow(collection=row.collection, release_id=release_id, since=now))
    else:
        previous = _row(session, row.collection, production.release_id)
        previous.state = ReleaseState.RETIRED
        production.release_id, production.since = release_id, now
    row.state, row.reason, row.promoted_at = ReleaseState.PRODUCTION, reason, now
    session.add(
        PromotionRow(
            collection=row.collection,
            release_id=release_id,
            previous_id=previous_id,
            action=action,
            reason=reason,
            at=now,
        )
    )
    session.flush()
    return release_fact(row)


def _promotions(session: Session, collection: str) -> Sequence[PromotionRow]:
    query = select(PromotionRow).where(PromotionRow.collection == collection).order_by(col(PromotionRow.id))
    return session.exec(query).all()


def _row(session: Session, collection: str, release_id: int) -> ReleaseRow:
    row = session.get(ReleaseRow, release_id)
    if row is None or row.collection != collection:
        raise ReleaseNotFound(f"collection {collection!r} has no release {release_id}: see `ragloop releases list`")
    return row


def _id(value: int | None) -> int:
    """Return the id of a row that has been written."""
    if value is None:
        raise StorageError("a row was used before it was written: flush the session first")
    return value
