import json
import stat

import pytest

from rag.chat.assembly import statistics
from rag.chat.conversations_file import read_dataset
from rag.chat.example import ExampleKind, Message, Source
from rag.chat.export import export_chat_data
from rag.chat.extraction import example
from rag.chat.grounding import with_passages
from rag.pairs.pair import Split
from storage.errors import StorageError

SOURCE = Source(doc_id="d", document="läuft.md", char_start=3, char_end=9)
EXAMPLES = [
    example(["Wo läuft es?", "Dort."], ExampleKind.QUESTION, Split.TRAIN, "f1", source=SOURCE),
    example(["And it?", "Yes.", "how?", "So."], ExampleKind.DIALOGUE, Split.TRAIN, "f2", source=SOURCE),
    example(["where?", "Dort."], ExampleKind.VARIATION, Split.VALIDATION, "f1", source=SOURCE),
    example(["Who?", "The documents do not say."], ExampleKind.REFUSAL, Split.EVALUATION),
]
REFUSED = example(["Who?", "The documents do not say."], ExampleKind.REFUSAL, Split.TRAIN)


@pytest.fixture
def exported(tmp_path):
    return export_chat_data(tmp_path / "new" / "training_data", EXAMPLES, {"config": {"seed": 13}})


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_all_examples_are_in_one_file(exported):
    rows = json.loads(exported["faiss_training_data.json"].read_text(encoding="utf-8"))
    assert [row["question"] for row in rows] == ["Wo läuft es?", "how?", "where?", "Who?"]
    first, second, _, last = rows
    assert {**first, "id": ""} == {
        "id": "",
        "question": "Wo läuft es?",
        "answer": "Dort.",
        "kind": "question",
        "split": "train",
        "fact": "f1",
        "trained": True,
        "real": False,
        "document": "läuft.md",
        "char_start": 3,
        "char_end": 9,
    }
    assert second["conversation"] == [
        {"role": "user", "content": "And it?"},
        {"role": "assistant", "content": "Yes."},
    ]
    assert "document" not in last and "conversation" not in last


def test_other_trainers_read_the_conversations_of_their_split_alone(exported):
    said = [[turn["content"] for turn in line["messages"]] for line in lines(exported["conversations.jsonl"])]
    assert said == [["Wo läuft es?", "Dort."], ["And it?", "Yes.", "how?", "So."]]
    (validating,) = lines(exported["conversations_validation.jsonl"])
    assert validating == {
        "messages": [{"role": "user", "content": "where?"}, {"role": "assistant", "content": "Dort."}]
    }
    assert json.loads(exported["training_stats.json"].read_text()) == {"config": {"seed": 13}}


def test_passages_stand_before_the_question_and_are_read_back(tmp_path):
    given = [with_passages(each, ["There.", "Here, at 4:30."]) for each in (EXAMPLES[0], EXAMPLES[1], REFUSED)]
    files = export_chat_data(tmp_path, given, {})
    (first, *_) = lines(files["conversations.jsonl"])
    assert first["messages"][0]["content"] == "Passages:\n- There.\n- Here, at 4:30.\nQuestion: Wo läuft es?"
    row = json.loads(files["faiss_training_data.json"].read_text(encoding="utf-8"))[0]
    assert (row["question"], row["passages"]) == ("Wo läuft es?", ["There.", "Here, at 4:30."])
    back = read_dataset(tmp_path)
    assert [(each.messages, each.kind) for each in back] == [(each.messages, ExampleKind.GROUNDED) for each in given]
    assert [bool(each.fact) for each in back] == [True, True, False]


def test_what_is_not_taught_validates_no_other_training(tmp_path):
    unknown = example(["Since when?", "1907."], ExampleKind.QUESTION, Split.VALIDATION, "f3", trained=False, real=True)
    files = export_chat_data(tmp_path, [*EXAMPLES, unknown], {})
    assert len(lines(files["conversations_validation.jsonl"])) == 1
    assert "1907." in files["faiss_training_data.json"].read_text(encoding="utf-8")


def test_files_are_for_their_owner_only_and_nothing_else_is_left(exported):
    folder = exported["conversations.jsonl"].parent
    assert {path.name for path in folder.iterdir()} == set(exported)
    assert {stat.S_IMODE(path.stat().st_mode) for path in exported.values()} == {0o600}


def test_a_file_that_cannot_be_written_leaves_those_before_as_they_were(exported):
    folder = exported["conversations.jsonl"].parent
    before = exported["conversations.jsonl"].read_text()
    half = EXAMPLES[2].model_copy(update={"messages": (Message.model_construct(role="user", content="\ud800"),) * 2})
    with pytest.raises(UnicodeEncodeError):
        export_chat_data(folder, [EXAMPLES[1], half], {})
    assert exported["conversations.jsonl"].read_text() == before
    assert {path.name for path in folder.iterdir()} == set(exported)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot export to .*file: .*: choose a folder"):
        export_chat_data(tmp_path / "file", EXAMPLES, {})


def test_what_was_exported_can_be_read_back(exported):
    back = read_dataset(exported["conversations.jsonl"].parent)
    assert [(each.messages, each.split) for each in back] == [(each.messages, each.split) for each in EXAMPLES[:3]]


def test_the_statistics_add_up():
    counted = statistics(EXAMPLES)
    assert counted["examples"] == sum(counted["by_split"].values()) == 4
    assert sum(n for by_split in counted["by_kind"].values() for n in by_split.values()) == 4
    assert counted["facts"] == {"trained": 2, "kept_out": 0}
    assert counted["training_words"] == {"asked": 3 + 2 + 1 + 1, "beside": 0, "answered": 2}
    beside = statistics([*EXAMPLES, with_passages(EXAMPLES[0], ["Two words."])])
    assert beside["training_words"] == {"asked": 7 + 3, "beside": 2, "answered": 3}
    assert beside["by_kind"]["grounded"] == {"train": 1, "validation": 0, "evaluation": 0}
    assert counted["by_document"] == {"läuft.md": 3}
