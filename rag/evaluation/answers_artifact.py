"""What a release answers to a set of questions, in the artifact store, sealed: it holds questions and answers."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from rag.answering.answer import Answer, Question, Way
from rag.config import Config, GeneratorKind
from rag.errors import EmptyCorpus
from rag.evaluation.answers import AnswerSet, AnswersReport, AskedQuestion, GivenAnswer, answer_results, given_answers
from rag.evaluation.asking import ANSWERING, answering_plan, ask_all, decided_way, measuring_engines
from rag.evaluation.sample import EvaluationSample
from rag.evaluation.sets import load_questions
from rag.evaluation.unanswerable import load_unanswerable, unanswerable_artifact
from rag.llm.bill import cost_usd
from rag.releases import search_models
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.release import Release

if TYPE_CHECKING:
    from rag.answering.engines import Engines

KIND = "answers"
_ANSWERS, _REPORT = "answers.encrypted", "report.encrypted"
_GIVEN = TypeAdapter(list[GivenAnswer])
_LONGEST = 4000
"""Characters of a question that is asked."""
_RECIPE = (
    *(
        f"rag.evaluation.{part}"
        for part in "agreement answers answers_artifact footprint sample string_metrics".split()
    ),
    *ANSWERING,
)


def answer_set(store: ArtifactStore, evaluation_set: ArtifactRef, config: Config) -> AnswerSet:
    """Return what of an evaluation set is answered, real questions first, and what its documents do not answer."""
    unanswerable = unanswerable_artifact(store, evaluation_set, config)
    own = [AskedQuestion.of_pair(pair) for pair in load_questions(store, evaluation_set)[: config.evaluation.answered]]
    others = [
        AskedQuestion(sample=EvaluationSample(id=f"unanswerable-{place}", question=question), answerable=False)
        for place, question in enumerate(load_unanswerable(store, unanswerable))
    ]
    return AnswerSet(
        questions=(*own, *others), made_of={"evaluation_set": evaluation_set, "unanswerable": unanswerable}
    )


def answers_artifact(
    space: Workspace, release: Release, asked: AnswerSet, config: Config, generator: GeneratorKind | None = None
) -> ArtifactRef:
    """Return what a release answers to these questions. Nothing is recorded as asked.

    :param generator: who alone answers; as the release and the config decide unless given.
    :raises EmptyCorpus: if the release has the documents of no question.
    :raises NoChatModel: if the chat model is to answer and the release has none.
    :raises NoGenerator: if nobody answers.
    """
    store, (way, config) = space.artifacts, _speaking(release, config, generator)

    def write(draft: Draft) -> dict[str, Any]:
        given, report = _answered(space, release, way, asked, config)
        draft.seal(_ANSWERS, _GIVEN.dump_json(given))
        draft.seal(_REPORT, report.model_dump_json().encode())
        refusals = report.refusals
        return {
            "questions": len(report.answers),
            "generators": report.generators,
            "metrics": report.means(),
            "refused_unanswerable": refusals.share if refusals else None,
            "cost_usd": report.cost_usd,
        }

    chat = {"chat_model": release.chat_model.digest} if way is not Way.RAG and release.chat_model else {}
    made_of = {part: ref.digest for part, ref in asked.made_of.items()}
    return store.build(
        KIND,
        inputs={"questions": asked.digest, **made_of, **search_models(release).digests, **chat},
        config=answering_plan(space, release, way, config),
        recipe=_RECIPE,
        write=write,
        reads=tuple(asked.made_of.values()),
    )


def load_answers(store: ArtifactStore, ref: ArtifactRef) -> list[GivenAnswer]:
    """Open what was answered."""
    return _GIVEN.validate_json(store.unseal(ref, _ANSWERS))


def load_answers_report(store: ArtifactStore, ref: ArtifactRef) -> AnswersReport:
    """Open what the answers are worth."""
    return AnswersReport.model_validate_json(store.unseal(ref, _REPORT))


def _speaking(release: Release, config: Config, generator: GeneratorKind | None) -> tuple[Way | None, Config]:
    """Return in which way, and with which generators, a release answers."""
    if generator is GeneratorKind.CHAT_MODEL:
        return Way.CLOSED_BOOK, config
    if generator is None:
        return decided_way(release, None, config), config
    alone = config.answering.model_copy(update={"generators": (generator,)})
    return Way.RAG, config.model_copy(update={"answering": alone})


def _answered(
    space: Workspace, release: Release, way: Way | None, asked: AnswerSet, config: Config
) -> tuple[list[GivenAnswer], AnswersReport]:
    from rag.evaluation.footprint import footprint

    patience_s, pause_s = config.answering.llm.max_wait_s, config.answering.breaker_s
    with footprint() as taken, measuring_engines(space, way, config) as engines:
        with closing(engines.open(release, way)) as engine:
            chunks = engine.retriever.index.chunks
            questions = _of_documents(asked, {chunk.doc_id for chunk in chunks})
            texts = [Question(text=question.sample.question[:_LONGEST]) for question in questions]
            answers = [_whole(reply.answer) for reply in ask_all(engine, texts, patience_s, pause_s)]
        bills = {name: model.bill for name, model in engines.pool.models.items()}
        cost = _cost_usd(engines)
    given = given_answers(questions, answers, chunks)
    return given, AnswersReport(
        evaluation_set=asked.digest,
        answers=answer_results(questions, answers, given),
        left_out=len(asked.questions) - len(questions),
        memory_bytes=taken.memory_bytes,
        card_bytes=taken.card_bytes,
        bills=bills,
        cost_usd=cost,
    )


def _of_documents(asked: AnswerSet, doc_ids: set[str]) -> list[AskedQuestion]:
    """Return the questions whose evidence these documents hold, and those of no document."""
    own = [each for each in asked.questions if each.pair is None or doc_ids.issuperset(each.pair.doc_ids)]
    if not any(each.answerable for each in own):
        raise EmptyCorpus("no evaluation question for this release: import some with `ragloop pairs import FILE.jsonl`")
    return own


def _whole(answer: Answer | None) -> Answer:
    assert answer is not None  # only a hybrid engine may have none
    return answer


def _cost_usd(engines: "Engines") -> float | None:
    """Return what all language models took; None if the price of one is not known."""
    costs = [
        cost_usd(model.provider.name, model.provider.model, model.bill, model.config.prices)
        for model in engines.pool.models.values()
    ]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 6) if len(known) == len(costs) else None
