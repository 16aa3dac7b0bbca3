"""Experiments as they are kept: begun, looked up, ended."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from rag.config import ExperimentConfig
from rag.errors import ConfigError
from rag.experiments.look import Finding, Look
from storage.columns import utc_now
from storage.database import Database
from storage.errors import RagloopError
from storage.release import Release, ReleaseState
from storage.tables import ExperimentRow, ProductionRow, ReleaseRow

logger = logging.getLogger(__name__)

CONTROL, VARIANT = "control", "variant"
RECORDED = "variant of release "
"""So begins the reason of a candidate that was made for an experiment and is nothing besides."""
_TRIED = "experiment "
"""And so that of a release which an experiment kept out."""


class ExperimentNotFound(RagloopError):
    """No experiment answers to that id."""


class ExperimentRefused(RagloopError):
    """An experiment that cannot be begun or stopped now."""


class UnreadableExperiment(ExperimentRefused):
    """An experiment that was begun by a version of ragloop whose settings this one does not know."""


class ExperimentState(StrEnum):
    """Where an experiment is in its life."""

    RUNNING = "running"
    PROMOTED = "promoted"
    """The variant won, and serves."""
    STOPPED = "stopped"
    """The control goes on serving, or something else began to."""


class Experiment(BaseModel):
    """What serves against another release, for a part of the users."""

    model_config = ConfigDict(frozen=True)

    id: int
    collection: str
    name: str
    state: ExperimentState
    control_id: int
    variant_id: int
    shares: dict[str, float]
    """Of the users, for control and variant."""
    config: ExperimentConfig
    look: Look | None
    """What was seen last; None before the first look."""
    finding: Finding | None
    """What ended it, or is about to; None if nothing was found."""
    reason: str | None
    """Why it ended."""
    started_at: datetime
    ended_at: datetime | None
    rests_until: datetime | None
    """When it is to be looked at again; None before the first look."""

    @property
    def key(self) -> str:
        """What users are assigned by."""
        return f"experiment {self.id}"


def begin(
    database: Database, control: Release, variant: Release, name: str, share: float, config: ExperimentConfig
) -> Experiment:
    """Begin an experiment; one runs at a time in a collection.

    :param share: of the users who get the variant, above 0 and below 1.
    :raises ConfigError: if the share is not, or the name is empty.
    :raises ExperimentRefused: if one runs, or the control does not serve any more.
    """
    require_share(share)
    require_said("a name", name)
    collection = control.collection
    with database.session() as session:
        database.lock(session, f"experiments/{collection}")
        require_none(session, collection)
        production = session.get(ProductionRow, collection)
        if production is None or production.release_id != control.id:
            raise ExperimentRefused(f"another release than {control.id} began to serve {collection}: start it again")
        row = ExperimentRow(
            collection=collection,
            name=name,
            control_id=control.id,
            variant_id=variant.id,
            shares={CONTROL: 1 - share, VARIANT: share},
            config=config.model_dump(mode="json"),
        )
        session.add(row)
        session.flush()
        return _fact(row)


def require_share(share: float) -> None:
    """Check that a variant's share leaves users to both sides.

    :raises ConfigError: if it does not.
    """
    if not 0 < share < 1:
        raise ConfigError(f"a share of {share} compares nothing: give one above 0 and below 1")


def require_said(what: str, said: str) -> str:
    """Return what somebody calls an experiment, or why it ends.

    :raises ConfigError: if it is empty.
    """
    if not said.strip():
        raise ConfigError(f"{what} of no words says nothing: give one, or leave it out")
    return said


def require_none(session: Session, collection: str) -> None:
    """Check that no experiment runs in a collection.

    :raises ExperimentRefused: if one does.
    """
    query = _running().where(ExperimentRow.collection == collection)
    if (row := session.exec(query).first()) is not None:
        raise ExperimentRefused(
            f"experiment {row.id} ({row.name}) runs in {collection}: wait for its end, or `ragloop experiments stop`"
        )


def running(database: Database) -> Sequence[Experiment]:
    """Return the experiments that run, of all collections; one that cannot be read is left out, and logged."""
    with database.reading() as session:
        return _readable(session.exec(_running()))


def list_experiments(database: Database, collection: str) -> Sequence[Experiment]:
    """Return a collection's experiments, newest first; one that cannot be read is left out, and logged."""
    query = select(ExperimentRow).where(ExperimentRow.collection == collection).order_by(col(ExperimentRow.id).desc())
    with database.reading() as session:
        return _readable(session.exec(query))


def get_experiment(database: Database, collection: str, experiment_id: int | None = None) -> Experiment:
    """Return an experiment; the newest unless named.

    :raises ExperimentNotFound: if the collection has none with that id, or none at all.
    :raises UnreadableExperiment: if this version cannot read the one with that id.
    """
    if experiment_id is None:
        if newest := list_experiments(database, collection)[:1]:
            return newest[0]
        raise ExperimentNotFound(f"no experiment in {collection!r} yet: begin one with `ragloop experiments start`")
    with database.reading() as session:
        return _fact(_row(session, collection, experiment_id))


def move(database: Database, experiment: Experiment, control: Release, variant: Release) -> Experiment:
    """Let an experiment that runs go on between other releases, which answer as those before them; return it."""
    with database.session() as session:
        row = _locked(database, session, experiment)
        if row.state == ExperimentState.RUNNING:
            _keep_out(database, session, row, f"release {variant.id} answers so from the documents as they stand")
            row.control_id, row.variant_id = control.id, variant.id
        return _fact(row)


def keep_look(
    database: Database, experiment: Experiment, seen: Look, rest: timedelta = timedelta()
) -> Experiment | None:
    """Keep what was seen of an experiment, unless something was found before; None if it does not run any more.

    What was found first is what it ends by, whoever comes to end it: that stands in what is returned.

    :param rest: how long it need not be looked at again.
    """
    with database.session() as session:
        row = _locked(database, session, experiment)
        if row.state != ExperimentState.RUNNING:
            return None
        row.rests_until = utc_now() + rest
        if row.finding is None:
            row.look = seen.model_dump(mode="json")
            row.finding = None if seen.finding is Finding.GO_ON else seen.finding
        return _fact(row)


def end(database: Database, experiment: Experiment, state: ExperimentState, reason: str) -> Experiment | None:
    """End an experiment and return it; None if it had ended already, of which nothing changes.

    A variant that is a candidate yet is kept out if it was made for an experiment, or was found no better. Another that
    was named may be tried again.
    """
    with database.session() as session:
        row = _locked(database, session, experiment)
        return _ended(database, session, row, state, reason) if row.state == ExperimentState.RUNNING else None


def stop(database: Database, collection: str, experiment_id: int | None, reason: str) -> Experiment:
    """Stop an experiment by hand, the newest unless named; the control goes on serving, for all.

    :raises ConfigError: if the reason is empty.
    :raises ExperimentNotFound: as `get_experiment`.
    :raises ExperimentRefused: if it has ended, or has found a winner, which serves next.
    """
    require_said("a reason", reason)
    experiment = get_experiment(database, collection, experiment_id)
    with database.session() as session:
        row = _locked(database, session, experiment)
        if row.state != ExperimentState.RUNNING:
            why = f"has ended already ({row.reason}): see `ragloop experiments list`"
        elif row.finding == Finding.WINNER:
            why = (
                "has found a winner, which is being promoted: see `ragloop experiments status`, and `releases rollback`"
            )
        else:
            return _ended(database, session, row, ExperimentState.STOPPED, reason)
    raise ExperimentRefused(f"experiment {experiment.id} {why}")


def untold(database: Database) -> Sequence[Experiment]:
    """Return the experiments whose end nobody has acknowledged yet, oldest first, of those that can be read."""
    query = select(ExperimentRow).where(
        ExperimentRow.state != ExperimentState.RUNNING, col(ExperimentRow.told_at).is_(None)
    )
    with database.reading() as session:
        return _readable(session.exec(query.order_by(col(ExperimentRow.id))))


def mark_told(database: Database, experiment: Experiment) -> None:
    """Note that the end of an experiment was acknowledged."""
    with database.session() as session:
        _locked(database, session, experiment).told_at = utc_now()


def _running() -> SelectOfScalar[ExperimentRow]:
    return select(ExperimentRow).where(ExperimentRow.state == ExperimentState.RUNNING).order_by(col(ExperimentRow.id))


def _locked(database: Database, session: Session, experiment: Experiment) -> ExperimentRow:
    database.lock(session, f"experiments/{experiment.collection}")
    return session.get_one(ExperimentRow, experiment.id, populate_existing=True)


def _row(session: Session, collection: str, experiment_id: int) -> ExperimentRow:
    row = session.get(ExperimentRow, experiment_id)
    if row is None or row.collection != collection:
        raise ExperimentNotFound(f"no experiment {experiment_id} in {collection!r}: see `ragloop experiments list`")
    return row


def _ended(database: Database, session: Session, row: ExperimentRow, state: ExperimentState, reason: str) -> Experiment:
    row.state, row.reason, row.ended_at = state, reason, utc_now()
    _keep_out(database, session, row, reason)
    return _fact(row)


def _keep_out(database: Database, session: Session, row: ExperimentRow, reason: str) -> None:
    """Have nothing come of a variant that the experiment leaves, as `end` says."""
    database.lock(session, f"releases/{row.collection}")
    variant = session.get_one(ReleaseRow, row.variant_id, populate_existing=True)
    no_better = row.finding not in (None, Finding.WINNER)
    untried = variant.state == ReleaseState.CANDIDATE and (no_better or variant.reason.startswith(RECORDED))
    again = variant.state == ReleaseState.KEPT_OUT and variant.reason.startswith(_TRIED)
    if untried or again:
        variant.state, variant.reason = ReleaseState.KEPT_OUT, f"{_TRIED}{row.id} ({row.name}): {reason}"


def _readable(rows: Iterable[ExperimentRow]) -> list[Experiment]:
    found = []
    for row in rows:
        try:
            found.append(_fact(row))
        except UnreadableExperiment as error:  # which must not keep the others from what they are looked up for
            logger.warning("%s", error)
    return found


def _fact(row: ExperimentRow) -> Experiment:
    try:
        return Experiment.model_validate(row.model_dump() | {"look": row.look or None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnreadableExperiment(
            f"experiment {row.id} of {row.collection} was begun by another version of ragloop "
            f"({where}: {first['msg']}): use that version to see or stop it"
        ) from None
