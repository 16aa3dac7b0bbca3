"""What a judge says of a set of answers, in the artifact store: judging them again asks nobody anything."""

import logging
from typing import Any

from pydantic import BaseModel, ConfigDict

from rag.config import Config, JudgeProvider
from rag.evaluation.answers import AnswersReport
from rag.evaluation.answers_artifact import load_answers, load_answers_report
from rag.evaluation.judge import JudgedReport, JudgeEndpoint
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.recipes import digest_json

logger = logging.getLogger(__name__)

KIND = "judgedanswers"
_REPORT = "report.encrypted"
_RECIPE = tuple(f"rag.evaluation.{part}" for part in "judge judge_model judged_artifact ragas_judge sample".split())


class MeasuredAnswers(BaseModel):
    """What a release answered and what it is worth, by reference."""

    model_config = ConfigDict(frozen=True)

    answers: ArtifactRef
    judged: ArtifactRef | None
    """None without a judge."""


def load_measured(store: ArtifactStore, measured: MeasuredAnswers) -> tuple[AnswersReport, JudgedReport | None]:
    """Open what answers are worth, by our own metrics and by the judge's if there was one."""
    report = load_answers_report(store, measured.answers)
    return report, load_judged(store, measured.judged) if measured.judged else None


def require_judge(space: Workspace, config: Config) -> None:
    """See that the judge that the config names, if it names one, can be asked, before anything long begins.

    :raises ConfigError: if its key, address or name is missing.
    """
    if config.judge.provider is not JudgeProvider.NONE:
        JudgeEndpoint.of(config.judge, space.settings)


def judged_artifact(space: Workspace, answers: ArtifactRef, config: Config) -> ArtifactRef | None:
    """Return what the judge says of the answers to answerable questions; None if the config names none.

    What it said until it was asked no further is kept, and the next call goes on from there.

    :raises ConfigError: if its key, address or name is missing.
    :raises LanguageModelUnavailable: if it cannot be reached or refuses the key or the model from the beginning.
    """
    if config.judge.provider is JudgeProvider.NONE:
        return None
    store, endpoint = space.artifacts, JudgeEndpoint.of(config.judge, space.settings)
    judge = config.judge.model_dump(mode="json") | {
        "model": endpoint.model,
        "endpoint": digest_json(endpoint.base_url),
    }
    before: ArtifactRef | None = None
    while True:
        inputs = {"answers": answers.digest, **({"before": before.digest} if before else {})}
        there = store.find(KIND, store.digest(KIND, inputs, judge, _RECIPE))
        if there is None:
            break
        if load_judged(store, there).stopped is None:
            logger.info("reusing %s", there.uri)
            return there
        before = there

    def write(draft: Draft) -> dict[str, Any]:
        report = _judged(space, answers, endpoint, config, before)
        draft.seal(_REPORT, report.model_dump_json().encode())
        return {"metrics": report.means(), "spreads": report.spreads(), "stopped": report.stopped is not None}

    made = store.build(KIND, inputs=inputs, config=judge, recipe=_RECIPE, write=write, reads=[answers])
    if (stopped := load_judged(store, made).stopped) is not None:
        logger.warning("not all answers are judged: %s; what was judged is kept", stopped)
    return made


def load_judged(store: ArtifactStore, ref: ArtifactRef) -> JudgedReport:
    """Open what a judge said."""
    return JudgedReport.model_validate_json(store.unseal(ref, _REPORT))


def _judged(
    space: Workspace, answers: ArtifactRef, endpoint: JudgeEndpoint, config: Config, before: ArtifactRef | None
) -> JudgedReport:
    from rag.embedding.base import bundled_encoder
    from rag.embedding.encoder import Encoder
    from rag.evaluation.ragas_judge import judge_answers

    samples = [given.sample for given in load_answers(space.artifacts, answers) if given.answerable]
    known = load_judged(space.artifacts, before) if before else None
    return judge_answers(samples, endpoint, config.judge, Encoder(bundled_encoder()), known)
