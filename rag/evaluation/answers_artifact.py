"""What a release answers to a set of questions, in the artifact store, sealed: it holds questions and answers."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from rag.answering.answer import Answer, Question, Way
from rag.config import AnsweringConfig, Config, GeneratorKind
from rag.errors import EmptyCorpus, NoGenerator
from rag.evaluation.answers import AnswerSet, AnswersReport, AskedQuestion, GivenAnswer, answer_results, given_answers
from rag.evaluation.asking import ANSWERING, answering_plan, ask_all, decided_way, measuring_engines
from rag.evaluation.paid_answers import PaidAnswers
from rag.evaluation.sample import EvaluationSample
from rag.evaluation.sets import load_questions
from rag.evaluation.unanswerable import load_unanswerable, unanswerable_artifact
from rag.llm.bill import Bill, cost_usd
from rag.releases import search_models
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.release import Release

if TYPE_CHECKING:
    from rag.answering.engine import Engine
    from rag.answering.opening import ModelPool

KIND = "answers"
_ANSWERS, _REPORT = "answers.encrypted", "report.encrypted"
_GIVEN = TypeAdapter(list[GivenAnswer])
_LONGEST = 4000
"""Characters of a question that is asked."""
_RECIPE = (
    *(
        f"rag.evaluation.{part}"
        for part in "agreement answers answers_artifact footprint paid_answers sample string_metrics".split()
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

    What was answered before an outage is kept, and the next call goes on from there.

    :param generator: who alone answers; as the release and the config decide unless given.
    :raises EmptyCorpus: if the release has the documents of no question.
    :raises NoChatModel: if the chat model is to answer and the release has none.
    :raises NoGenerator: if nobody answers.
    """
    store, (way, config) = space.artifacts, _speaking(release, config, generator)

    def write(draft: Draft) -> dict[str, Any]:
        given, report = _answered(space, release, way, asked, config, PaidAnswers(draft))
        draft.seal(_ANSWERS, _GIVEN.dump_json(given))
        draft.seal(_REPORT, report.model_dump_json().encode())
        refusals = report.refusals
        return {
            "questions": len(report.answers),
            "generators": report.generators,
            "metrics": report.means(),
            "refused_unanswerable": refusals.share if refusals else None,
            "unanswered": report.unanswered,
            "cost_usd": report.cost_usd,
        }

    models = search_models(release)
    chat = {"chat_model": release.chat_model.digest} if way is not Way.RAG and release.chat_model else {}
    made_of = {part: ref.digest for part, ref in asked.made_of.items()}
    return store.build(
        KIND,
        inputs={"questions": asked.digest, **made_of, **models.digests, **chat},
        config=answering_plan(space, release, way, config),
        recipe=_RECIPE,
        write=write,
        reads=(*asked.made_of.values(), models.index),
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
    space: Workspace, release: Release, way: Way | None, asked: AnswerSet, config: Config, paid: PaidAnswers
) -> tuple[list[GivenAnswer], AnswersReport]:
    from rag.evaluation.footprint import footprint

    with footprint() as taken, measuring_engines(space, way, config) as engines:
        with closing(engines.open(release, way)) as engine:
            chunks = engine.retriever.index.chunks
            questions = _of_documents(asked, {chunk.doc_id for chunk in chunks})
            answers = _answers(engine, engines.pool, questions, config.answering, paid)
        bills = paid.bills(engines.pool)
        cost = _cost_usd(engines.pool, bills)
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


def _answers(
    engine: "Engine", pool: "ModelPool", questions: Sequence[AskedQuestion], config: AnsweringConfig, paid: PaidAnswers
) -> list[Answer | None]:
    """Return the answers, None where nobody can give one; those that are paid for are not asked for again.

    :raises NoGenerator: if there is none at all.
    """
    answers = paid.answers()
    left = [place for place in range(len(questions)) if place not in answers]
    texts = [Question(text=questions[place].sample.question[:_LONGEST]) for place in left]
    for place, reply in zip(left, ask_all(engine, texts, config.llm.max_wait_s, config.breaker_s), strict=True):
        if reply.answer is not None:
            answers[place] = reply.answer
            paid.keep(place, reply.answer, pool)
    if not answers:
        raise NoGenerator(
            f"nobody could answer any of the {len(questions)} questions, and the log says why: "
            "name another in answering.generators, as extractive"
        )
    return [answers.get(place) for place in range(len(questions))]


def _cost_usd(pool: "ModelPool", bills: Mapping[str, Bill]) -> float | None:
    """Return what all language models took; None if the price of one is not known."""
    costs = [
        cost_usd(model.provider.name, model.provider.model, bills[name], model.config.prices)
        for name, model in pool.models.items()
    ]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 6) if len(known) == len(costs) else None
