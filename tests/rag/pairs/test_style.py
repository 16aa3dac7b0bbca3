from datetime import UTC, datetime, timedelta

from rag.pairs.pair import Split
from rag.pairs.style import style_examples
from storage.tables import QueryPairRow

SPLITS = {
    "t1": ("g", Split.TRAIN),
    "t2": ("g", Split.TRAIN),
    "v": ("h", Split.VALIDATION),
    "e": ("i", Split.EVALUATION),
}


def row(anchor, document, day=0):
    return QueryPairRow(
        id=anchor, anchor=anchor, document=document, created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    )


ROWS = [row(f"question {i} of {document}", document, i) for i in range(40) for document in (*SPLITS, "gone")]


def test_only_questions_of_training_documents_are_shown():
    shown = style_examples(ROWS, SPLITS, 12, seed=1)
    assert len(shown) == 12
    assert all(question.endswith(("t1", "t2")) for question in shown)


def test_the_documents_take_turns_first():
    lone = [*(row(f"question {i} of t1", "t1") for i in range(30)), row("the one of t2", "t2", day=-1)]
    assert "the one of t2" in style_examples(lone, SPLITS, 2, seed=1)


def test_later_questions_change_nothing_once_there_are_enough():
    later = [row(f"later {i}", "t1", day=500 + i) for i in range(100)]
    assert style_examples([*later, *ROWS], SPLITS, 4, seed=1) == style_examples(ROWS, SPLITS, 4, seed=1)


def test_without_training_questions_there_is_no_style():
    assert style_examples([row("x", "e"), row("y", "v")], SPLITS, 6, seed=1) == []
    assert style_examples(ROWS, SPLITS, 0, seed=1) == []
