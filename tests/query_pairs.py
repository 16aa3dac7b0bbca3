"""Query pairs for tests."""

from collections.abc import Sequence

from rag.pairs.pair import Origin, QueryPair, QuestionType, Split
from storage.artifacts import ArtifactRef, ArtifactStore


def real_pair(anchor: str, **fields: object) -> QueryPair:
    """Return the training pair of a real question, with other fields as given."""
    defaults: dict[str, object] = {
        "id": anchor,
        "anchor": anchor,
        "answer": "an answer",
        "doc_id": "d1",
        "document": "d1.txt",
        "answer_start": 0,
        "answer_end": 9,
        "question_type": QuestionType.FACTUAL,
        "origin": Origin.REAL,
        "split": Split.TRAIN,
        "group": "d1",
    }
    return QueryPair.model_validate({**defaults, **fields})


def pairs_artifact(store: ArtifactStore, train: Sequence[QueryPair], validation: Sequence[QueryPair]) -> ArtifactRef:
    """Return an artifact of these pairs, with none to judge by."""

    def write(draft):
        for split, own in ((Split.TRAIN, train), (Split.VALIDATION, validation), (Split.EVALUATION, [])):
            draft.seal(f"{split}.encrypted", "\n".join(pair.model_dump_json() for pair in own).encode())
        return {"training_set": "0" * 32}

    return store.build("pairs", inputs={}, config=None, recipe=[], write=write)
