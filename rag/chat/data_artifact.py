"""A chat model's training data in the artifact store: made of the sealed chunks, sealed again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.chat.assembly import assemble, statistics
from rag.chat.conversations_file import read_dataset
from rag.chat.example import ChatExample
from rag.config import Config
from rag.corpus.artifact import corpus_artifact, load_chunks, load_texts
from rag.errors import EmptyCorpus
from rag.llm.access import LanguageModels
from rag.pairs.artifact import load_synthetic, places, synthetic_artifact
from rag.pairs.assembly import real_pairs
from rag.pairs.collection import real_questions
from rag.pairs.mined import LEARNED_FROM
from rag.pairs.pair import Split
from rag.pairs.splitting import load_split, split_artifact
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.recipes import digest_json

KIND = "chatdata"
_EXAMPLES = "examples.encrypted"
_RECIPE = (
    *(
        f"rag.chat.{part}"
        for part in (
            "assembly extraction variations rephrasing dialogues refusals other_worlds grounding example data_artifact"
        ).split()
    ),
    *(
        f"rag.pairs.{part}"
        for part in (
            "assembly alignment folding follow_ups small_talk paraphrases personal_data sentences vocabulary verbs "
            "words"
        ).split()
    ),
    "rag.answering.spans",
    "rag.answering.support",
    "rag.retrieval.lexical",
)


def chat_data_artifact(space: Workspace, collection: str, config: Config) -> ArtifactRef:
    """Return the conversations that teach the collection's documents, and those that measure what was learned.

    The questions are written by the writer that the config names. The facts hold the counts, and the ids of the
    documents.

    :raises EmptyCorpus: if the collection has no documents, or these give no question.
    :raises ConfigError: if a language model is to write and there is none.
    :raises LanguageModelUnavailable: if it stops answering; a second run goes on from there.
    """
    store, database, data = space.artifacts, space.database, config.chat.data
    corpus = corpus_artifact(store, database, collection)
    split = split_artifact(store, database, collection, corpus, config.split, keep=False)
    writing = config.synthesis.model_copy(update={"questions_per_chunk": data.pairs_per_chunk})
    written = config.model_copy(update={"synthesis": writing})
    synthetic = synthetic_artifact(store, database, collection, corpus, split, written, LanguageModels.of(space))
    asked = real_questions(database, collection)

    def write(draft: Draft) -> dict[str, Any]:
        chunks, texts = load_chunks(store, corpus), load_texts(store, corpus)
        real, _ = real_pairs(asked, texts, load_split(store, split))
        examples = assemble(load_synthetic(store, synthetic), real, chunks, texts, data, config.pairs)
        if not any(example.split is Split.TRAIN for example in examples):
            raise EmptyCorpus(
                f"the documents of {collection!r} give no question to teach: add documents with `ragloop ingest PATH`"
            )
        draft.seal(_EXAMPLES, _lines(examples))
        return {**statistics(examples), "writer": writing.writer, LEARNED_FROM: sorted(texts)}

    return store.build(
        KIND,
        inputs={
            "corpus": corpus.digest,
            "split": split.digest,
            "synthetic": synthetic.digest,
            "questions": places(asked),
        },
        config={
            "data": data.model_dump(mode="json"),
            "pairs": config.pairs.model_dump(mode="json", include={"mask_personal_data", "phone_regions"}),
        },
        recipe=_RECIPE,
        write=write,
        reads=[corpus, synthetic],
    )


def dataset_artifact(space: Workspace, collection: str, path: Path) -> ArtifactRef:
    """Return conversations that a person has written or mended, sealed; they may hold what any document says.

    :raises BadQuestions: if a line cannot be used, or there is nothing to train on.
    :raises EmptyCorpus: if the collection has no documents.
    """
    examples = read_dataset(path)
    corpus = corpus_artifact(space.artifacts, space.database, collection)

    def write(draft: Draft) -> dict[str, Any]:
        draft.seal(_EXAMPLES, _lines(examples))
        return {**statistics(examples), LEARNED_FROM: sorted(load_texts(space.artifacts, corpus))}

    inputs = {"corpus": corpus.digest, "dataset": _digest(examples)}
    recipe = ["rag.chat.example", "rag.chat.conversations_file"]
    return space.artifacts.build(KIND, inputs=inputs, config=None, recipe=recipe, write=write, reads=[corpus])


def load_examples(store: ArtifactStore, ref: ArtifactRef) -> list[ChatExample]:
    """Open a collection's conversations, of all splits."""
    # Bytes, since text has more ends of lines than the one that we write.
    return [ChatExample.model_validate_json(line) for line in store.unseal(ref, _EXAMPLES).splitlines()]


def training_stats(store: ArtifactStore, ref: ArtifactRef, config: Config) -> dict[str, object]:
    """Return what there is to say about a collection's conversations: their counts, and the config they came from."""
    counts = {name: value for name, value in store.facts(ref).items() if name != LEARNED_FROM}
    return {**counts, "config": config.chat.data.model_dump(mode="json")}


def _lines(examples: Sequence[ChatExample]) -> bytes:
    return "\n".join(example.model_dump_json() for example in examples).encode()


def _digest(examples: list[ChatExample]) -> str:
    return digest_json(sorted(example.model_dump_json() for example in examples))
