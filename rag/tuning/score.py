"""What the trials of a search are judged by: validation questions, for all trials among the same passages."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.config import EmbeddingConfig
from rag.errors import EmptyCorpus
from rag.pairs.artifact import load_pairs
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

_DEEPEST = 10
"""Ranks beyond it count for nothing."""


class Score(BaseModel):
    """How well an embedder alone finds the passages of validation questions, 0 to 1."""

    model_config = ConfigDict(frozen=True)

    mrr: float
    """MRR@10, which decides."""
    hit5: float
    questions: int
    ranks: tuple[int, ...]
    """Of the right passage, question by question, from 1."""
    documents: tuple[int, ...]
    """Which document each question is about, numbered."""

    @property
    def reciprocal_ranks(self) -> list[float]:
        """What the MRR is the mean of."""
        return [1 / rank if rank <= _DEEPEST else 0.0 for rank in self.ranks]


def validation_score(store: ArtifactStore, embedder: ArtifactRef, pairs: ArtifactRef, config: EmbeddingConfig) -> Score:
    """Return what an embedder scores on the validation questions of `pairs`, the same for all embedders of a search.

    What a training notes of itself is measured beside its own training passages, which another mix of pairs changes.
    The evaluation questions are opened with the others, to see that none is among them; they are not asked.

    :raises EmptyCorpus: if no question validates.
    """

    def write(_: Draft) -> dict[str, Any]:
        from rag.embedding.encoder import load_sentence_transformer
        from rag.embedding.validation import validation_evaluator

        split = load_pairs(store, pairs)
        if not split.tuning:
            raise EmptyCorpus("no validation questions to choose settings by: import some with `ragloop pairs import`")
        model = load_sentence_transformer(store.path(embedder), store.facts(embedder)["query_prompt"])
        ranks = _ranks(model, validation_evaluator(split.train, split.tuning, config.seed))
        documents = np.unique([pair.doc_id for pair in split.tuning], return_inverse=True)[1]
        score = Score(
            mrr=round(float(np.where(ranks <= _DEEPEST, 1 / ranks, 0).mean()), 4),
            hit5=round(float((ranks <= 5).mean()), 4),
            questions=len(split.tuning),
            ranks=tuple(ranks.tolist()),
            documents=tuple(documents.tolist()),
        )
        return score.model_dump(mode="json")

    made = store.build(
        "validation",
        inputs={"embedder": embedder.digest, "training_set": store.facts(pairs)["training_set"]},
        config={"seed": config.seed},
        recipe=["rag.tuning.score", "rag.embedding.validation"],
        write=write,
    )
    return Score.model_validate(store.facts(made))


def _ranks(model: "SentenceTransformer", evaluator: "InformationRetrievalEvaluator") -> NDArray[np.int64]:
    """Return the rank of each question's passage, from 1, which the evaluator itself gives no more than the mean of."""
    asked, passages = (
        encode(texts, show_progress_bar=False, convert_to_tensor=True)
        for encode, texts in ((model.encode_query, evaluator.queries), (model.encode_document, evaluator.corpus))
    )
    cosines = model.similarity(asked, passages).cpu().numpy()
    places = {id_: place for place, id_ in enumerate(evaluator.corpus_ids)}
    right = [places[passage] for id_ in evaluator.queries_ids for passage in evaluator.relevant_docs[id_]]
    ranks: NDArray[np.int64] = 1 + (cosines > cosines[np.arange(len(right)), right][:, None]).sum(axis=1)
    return ranks
