"""`ragloop chat` as a person meets it: taught, trained, spoken with, promoted."""

import json

import pytest

from tests.company import write_company
from tests.e2e.conftest import Ragloop
from tests.e2e.test_ask import Terminal

QUESTION = "How long is the warranty of the Birk?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, prefect_server):
    """A home with documents, and a chat model that hardly learned anything, and serves all the same."""
    ragloop = Ragloop(tmp_path_factory.mktemp("chat"), prefect_server)
    ragloop.ok("ingest", write_company(ragloop.folder / "documents"))
    ragloop.told = ragloop.ok("chat", "train", "--profile", "smoke")
    ragloop.shown = ragloop.ok("releases", "show", "2")
    ragloop.denied = ragloop.refused("chat", QUESTION)
    ragloop.promoted = ragloop.ok("releases", "promote", "2")
    return ragloop


def test_a_training_is_judged_and_what_was_kept_out_speaks_only_when_told_to(trained):
    assert "verdict: KEEP release 2: " in trained.told
    assert "`ragloop releases promote 2` lets it serve all the same" in trained.told
    state, verdict = (line for line in trained.shown.splitlines() if line.startswith(("state", "verdict")))
    assert state.endswith("kept_out") and "KEEP release 2" in verdict
    assert "the chat model of release 2 was kept out" in trained.denied and "releases promote 2" in trained.denied
    assert trained.promoted.strip() == "release 2 serves default"
    assert json.loads(trained.ok("releases", "show", "2", "--json"))["chat_model"]["kind"] == "chatmodel"


def test_ways_to_answer_are_shown_side_by_side_and_drawn(trained):
    picture = trained.folder / "ways.png"
    shown = trained.ok("chat", "compare", "--picture", picture, "--questions", 3)
    assert "closed-book" in shown and "trained questions" in shown and "p95 ms" in shown
    assert shown.rstrip().endswith(f"picture: {picture}") and picture.read_bytes().startswith(b"\x89PNG")
    told = json.loads(trained.ok("chat", "compare", "--picture", picture, "--questions", 3, "--json"))
    assert told["release_id"] == 2 and told["picture"] == str(picture)
    assert {"group", "n", "way", "token_f1", "made_up"} <= set(told["questions"][0])
    assert [row["way"] for row in told["costs"]][:2] == ["closed-book", "rag"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--release", "1"], "release 1 of 'default' has no chat model"),
        (["--release", "99"], "99"),
        (["--release", "newest"], "newest"),
        (["--picture", "/nowhere/at/all.png"], "cannot write /nowhere/at/all.png"),
        (["-c", "nothing"], "'nothing' has no chat model yet"),
    ],
)
def test_what_cannot_be_compared_is_one_line(trained, arguments, words):
    assert words in trained.refused("chat", "compare", *arguments)


def test_one_question_is_answered_plainly_or_as_json(trained):
    done = trained("chat", QUESTION, "--max-new-tokens", 12)
    assert done.returncode == 0
    assert "chat model of release 2" in done.stderr and "from memory, without sources" in done.stderr
    answer = json.loads(trained.ok("chat", "--json", "--max-new-tokens", 12, QUESTION))
    assert answer["text"].strip() == done.stdout.strip()
    assert 0 < answer["confidence"] <= 1 and 0 < answer["tokens_out"] <= 12
    assert (answer["release_id"], answer["way"]) == (2, "closed-book")


def test_in_a_terminal_a_conversation(trained):
    terminal = Terminal(trained, "chat", "--temperature", "1.5", "--max-new-tokens", "8")
    terminal.until("> ")
    terminal.type(QUESTION)
    assert "confidence" in terminal.until("ends)> ")
    terminal.type("And of the Alder?")
    assert "confidence" in terminal.until("ends)> ")
    terminal.type("long " * 3000)
    assert "characters: ask in 4000 characters or fewer" in terminal.until("ends)> ")
    terminal.type("")
    assert terminal.end() == 0


def test_what_it_is_taught_is_written_as_private_files(trained):
    folder = trained.folder / "taught"
    trained.ok("chat", "extract", "--profile", "smoke", "--pairs-per-chunk", 2, "--no-augment", folder)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"faiss_training_data.json", "training_stats.json", "conversations.jsonl"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_dataset_with_a_line_that_is_no_json_is_named_by_its_line(trained, tmp_path):
    turns = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "At six."}]
    file = tmp_path / "mended.jsonl"
    file.write_text(json.dumps({"messages": turns}) + '\n{"messages": [half\n')
    line = trained.refused("chat", "train", "--dataset", file)
    assert "mended.jsonl line 2" in line and "nothing was trained" in line


def test_promoted_it_is_the_generator_that_the_config_names_and_new_documents_keep_it(trained):
    assert "nothing new since release 2" in trained.ok("chat", "train", "--profile", "smoke")
    more = trained.folder / "more.md"
    more.write_text("The moon is a quiet place with very little weather to speak of.")
    trained.ok("ingest", more)
    config = trained.folder / "ragloop.toml"
    config.write_text('[answering]\ngenerators = ["chat-model", "extractive"]\nfirst_piece_s = 60\ntotal_s = 60\n')
    answer = json.loads(trained.ok("ask", QUESTION, "--json", RAGLOOP_CONFIG=str(config)))
    assert answer["generator"] == f"chat-model/{answer['release_id']}"
    assert answer["release_id"] > 2


def test_a_base_that_is_not_there_is_refused_before_anything_is_made(trained, tmp_path):
    config = tmp_path / "ragloop.toml"
    config.write_text(f'[chat.training]\nbase = "{tmp_path}/nowhere"\n')
    line = trained.refused("chat", "train", RAGLOOP_CONFIG=str(config))
    assert f"no folder {tmp_path}/nowhere" in line and "chat.training.base" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "no question"), (["x", "-c", "nothing"], "ragloop ingest"), (["long " * 1500], "4000")],
)
def test_what_cannot_be_asked_is_one_line(trained, arguments, words):
    assert words in trained.refused("chat", *arguments)


def test_before_there_are_documents_that_is_what_is_said(trained):
    line = trained.refused("chat", "extract", "-c", "empty")
    assert "no documents in the collection 'empty'" in line and "ragloop ingest" in line


def test_its_help_says_how_to_ask(ragloop):
    shown = " ".join(ragloop.ok("chat", "--help").split())
    assert "ragloop chat 'How long is the" in shown and "extract" in shown and "train" in shown
    assert " say " not in shown.split("Commands")[1]
