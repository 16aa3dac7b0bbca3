"""`ragloop chat` as a person meets it: taught, trained, spoken with, promoted."""

import json

import pytest

from tests.company import write_company
from tests.e2e.conftest import Ragloop
from tests.e2e.test_ask import Terminal

QUESTION = "How long is the warranty of the Birk?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with documents, and a chat model that hardly learned anything."""
    ragloop = Ragloop(tmp_path_factory.mktemp("chat"))
    ragloop.ok("ingest", write_company(ragloop.folder / "documents"))
    ragloop.told = ragloop.ok("chat", "train", "--profile", "smoke")
    return ragloop


def test_a_training_makes_a_candidate_and_says_how_it_serves(trained):
    assert "release 2 is a candidate: `ragloop releases promote 2` lets it serve" in trained.told
    shown = json.loads(trained.ok("releases", "show", "2", "--json"))
    assert (shown["state"], shown["chat_model"]["kind"]) == ("candidate", "chatmodel")


def test_one_question_is_answered_plainly_or_as_json(trained):
    done = trained("chat", QUESTION, "--max-new-tokens", 12)
    assert done.returncode == 0
    assert "chat model of release 2" in done.stderr and "from memory, without sources" in done.stderr
    answer = json.loads(trained.ok("chat", "--json", "--max-new-tokens", 12, QUESTION))
    assert answer["text"].strip() == done.stdout.strip()
    assert 0 < answer["confidence"] <= 1 and 0 < answer["tokens_out"] <= 12
    assert answer["release_id"] == 2


def test_in_a_terminal_a_conversation(trained):
    terminal = Terminal(trained, "chat", "--temperature", "1.5", "--max-new-tokens", "8")
    terminal.until("> ")
    terminal.type(QUESTION)
    assert "confidence" in terminal.until("ends)> ")
    terminal.type("And of the Alder?")
    assert "confidence" in terminal.until("ends)> ")
    terminal.type("long " * 3000)
    assert "ragloop: the question cannot be taken" in terminal.until("ends)> ")
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
    trained.ok("releases", "promote", "2")
    assert "release 2 serves already" in trained.ok("chat", "train", "--profile", "smoke")
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
