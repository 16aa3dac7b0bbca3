"""The calibration of a chat model's confidence in the artifact store: numbers alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rag.answering.answer import Way
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.calibration import Calibration, calibrate
from rag.config import Config
from rag.evaluation.asked import validation_sample
from rag.evaluation.way_artifact import load_way_report, way_artifact
from rag.evaluation.way_report import AnsweredQuestion, group_weights, paired
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.release import Release

_FILE = "calibration.json"
_Pairs = Sequence[tuple[AnsweredQuestion, AnsweredQuestion]]


class _Given(NamedTuple):
    """An answer from memory, the one from passages, and what their question counts."""

    mine: AnsweredQuestion
    theirs: AnsweredQuestion
    weight: float


def router_artifact(space: Workspace, release: Release, data: ArtifactRef, config: Config) -> ArtifactRef:
    """Return from which confidence a release's chat model is worth more than the passages that the release finds.

    Both are asked the validation questions of `data`. An answer is worth its token F1, and nothing if it is made up,
    however like the right one it reads. The facts tell how many were asked, and how often the model is trusted.

    :raises NoChatModel: if the release has no chat model.
    """
    store, sample = space.artifacts, validation_sample(space, release, data, config)
    own, other = (way_artifact(space, release, way, sample, config) for way in (Way.CLOSED_BOOK, Way.RAG))

    def write(draft: Draft) -> dict[str, Any]:
        pairs = paired(load_way_report(store, own), load_way_report(store, other))
        made = calibrated(pairs)
        (draft.path / _FILE).write_text(made.model_dump_json(), encoding="utf-8")
        return {
            "questions": len(pairs),
            "threshold": made.threshold,
            "trusted": sum(made.trusts(each.mine.confidence or 0.0) for each in _given(pairs)),
        }

    return store.build(
        "chatrouter",
        inputs={"closed_book": own.digest, "rag": other.digest},
        config=None,
        recipe=["rag.chat.calibration", "rag.evaluation.router_artifact", "rag.evaluation.way_report"],
        write=write,
        reads=[own, other],
    )


def calibrated(pairs: _Pairs) -> Calibration:
    """Return what a chat model's confidence is worth by its own answers, each beside that from passages.

    Each group of questions counts alike, as where a release is judged. Where the chat model says that it does not know,
    passages answer in any case, so that tells nothing of when to trust it.
    """
    given = _given(pairs)
    return calibrate(
        [each.mine.confidence or 0.0 for each in given],
        [_worth(each.mine) for each in given],
        [_worth(each.theirs) for each in given],
        [each.weight for each in given],
    )


def load_router(store: ArtifactStore, ref: ArtifactRef) -> Calibration:
    """Read a calibration."""
    return Calibration.model_validate_json((store.path(ref) / _FILE).read_bytes())


def _given(pairs: _Pairs) -> list[_Given]:
    """Return those that may be given: the chat model says something. What each counts is of all that were asked."""
    weights = group_weights(mine.group for mine, _ in pairs)
    every = [_Given(mine, theirs, weight) for (mine, theirs), weight in zip(pairs, weights, strict=True)]
    return [each for each in every if each.mine.said and not each.mine.said.startswith(NOT_IN_DOCUMENTS)]


def _worth(answer: AnsweredQuestion) -> float:
    return 0.0 if answer.made_up else answer.f1
