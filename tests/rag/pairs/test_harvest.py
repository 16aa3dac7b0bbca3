import json
import os

import pytest
from typer.testing import CliRunner

from app.cli import app
from rag.errors import BadQuestions
from rag.pairs.collection import real_questions
from rag.pairs.conversations import read_conversations
from rag.pairs.harvest import harvest
from rag.pairs.pair import Origin

LUNG = "The lung of the Alder stands at least 10 centimetres from any wall."
MUSTER = "A muster of the Alder takes 11 minutes and must not be cut short."
HUSH = "The hush band of the Birk begins at 20 past nine in the evening."
CHAT = [
    ("user", "Hello!"),
    ("assistant", "Hi, how can I help?"),
    ("user", "Hi, how far from the wall must the Alder be put?"),
    ("assistant", f"Good question! {LUNG} [1]"),
    ("user", "and how long does its update last?"),
    ("assistant", "Here you are:"),
    ("assistant", f"- {MUSTER.replace('must not', 'MUST  NOT')} Shall I open a ticket?"),
    ("user", "What is the meaning of life?"),
    ("assistant", "Forty-two, as everybody knows."),
    ("user", "Which valley?"),
    ("assistant", "Number 0."),
    ("user", "thanks"),
    ("assistant", "You're welcome!"),
]


def as_turns(chat, name="c1"):
    return [json.dumps({"conversation_id": name, "role": role, "content": text}) for role, text in chat]


def log(*lines):
    return "\n".join(lines).encode()


def asked(space):
    rows = real_questions(space.database, "default")
    return {row.anchor: row.answer for row in rows if row.source_id and "chat" in row.source_id}


@pytest.fixture
def company(open_company):
    return open_company("home")


def test_a_chat_becomes_questions_with_the_documents_own_words(company):
    summary = harvest(company, "default", log(*as_turns(CHAT)), "chat.jsonl")
    assert asked(company) == {
        "how far from the wall must the Alder be put?": LUNG,
        "How long does the Alder's update last?": MUSTER,
    }
    assert {row.origin for row in real_questions(company.database, "default")} == {Origin.REAL}
    assert summary.model_dump(exclude={"refused"}) == {
        "conversations": 1, "imported": 2, "duplicates": 0, "small_talk": 2, "rewritten": 2
    }  # fmt: skip
    assert summary.refused == (
        "chat.jsonl line 8: no sentence of its answer stands in the documents",
        "chat.jsonl line 10: its answer has no sentence of 4 words, too short to be found by",
    )


def test_both_shapes_of_log_say_the_same_and_what_is_known_is_counted(company):
    harvest(company, "default", log(*as_turns(CHAT)), "chat.jsonl")
    parts = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in CHAT]
    messages = [
        {"role": "system", "content": "Be kind."},
        *parts,
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    summary = harvest(company, "default", log(*[json.dumps({"messages": messages})] * 3), "chat2.jsonl")
    assert (summary.conversations, summary.imported, summary.duplicates, len(summary.refused)) == (3, 0, 10, 2)


def test_conversations_may_be_interleaved_and_each_keeps_its_own_topic(company):
    birk = "Is the Birk loud?", "No.", "When does it get quiet?", HUSH
    alder = "Tell me about the Alder", "Gladly.", "How far is it from walls?", LUNG
    one, other = (
        as_turns(zip(("user", "assistant") * 2, said, strict=True), name)
        for said, name in ((birk, "c1"), (alder, "c2"))
    )
    mixed = [line for both in zip(one, other, strict=True) for line in both]
    harvest(company, "default", log(*mixed), "chat.jsonl")
    assert asked(company) == {"When does the Birk get quiet?": HUSH, "How far is the Alder from walls?": LUNG}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"conversation_id": "c", "role": "user"', "line 14: is not JSON"),
        ('["user", "hi"]', "line 14: is not a JSON object"),
        ('{"role": "user", "content": "hi"}', 'line 14: "conversation_id": Field required'),
        ('{"conversation_id": "c", "role": "boss", "content": "hi"}', 'line 14: "role": Input should be'),
        ('{"messages": [{"role": "user", "content": 5}]}', 'line 14: "messages.0.content"'),
        ('{"question": "hi"}', 'line 14: has neither "messages" nor'),
        (b"\xff", "line 14: is not UTF-8"),
        (r'{"messages": [{"role": "user", "content": "Why \ud83d?"}]}', "line 14: holds half of a character"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_nothing_is_imported(space, line, told):
    broken = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(BadQuestions) as error:
        harvest(space, "default", log(*as_turns(CHAT)) + b"\n" + broken, "chat.jsonl")
    assert told in str(error.value) and str(error.value).endswith("nothing was imported")
    assert "\n" not in str(error.value)
    assert asked(space) == {}


def test_a_log_is_read_line_by_line():
    def lines():
        yield from (line.encode() for line in as_turns([("user", "How heavy is it?")] * 3))
        yield b"{"

    with pytest.raises(BadQuestions, match="line 4"):
        read_conversations("chat", lines(), "nothing was imported")


def test_the_command_says_what_became_of_the_log(company, tmp_path):
    file = tmp_path / "chat.jsonl"
    file.write_bytes(log(*as_turns(CHAT)))
    done = CliRunner().invoke(app, ["pairs", "harvest", str(file), "--json"])
    refused = [
        f"{file} line 8: no sentence of its answer stands in the documents",
        f"{file} line 10: its answer has no sentence of 4 words, too short to be found by",
    ]
    assert json.loads(done.stdout) == {
        "conversations": 1, "imported": 2, "duplicates": 0, "small_talk": 2, "rewritten": 2, "refused": refused
    }  # fmt: skip
    assert done.stderr.splitlines() == [f"ragloop: {reason}" for reason in refused]
    missing = CliRunner().invoke(app, ["pairs", "harvest", os.devnull + "/chat"])
    assert isinstance(missing.exception, BadQuestions)
