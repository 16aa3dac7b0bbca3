"""Evaluation sets over a real home: when one stands, when another is frozen, and what is in it."""

import json

import pytest

from rag.config import EvaluationConfig, GateConfig
from rag.deletion import delete_document
from rag.errors import BadQuestions, EmptyCorpus
from rag.evaluation.sets import KIND, evaluation_sets, frozen_set, judging_set, load_questions, named_set
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Origin
from rag.pairs.questions_file import read_questions
from storage.tables import EvaluationSetRow
from tests.query_pairs import pairs_artifact
from tests.rag.answering.shop import DOCUMENTS, SMOKE, add, open_shop


@pytest.fixture
def space(tmp_path):
    return open_shop(tmp_path)


def current(space):
    return collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs


def frozen(space, min_questions=20, **evaluation):
    changes = {"evaluation": EvaluationConfig(**evaluation), "gate": GateConfig(min_questions=min_questions)}
    return frozen_set(space, "default", current(space), SMOKE.model_copy(update=changes))


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


def test_too_few_real_questions_to_decide_do_not_keep_a_set_small(space):
    ask(space, evaluated(space), 3)
    first = frozen(space, questions_max=3)
    assert frozen(space, min_questions=3) == first, "three decide, and are in it"
    second = frozen(space)
    assert len(load_questions(space.artifacts, second)) > 3
    assert evaluation_sets(space, "default")[-1].reason.endswith("more synthetic questions beside the 0 of version 1")


def test_real_questions_that_become_enough_to_decide_are_taken_in(space):
    document = evaluated(space)
    ask(space, document, 3)
    first = frozen(space, min_questions=4)
    ask(space, document, 1, first=3)
    assert frozen(space, min_questions=4) != first


def test_no_question_is_no_set(space):
    nothing = pairs_artifact(space.artifacts, [], [])
    with pytest.raises(
        EmptyCorpus, match="no question to judge by in the collection 'default': import .*ragloop pairs"
    ):
        frozen_set(space, "default", nothing, SMOKE)
    assert evaluation_sets(space, "default") == []


def test_an_empty_set_of_an_earlier_version_does_not_stand(space):
    def write(draft):
        draft.seal("questions.encrypted", b"")
        return {}

    empty = space.artifacts.build(KIND, inputs={}, config=None, recipe=[], write=write)
    with space.database.session() as session:
        session.add(EvaluationSetRow(collection="default", version=1, artifact_uri=empty.uri, reason="none was there"))
    assert judging_set(space, "default") is None
    with pytest.raises(EmptyCorpus):
        frozen_set(space, "default", pairs_artifact(space.artifacts, [], []), SMOKE)
    ask(space, evaluated(space), 3)
    assert load_questions(space.artifacts, frozen(space))


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
