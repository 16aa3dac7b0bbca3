"""Questions that no document answers, written without a language model, and how many of them a release refuses."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from tqdm import tqdm

from rag.config import Config
from rag.corpus.artifact import load_chunks
from rag.corpus.document import Chunk
from rag.evaluation.report import Refusals
from rag.pairs.artifact import load_pairs
from rag.pairs.pair import QueryPair, Split
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.retrieval.retriever import Retriever

KIND = "unanswerable"
_FILE = "questions.encrypted"
_QUESTIONS = TypeAdapter(tuple[str, ...])
_RECIPE = (
    "rag.evaluation.unanswerable",
    *(f"rag.chat.{part}" for part in "refusals other_worlds dialogues variations".split()),
    *(f"rag.pairs.{part}" for part in "sentences verbs vocabulary words".split()),
)


def unanswerable_artifact(store: ArtifactStore, evaluation_set: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the questions beside an evaluation set that its documents do not answer: the same ones each time."""
    pairs = ArtifactRef.of("pairs", store.manifest(evaluation_set).inputs["pairs"])
    corpus = ArtifactRef.of("corpus", store.manifest(pairs).inputs["corpus"])

    def write(draft: Draft) -> dict[str, Any]:
        questions = unanswerable_questions(load_pairs(store, pairs).train, load_chunks(store, corpus), config)
        draft.seal(_FILE, _QUESTIONS.dump_json(questions))
        return {"questions": len(questions)}

    return store.build(
        KIND,
        inputs={"evaluation_set": evaluation_set.digest},
        config=config.evaluation.model_dump(include={"unanswerable", "seed"}) | {"taught": config.chat.data.seed},
        recipe=_RECIPE,
        write=write,
        quietly=True,  # looked up for every release that is asked
        reads=[pairs, corpus],
    )


def load_unanswerable(store: ArtifactStore, ref: ArtifactRef) -> tuple[str, ...]:
    """Open questions that no document answers."""
    return _QUESTIONS.validate_json(store.unseal(ref, _FILE))


def unanswerable_questions(asked: Sequence[QueryPair], chunks: Sequence[Chunk], config: Config) -> tuple[str, ...]:
    """Return questions that no sentence of the chunks answers, as many as the config wants at most.

    Half are the questions of `asked` about something that the documents do not have, half of other worlds, made from
    templates that no chat model is taught to refuse. Give training questions: none that judges is then said in them.
    """
    from rag.chat.dialogues import HELD_OUT, split_of
    from rag.chat.other_worlds import TEMPLATES
    from rag.chat.refusals import Sentences, unanswerable
    from rag.pairs.vocabulary import Vocabulary

    wanted, taught = config.evaluation, config.chat.data.seed
    passages = [chunk.text for chunk in chunks]
    questions = [(pair.id, pair.anchor) for pair in asked]
    templates = [each for each in TEMPLATES if split_of(f"{taught}:{each}", HELD_OUT) is Split.EVALUATION]
    made = unanswerable(
        questions,
        Sentences(passages),
        Vocabulary(passages),
        wanted.unanswerable,
        wanted.seed,
        templates or TEMPLATES,
    )
    return tuple(question for _, question in made)


def still_unanswerable(questions: Sequence[str], chunks: Sequence[Chunk]) -> tuple[str, ...]:
    """Return those questions that no sentence of these chunks answers; documents may have come since they were made."""
    from rag.chat.refusals import Sentences

    sentences = Sentences([chunk.text for chunk in chunks])
    return tuple(question for question in questions if not sentences.may_answer(question))


def refusals(
    retriever: "Retriever",
    questions: Mapping[str, str],
    answerable: Sequence[QueryPair],
    threshold: float,
    n_passages: int,
) -> Refusals | None:
    """Return how many of these questions are refused before anybody speaks, as an engine does; None without any.

    :param questions: what nothing answers, by an id that is kept with whether it was refused.
    :param answerable: others, which should not be.
    :param threshold: the evidence under which the documents do not answer; see `threshold_of`.
    :param n_passages: that an answer is made from.
    """
    from rag.answering.abstention import Evidence
    from rag.answering.rarity import Rarity
    from rag.retrieval.query import Query

    if not questions:
        return None
    evidence = Evidence(retriever, Rarity(retriever.index))
    anchors = [pair.anchor for pair in answerable]
    asked = tqdm([*questions.values(), *anchors], desc="asking what nothing answers", delay=2, disable=None)
    refused = [
        evidence.of(question, retriever.search(Query(id=str(place), question=question), n_passages)) < threshold
        for place, question in enumerate(asked)
    ]
    rightly, wrongly = refused[: len(questions)], refused[len(questions) :]
    return Refusals(
        asked=len(questions),
        refused=sum(rightly),
        answerable=len(answerable),
        wrongly=sum(wrongly),
        unanswerable_refused=dict(zip(questions, rightly, strict=True)),
        others_refused=dict(zip((pair.id for pair in answerable), wrongly, strict=True)),
    )
