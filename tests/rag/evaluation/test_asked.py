import json

import pytest

from rag.answering.answer import Way
from rag.chat.data_artifact import dataset_artifact
from rag.chat.example import ChatExample, ExampleKind, Message, Source
from rag.chat.extraction import example
from rag.chat.serving import register_chat_model
from rag.corpus.artifact import corpus_artifact
from rag.evaluation.asked import (
    Group,
    Sample,
    evaluation_sample,
    group_of,
    load_sample,
    measuring_data,
    validation_sample,
)
from rag.evaluation.way_artifact import load_way_report, way_artifact
from rag.pairs.pair import Split
from storage.artifacts import ArtifactRef
from tests.rag.evaluation.company_talk import SMOKE, stored_chat

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


def test_peoples_wordings_that_calibrate_are_shown_and_do_not_count():
    calibrating, evaluating = asked(1, real=True, split=Split.VALIDATION), asked(2, real=True)
    assert sample().drawn([calibrating, evaluating]) == [
        (Group.REAL, evaluating),
        (Group.REAL_CALIBRATING, calibrating),
    ]
    assert sample(Split.VALIDATION).drawn([calibrating, evaluating]) == [(Group.REAL, calibrating)]
    assert [group for group in Group if not group.counts] == [Group.REAL_CALIBRATING]


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


def test_nothing_is_asked_that_other_conversations_taught():
    def told(question, answer="An answer.", kind=ExampleKind.VARIATION, split=Split.EVALUATION, **fields):
        source = None if kind is ExampleKind.REFUSAL else SOURCE
        return example([question, answer], kind, split, source=source, **fields)

    apart = sample().model_copy(update={"apart_from": ArtifactRef.of("chatdata", "1" * 32)})
    kept = [told("How long is it?", "Five metres."), told("How wide is it?", "Two metres.", trained=False)]
    left_out = [
        told("What is it?", kind=ExampleKind.QUESTION, split=Split.TRAIN),
        told("Where does it stand?"),
        told("Who painted it?", kind=ExampleKind.REFUSAL),
        told("How high is it?", "Three metres.", trained=False),
    ]
    learned = [
        told("where does it STAND", split=Split.TRAIN),
        told("Who painted it?", split=Split.VALIDATION),
        example(["Hello", "Hello.", "Is it high?", "three metres"], ExampleKind.DIALOGUE, Split.TRAIN),
        told("Is it long?", "Five metres.", split=Split.TRAIN),
        told("How wide is it?", "Two metres."),  # evaluates, so no training has seen it
    ]
    assert [each for _, each in apart.drawn(left_out + kept, learned)] == kept
    assert {each.id for _, each in sample().drawn(left_out + kept)} == {each.id for each in left_out + kept}


def test_what_validated_a_training_may_calibrate_and_what_it_taught_may_not():
    apart = sample(Split.VALIDATION).model_copy(update={"apart_from": ArtifactRef.of("chatdata", "1" * 32)})
    examples = [asked(1, split=Split.VALIDATION), asked(2, split=Split.VALIDATION)]
    seen = [examples[0], asked(2, ExampleKind.QUESTION, Split.TRAIN)]
    assert apart.drawn(examples, seen) == [(Group.VARIED, examples[0])]


def test_what_a_persons_own_dataset_teaches_measures_nothing(company, speaking, chat, tmp_path):
    space, data = company
    compared = load_sample(space.artifacts, evaluation_sample(space, speaking, data, SMOKE))
    asked_there = next(each for group, each in compared if group is Group.VARIED)
    taught_there = next(each for group, each in compared if group is Group.UNTRAINED)
    leaks = [(asked_there.messages[0].content.upper(), "It differs."), ("Is there room?", taught_there.answer)]
    turns = [[{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in leaks]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"messages": each}) for each in turns))
    own = dataset_artifact(space, "default", path)
    release = register_chat_model(space, "default", stored_chat(space, chat, own), SMOKE)
    apart = evaluation_sample(space, release, data, SMOKE)
    expected = [
        each.id for group, each in compared if group is not Group.TRAINED and each not in (asked_there, taught_there)
    ]
    answered = load_way_report(space.artifacts, way_artifact(space, release, Way.CLOSED_BOOK, apart, SMOKE)).answers
    assert [answer.id for answer in answered] == expected
    assert validation_sample(space, release, data, SMOKE).apart_from == apart.apart_from == own
    assert evaluation_sample(space, speaking, data, SMOKE).apart_from is None
