"""What the trials of a search are judged by: validation questions, for all trials among the same passages."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from rag.config import EmbeddingConfig
from rag.errors import EmptyCorpus
from rag.pairs.artifact import load_pairs
from storage.artifacts import ArtifactRef, ArtifactStore, Draft


class Score(BaseModel):
    """How well an embedder alone finds the passages of validation questions, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    mrr: float
    """MRR@10, which decides."""
    hit5: float
    questions: int


def validation_score(store: ArtifactStore, embedder: ArtifactRef, pairs: ArtifactRef, config: EmbeddingConfig) -> Score:
    """Return what an embedder scores on the validation questions of `pairs`, the same for all embedders of a search.

    What a training notes of itself is measured beside its own training passages, which another mix of pairs changes.
    The evaluation questions are opened with the others, to see that none is among them; they are not asked.

    :raises EmptyCorpus: if no question validates.
    """

    def write(_: Draft) -> dict[str, Any]:
        from rag.embedding.encoder import load_sentence_transformer
        from rag.embedding.validation import scores, validation_evaluator

        split = load_pairs(store, pairs)
        if not split.tuning:
            raise EmptyCorpus("no validation questions to choose settings by: import some with `ragloop pairs import`")
        model = load_sentence_transformer(store.path(embedder), store.facts(embedder)["query_prompt"])
        found = scores(validation_evaluator(split.train, split.tuning, config.seed)(model))
        return {"mrr": found["mrr@10"], "hit5": found["hit@5"], "questions": len(split.tuning)}

    made = store.build(
        "validation",
        inputs={"embedder": embedder.digest, "training_set": store.facts(pairs)["training_set"]},
        config={"seed": config.seed},
        recipe=["rag.tuning.score", "rag.embedding.validation"],
        write=write,
    )
    return Score.model_validate(store.facts(made))
