import json

import pytest

from rag.chat.conversations_file import read_dataset
from rag.chat.example import ExampleKind
from rag.errors import BadQuestions
from rag.pairs.pair import Split


def line(*said, roles=("user", "assistant")):
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
    return json.dumps({"messages": turns})


def save(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


GOOD = line("How?", "So.")


def test_conversations_become_examples_of_their_kinds(tmp_path):
    file = save(
        tmp_path / "own.jsonl",
        GOOD,
        "",
        line("And?", "Yes.", "how so?", "So it is."),
        line("Who?", "The documents do not say."),
    )
    plain, dialogue, refusal = read_dataset(file)
    assert [each.kind for each in (plain, dialogue, refusal)] == [
        ExampleKind.QUESTION,
        ExampleKind.DIALOGUE,
        ExampleKind.REFUSAL,
    ]
    assert (plain.messages[0].content, plain.answer, dialogue.answer) == ("How?", "So.", "So it is.")
    assert plain.fact and not refusal.fact
    assert {each.split for each in (plain, dialogue, refusal)} == {Split.TRAIN}


def test_a_system_message_and_parts_of_text_are_taken_as_other_trainers_write_them(tmp_path):
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "How?"}]},
        {"role": "assistant", "content": "So."},
    ]
    (example,) = read_dataset(save(tmp_path / "own.jsonl", json.dumps({"messages": turns})))
    assert [turn.content for turn in example.messages] == ["How?", "So."]


def test_a_question_that_only_begins_like_passages_is_a_question(tmp_path):
    asked = ["Passages: which?", "Passages:\n- one\nwhich?", "Which?\nQuestion: this?"]
    file = save(tmp_path / "own.jsonl", *(line(each, "So.") for each in asked))
    assert [(each.messages[0].content, each.kind) for each in read_dataset(file)] == [
        (each, ExampleKind.QUESTION) for each in asked
    ]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ("no JSON", "is not JSON"),
        ("[1, 2]", "is not a JSON object"),
        (json.dumps({"question": "How?", "answer": "So."}), 'has no "messages"'),
        (json.dumps({"messages": "How?"}), '"messages": Input should be a valid list'),
        (json.dumps({"messages": []}), "no conversation to learn from"),
        (line("How?"), "no conversation to learn from"),
        (line("How?", "So.", "and?"), "no conversation to learn from"),
        (line("How?", "So.", roles=("assistant", "user")), "no conversation to learn from"),
        (line("How?", "Hm?", roles=("user", "user")), "no conversation to learn from"),
        (line("How?", " "), "no conversation to learn from"),
        (line("How?", "So.", roles=("human", "assistant")), '"messages.0.role"'),
    ],
)
def test_a_wrong_line_is_refused_by_its_number_with_the_remedy(tmp_path, wrong, what):
    file = save(tmp_path / "own.jsonl", GOOD, wrong)
    with pytest.raises(BadQuestions) as refused:
        read_dataset(file)
    said = str(refused.value)
    assert said.startswith(f"{file} line 2: ") and what in said and said.endswith("; nothing was trained")
    assert "\n" not in said


def test_a_file_without_a_line_and_one_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(BadQuestions, match="nothing was trained"):
        read_dataset(save(tmp_path / "own.jsonl", ""))
    with pytest.raises(BadQuestions, match="No such file"):
        read_dataset(tmp_path / "gone.jsonl")
    with pytest.raises(BadQuestions, match=r"conversations\.jsonl: No such file"):
        read_dataset(tmp_path)


def test_a_folder_has_its_own_validation(tmp_path):
    save(tmp_path / "conversations.jsonl", *(line(f"How {i}?", "So.") for i in range(50)))
    save(tmp_path / "conversations_validation.jsonl", line("Well?", "So."))
    splits = {each.messages[0].content: each.split for each in read_dataset(tmp_path)}
    assert [asked for asked, split in splits.items() if split is Split.VALIDATION] == ["Well?"]


@pytest.mark.parametrize("empty", [True, False])
def test_without_a_validation_file_a_tenth_validates_and_nothing_remains_untaught(tmp_path, empty):
    answers = [f"So it is {i // 5}." for i in range(500)]
    save(tmp_path / "conversations.jsonl", *(line(f"How {i}?", answer) for i, answer in enumerate(answers)))
    if empty:
        save(tmp_path / "conversations_validation.jsonl")
    examples = read_dataset(tmp_path)
    trained = {each.answer for each in examples if each.split is Split.TRAIN}
    assert trained == set(answers)
    assert 25 < sum(each.split is Split.VALIDATION for each in examples) < 80
    assert examples == read_dataset(tmp_path)


def test_a_file_that_says_each_thing_once_trains_on_all_of_it(tmp_path):
    file = save(tmp_path / "own.jsonl", *(line(f"How {i}?", f"So {i}.") for i in range(60)))
    assert {each.split for each in read_dataset(file)} == {Split.TRAIN}
