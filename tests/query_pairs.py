"""Query pairs for tests."""

from rag.pairs.pair import Origin, QueryPair, QuestionType, Split


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
