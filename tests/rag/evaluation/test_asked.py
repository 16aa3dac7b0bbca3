import pytest

from rag.chat.example import ChatExample, ExampleKind, Message, Source
from rag.chat.extraction import example
from rag.corpus.artifact import corpus_artifact
from rag.evaluation.asked import Group, Sample, group_of, measuring_data
from rag.pairs.pair import Split
from storage.artifacts import ArtifactRef
from tests.rag.evaluation.company_talk import SMOKE

SOURCE = Source(doc_id="d", document="d.md", char_start=0, char_end=9)


def asked(number, kind=ExampleKind.VARIATION, split=Split.EVALUATION, **fields):
    source = None if kind is ExampleKind.REFUSAL else SOURCE
    return example([f"Question {number}?", "An answer."], kind, split, **{"source": source, **fields})


def sample(split=Split.EVALUATION, per_group=5, seed=13):
    return Sample(data=ArtifactRef.of("chatdata", "0" * 32), split=split, per_group=per_group, seed=seed)


@pytest.mark.parametrize(
    ("fields", "group"),
    [
        ({"kind": ExampleKind.QUESTION}, Group.TRAINED),
        ({}, Group.VARIED),
        ({"real": True}, Group.REAL),
        ({"trained": False}, Group.UNTRAINED),
        ({"trained": False, "kind": ExampleKind.QUESTION}, Group.UNTRAINED),
        ({"trained": False, "real": True}, Group.REAL_UNTRAINED),
        ({"kind": ExampleKind.REFUSAL}, Group.UNANSWERABLE),
        ({"kind": ExampleKind.DIALOGUE}, None),
        ({"kind": ExampleKind.GROUNDED}, None),
    ],
)
def test_a_question_is_of_one_group(fields, group):
    assert group_of(asked(1, **fields)) is group


def test_a_question_as_long_as_a_letter_is_not_asked():
    said = (Message(role="user", content="long " * 300), Message(role="assistant", content="An answer."))
    long = asked(1).model_dump() | {"messages": said}
    assert group_of(ChatExample.model_validate(long)) is None


def test_so_many_of_each_group_are_drawn_and_others_change_nothing():
    examples = [asked(n) for n in range(40)] + [asked(n, ExampleKind.REFUSAL) for n in range(3)]
    drawn = sample().drawn(examples)
    assert [group for group, _ in drawn] == [Group.VARIED] * 5 + [Group.UNANSWERABLE] * 3
    assert sample().drawn(examples[::-1]) == drawn
    chosen = {each.id for _, each in drawn}
    fewer = [each for each in examples if each.id in chosen or int(each.messages[0].content[9:-1]) % 2]
    assert sample().drawn(fewer) == drawn
    assert {each.id for _, each in sample(seed=14).drawn(examples)} != chosen


def test_what_was_trained_is_asked_to_compare_and_never_to_calibrate():
    trained = asked(1, ExampleKind.QUESTION, Split.TRAIN)
    validating, evaluating = asked(2, split=Split.VALIDATION), asked(3)
    examples = [trained, asked(4, split=Split.TRAIN), validating, evaluating]
    assert [each for _, each in sample().drawn(examples)] == [trained, evaluating]
    assert [each for _, each in sample(Split.VALIDATION).drawn(examples)] == [validating]


def test_other_questions_have_another_digest():
    digests = [each.digest for each in (sample(), sample(), sample(seed=1), sample(per_group=6), sample(Split.TRAIN))]
    assert len(set(digests)) == 4 and digests[0] == digests[1]


def test_who_was_trained_on_a_persons_own_dataset_is_measured_by_the_collections(company):
    space, data = company
    assert measuring_data(space, "default", data, SMOKE) == data
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    lines = asked(1, ExampleKind.QUESTION, Split.TRAIN).model_dump_json().encode()

    def write(draft):
        draft.seal("examples.encrypted", lines)

    own = space.artifacts.build("chatdata", inputs={"corpus": corpus.digest}, config={"own": 1}, recipe=[], write=write)
    found = measuring_data(space, "default", own, SMOKE)
    assert found.kind == "chatdata" and found not in (own, data)
