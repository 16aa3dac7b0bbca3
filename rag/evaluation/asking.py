"""Asking a release questions that measure it: nothing is recorded, and no answer is taken from the cache."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from rag.answering.answer import Answer, Question, Way
from rag.answering.manner import Manner
from rag.config import Config, GeneratorKind
from rag.errors import NoGenerator, UnsuitedQuestion
from rag.evaluation.way_report import ROUTED
from rag.releases import CHAT_ROUTER
from rag.retrieval.artifact import RANKING
from rag.workspace import Workspace
from storage.release import Release

if TYPE_CHECKING:
    from rag.answering.engine import Engine
    from rag.answering.engines import Engines

logger = logging.getLogger(__name__)

ANSWERING = (
    "rag.evaluation.asking",
    *(f"rag.chat.{part}" for part in "calibration example model recall".split()),
    "rag.answering",
    "rag.llm.causal",
    "rag.llm.chat_template",
    "rag.pairs.follow_ups",
    "rag.pairs.words",
    "rag.retrieval.lexical",
    *RANKING,
)
"""What decides an answer besides the models; measurements are made again when it changes."""


class Reply(NamedTuple):
    """What came back for a question."""

    answer: Answer | None
    """None if nobody answered, which is no refusal."""
    latency_ms: float
    """To the whole answer, whoever was asked in vain before included."""


def decided_way(release: Release, way: Way | None, config: Config) -> Way | None:
    """Return how a release answers; one that trusts no chat model does so from passages whatever it decides."""
    way = way or Manner.of(release).way
    if way is not None or trusts_chat_model(release) or GeneratorKind.CHAT_MODEL in config.answering.generators:
        return way
    return Way.RAG


def trusts_chat_model(release: Release) -> bool:
    """Say whether a release ever answers from its chat model's memory by its own decision."""
    router = release.lineage.get(CHAT_ROUTER)
    return release.chat_model is not None and router is not None and router["threshold"] is not None


def answering_plan(space: Workspace, release: Release, way: Way | None, config: Config) -> dict[str, Any]:
    """Return what, besides a release's models and the questions, names a set of answers."""
    from rag.answering.opening import ModelPool, who_answers

    return {
        "way": way or ROUTED,
        "router": release.lineage.get(CHAT_ROUTER) if way is None else None,
        "evidence_threshold": release.lineage.get("evidence_threshold"),
        "retrieval": release.answering,
        "answering": Manner.of(release).applied(config.answering).model_dump(mode="json"),
        # Not all that the config names are there: a key may be missing today, or come tomorrow.
        "who_answers": list(who_answers(ModelPool(space, config.answering), release, config.answering, way)),
        "generation": config.chat.generation.model_dump(mode="json"),
        "engine": config.encoding.engine,
    }


@contextmanager
def measuring_engines(space: Workspace, way: Way | None, config: Config) -> Iterator["Engines"]:
    """Yield what opens engines that neither record nor remember; whoever asks a chat model has the card for that."""
    from rag.answering.engines import Engines

    uncached = config.model_copy(update={"answering": config.answering.model_copy(update={"cache_entries": 0})})
    beside_others = nullcontext() if way is Way.RAG else space.device.held_for_card("asking the chat model")
    with beside_others, closing(Engines(space, uncached, records=False)) as engines:
        yield engines


def ask_all(
    engine: "Engine", questions: Sequence[Question], patience_s: float = 0.0, pause_s: float = 0.0
) -> Iterator[Reply]:
    """Yield what an engine answers, one question at a time.

    :param patience_s: how long a question is asked again, every `pause_s`, if nobody answers it though somebody has
        answered others: a provider's limits pass.
    :raises NoGenerator: if nobody answers from passages, for another reason than the question itself: an outage must
        not pass for a bad answer.
    """
    if not questions:
        return
    reply = _reply(engine, questions[0], 0.0, 0.0)  # what is opened with the first question is not its latency
    spoken = _is_spoken(reply)
    for question in tqdm(questions, desc="asking", delay=2, disable=None):
        reply = _reply(engine, question, patience_s if spoken else 0.0, pause_s)
        spoken = spoken or _is_spoken(reply)
        yield reply


def _is_spoken(reply: Reply) -> bool:
    """Say whether somebody was asked, and answered: what the documents do not bear on asks nobody."""
    return reply.answer is not None and reply.answer.generator is not None


def _reply(engine: "Engine", question: Question, patience_s: float, pause_s: float) -> Reply:
    end = time.monotonic() + patience_s
    while True:
        began = time.perf_counter()
        try:
            answer = engine.ask(question)
        except NoGenerator as nobody:
            if engine.way is Way.HYBRID or isinstance(nobody, UnsuitedQuestion):
                return Reply(None, _ms_since(began))
            if time.monotonic() + pause_s >= end:
                raise
            logger.info("asking again in %g s: %s", pause_s, nobody)
            time.sleep(pause_s)
        else:
            return Reply(answer, _ms_since(began))


def _ms_since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 2)
