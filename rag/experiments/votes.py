"""What users say of the answers that they were shown in an experiment."""

from datetime import timedelta

from pydantic import ValidationError
from sqlmodel import Session, func, select

from rag.config import ExperimentConfig
from rag.feedback.signals import VOTES, FeedbackKind
from storage.tables import ExperimentRow, ExposureRow, FeedbackRow


def count_vote(session: Session, said: FeedbackRow) -> None:
    """Note a vote on an answer of an experiment, by the user who asked, while the window is open.

    For good, once that has passed: a mind that is changed later must not change what has been looked at.
    """
    if said.kind not in VOTES or said.user_fingerprint is None:
        return
    query = select(ExposureRow, ExperimentRow).join(ExperimentRow)
    own = ExposureRow.interaction_id == said.interaction_id, ExposureRow.user_fingerprint == said.user_fingerprint
    if (found := session.exec(query.where(*own)).first()) is None:
        return
    shown, experiment = found
    since = select(func.min(ExposureRow.at)).where(
        ExposureRow.experiment_id == shown.experiment_id, ExposureRow.user_fingerprint == shown.user_fingerprint
    )
    try:
        window = timedelta(hours=ExperimentConfig.model_validate(experiment.config).window_h)
    except ValidationError:  # another version of ragloop began it, and only that one counts
        return
    if said.created_at < session.exec(since).one() + window:
        shown.satisfaction = _satisfaction(FeedbackKind(said.kind), said.value)


def _satisfaction(kind: FeedbackKind, value: float | None) -> float:
    """Return what a vote says, 0 to 1."""
    return float(kind is FeedbackKind.THUMB_UP) if value is None else (value - 1) / 4
