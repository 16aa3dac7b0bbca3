"""The ways to answer, as a person meets them on the command line: which one it was, and what is kept of it."""

import json

import pytest

from rag.chat.calibration import calibrate
from rag.chat.serving import register_chat_model
from rag.feedback.recording import record_feedback
from rag.feedback.signals import Feedback, FeedbackKind
from storage.tables import InteractionRow
from tests.e2e.conftest import Ragloop
from tests.e2e.test_ask import space_of
from tests.rag.answering.shop import DOCUMENTS, SMOKE
from tests.rag.chat.tiny import KNOWN, save_tiny_chat, stored

OPENS, FERRY = KNOWN
BREAD = "How much does rye bread cost?"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, prefect_server):
    """A home whose release has a chat model that knows two answers, and is trusted with them."""
    ragloop = Ragloop(tmp_path_factory.mktemp("ways"), prefect_server)
    documents = ragloop.folder / "documents"
    documents.mkdir()
    for name, text in DOCUMENTS.items():
        (documents / name).write_text(text)
    ragloop.ok("ingest", documents)
    space = space_of(ragloop)
    router = calibrate([0.6, 0.7, 0.8, 0.95, 0.99] * 10, [0, 0, 0, 1, 1] * 10, [0.5] * 50)
    model = stored(space.artifacts, save_tiny_chat(ragloop.folder / "tiny"))
    release = register_chat_model(space, "default", model, SMOKE, router)
    space.registry.promote("default", release.id, "by hand")
    config = ragloop.folder / "ragloop.toml"
    config.write_text('[answering]\ngenerators = ["extractive"]\nfirst_piece_s = 60\ntotal_s = 60\n')
    ragloop.environment["RAGLOOP_CONFIG"] = str(config)
    return ragloop


@pytest.mark.parametrize(
    ("question", "way", "last"),
    [
        (OPENS, (), "answered by chat-model/2 from memory (chat model) in "),
        (BREAD, (), "answered by extractive from the passages in "),
        (OPENS, ("--way", "rag"), "answered by extractive from the passages in "),
        (FERRY, ("--way", "closed-book"), "answered by chat-model/2 from memory (chat model) in "),
    ],
)
def test_the_last_line_says_which_way_the_answer_came(shop, question, way, last):
    done = shop("ask", question, *way)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith(last)


def test_why_the_chat_model_was_not_heard_is_said(shop):
    answer = json.loads(shop.ok("ask", BREAD, "--json"))
    assert answer["way"] == "rag"
    assert answer["silent"][0]["generator"] == "chat-model/2"
    assert "promises less than the passages do" in answer["silent"][0]["reason"]
    assert json.loads(shop.ok("ask", OPENS, "--json"))["way"] == "closed-book"


def test_what_the_chat_model_says_is_kept_so_that_feedback_can_name_it(shop):
    said = json.loads(shop.ok("chat", FERRY, "--json"))
    assert (said["text"], said["way"], said["release_id"]) == (KNOWN[FERRY], "closed-book", 2)
    space = space_of(shop)
    with space.database.reading() as session:
        kept = session.get_one(InteractionRow, said["id"])
    assert (kept.question, kept.answer, kept.generator) == (FERRY, KNOWN[FERRY], "chat-model/2")
    assert (kept.release_id, kept.found, kept.retrieved) == (2, None, [])
    assert kept.timings["generation"] > 0
    reaction = Feedback(interaction_id=said["id"], kind=FeedbackKind.THUMB_DOWN)
    assert record_feedback(space.database, reaction, threshold=100)
