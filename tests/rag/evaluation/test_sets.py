"""Evaluation sets over a real home: when one stands, when another is frozen, and what is in it."""

import json

import pytest

from rag.config import EvaluationConfig
from rag.deletion import delete_document
from rag.errors import BadQuestions
from rag.evaluation.sets import evaluation_sets, frozen_set, judging_set, load_questions, named_set
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Origin
from rag.pairs.questions_file import read_questions
from tests.rag.answering.shop import DOCUMENTS, SMOKE, add, open_shop


@pytest.fixture
def space(tmp_path):
    return open_shop(tmp_path)


def current(space):
    return collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs


def frozen(space, **config):
    return frozen_set(space, "default", current(space), EvaluationConfig(**config))


def ask(space, document, n, first=0):
    """Import so many real questions on a document."""
    answer = DOCUMENTS[document].split(". ")[0]
    lines = [
        {"question": f"Number {first + i}: what do people have to know?", "answer": answer, "document": document}
        for i in range(n)
    ]
    file = space.home / "asked.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    known = load_alignable(space.artifacts, space.database, "default")
    assert import_questions(space.database, space.sealer, "default", read_questions(file), known).imported == n


def evaluated(space):
    """Return a document whose questions judge."""
    return min(pair.document for pair in load_pairs(space.artifacts, current(space)).evaluation)


def test_a_set_stands_while_there_is_little_new(space):
    document = evaluated(space)
    ask(space, document, 20)
    first = frozen(space)
    assert frozen(space) == first
    ask(space, document, 1, first=20)
    assert frozen(space) == first
    ask(space, document, 1, first=21)
    second = frozen(space)
    assert second != first
    assert [(each.version, each.ref) for each in evaluation_sets(space, "default")] == [(1, first), (2, second)]
    assert evaluation_sets(space, "default")[-1].reason == "2 more real questions beside the 20 of version 1"
    assert named_set(space, "default", 1) == first
    with pytest.raises(BadQuestions, match="has no evaluation set 3: give one of 1, 2"):
        named_set(space, "default", 3)


def test_real_questions_come_first_and_all_are_known_to_the_pairs(space):
    ask(space, evaluated(space), 3)
    ref = frozen(space, questions_max=4)
    questions = load_questions(space.artifacts, ref)
    assert [pair.origin for pair in questions] == [Origin.REAL] * 3 + [Origin.SYNTHETIC]
    assert space.artifacts.facts(ref)["by_origin"] == {"real": 3, "synthetic": 1}
    few = load_questions(space.artifacts, frozen(space, questions_max=2, renew_share=1))
    assert few == questions, "a smaller bound is no reason to judge by fewer"
    known = {pair.id for pair in load_pairs(space.artifacts, current(space)).evaluation}
    assert {pair.id for pair in questions} <= known


def test_another_version_of_a_document_freezes_another_set(space):
    document = evaluated(space)
    ask(space, document, 4)
    first = frozen(space)
    add(space, space.home.parent, {document: "Renovated. " + DOCUMENTS[document]})
    second = frozen(space)
    assert second != first
    assert evaluation_sets(space, "default")[-1].reason.startswith("documents ")
    assert judging_set(space, "default") == second
    ids = {pair.doc_id for pair in load_questions(space.artifacts, second) if pair.document == document}
    assert ids.isdisjoint(pair.doc_id for pair in load_questions(space.artifacts, first))


def test_a_deleted_document_takes_the_sets_that_were_frozen_while_it_was_there(space):
    document = evaluated(space)
    ask(space, document, 4)
    first = frozen(space)
    assert judging_set(space, "default") == first
    delete_document(space, "default", document, SMOKE)
    assert judging_set(space, "default") is None
    assert evaluation_sets(space, "default") == []
    again = frozen(space)
    assert again != first
    assert document not in {pair.document for pair in load_questions(space.artifacts, again)}
    assert [each.version for each in evaluation_sets(space, "default")] == [2]
