"""Whatever is wrong, one line says what and how to mend it, with exit code 2, and nothing is lost."""

import io
import json

import pypdf
import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.e2e.conftest import Ragloop


def locked_pdf():
    page = io.BytesIO()
    canvas = Canvas(page)
    canvas.drawString(100, 700, "A secret page.")
    canvas.save()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(page.getvalue()))
    writer.encrypt("secret", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("locked.pdf", locked_pdf(), "password"),
        ("fake.docx", b"not a zip", "locked.pdf|fake.docx"),
        ("zeros.txt", bytes(4096), "zeros.txt"),
        ("torn.pdf", b"%PDF-1.7 and then nothing", "torn.pdf"),
        ("empty.md", b"", "empty.md"),
        ("picture.png", b"\x89PNG", "picture.png"),
    ],
)
def test_a_bad_file_is_named(ragloop, name, content, words):
    path = ragloop.folder / name
    path.write_bytes(content)
    line = ragloop.refused("ingest", path)
    assert name in line
    assert any(word in line for word in words.split("|"))


def test_bad_files_never_stop_the_good_ones(ragloop):
    folder = ragloop.folder / "mixed"
    folder.mkdir()
    (folder / "locked.pdf").write_bytes(locked_pdf())
    (folder / "fake.docx").write_bytes(b"not a zip")
    (folder / "tool.exe").write_bytes(b"MZ")
    (folder / "good.md").write_text("# Good\n\nThe weathercock of the town hall is a gilded pike.")
    done = ragloop("ingest", folder, "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert {each["name"]: each["name"] in each["reason"] for each in told.pop("refused")} == {
        "fake.docx": True, "locked.pdf": True,
    }  # fmt: skip
    assert told == {
        "added": ["good.md"], "updated": [], "unchanged": [], "skipped": ["tool.exe"], "chunks": 1, "release": 1,
    }  # fmt: skip
    assert "skipped, hidden or of no known kind: tool.exe" in ragloop("ingest", folder).stderr
    assert [hit["document"] for hit in json.loads(ragloop.ok("search", "gilded pike", "--json"))] == ["good.md"]
    assert len(list((ragloop.home / "artifacts" / "upload").iterdir())) == 1


def test_an_empty_folder_is_named(ragloop):
    (ragloop.folder / "nothing").mkdir()
    assert "nothing" in ragloop.refused("ingest", ragloop.folder / "nothing")


def test_a_path_that_is_not_there_is_named(ragloop):
    assert "nowhere" in ragloop.refused("ingest", ragloop.folder / "nowhere")


def test_a_broken_line_is_named_and_nothing_is_imported(company):
    lines = [{"question": f"What is the lung of the {i}?", "answer": "The lung of the Alder stands"} for i in range(9)]
    text = [json.dumps(line) for line in lines]
    text[6] = '{"question": "half a li'
    path = company.folder / "broken.jsonl"
    path.write_text("\n".join(text))
    before = company.ok("pairs", "stats", "--json")
    line = company.refused("pairs", "import", path)
    assert "broken.jsonl" in line
    assert "7" in line
    assert company.ok("pairs", "stats", "--json") == before


def test_a_chat_log_with_a_broken_line_is_refused_whole(company):
    path = company.folder / "chat.jsonl"
    said = [("user", "How far is the Alder from walls?"), ("assistant", "The lung of the Alder stands at least 10 cm.")]
    turns = [json.dumps({"conversation_id": 1, "role": role, "content": text}) for role, text in said]
    path.write_text("\n".join([*turns, '{"role": "user", "content": "hm"}']))
    line = company.refused("pairs", "harvest", path)
    assert "chat.jsonl line 3" in line and "nothing was imported" in line


def test_an_answer_that_no_document_holds_is_refused_by_name(company):
    path = company.folder / "unknown.jsonl"
    path.write_text(json.dumps({"id": "x9", "question": "Why?", "answer": "Because of the purple elephants of Mars."}))
    assert "x9" in company.refused("pairs", "import", path)


def test_questions_before_documents_are_refused(ragloop):
    path = ragloop.folder / "q.jsonl"
    path.write_text(json.dumps({"question": "Why?", "answer": "Because."}))
    assert "ragloop ingest" in ragloop.refused("pairs", "import", path)


@pytest.mark.parametrize("command", ["retrain", "pairs stats", "evaluate"])
def test_an_unknown_profile_is_answered_with_the_known_ones(company, command):
    line = company.refused(*command.split(), "--profile", "huge")
    assert "huge" in line
    assert "gpu-6gb" in line


def test_a_setting_that_cannot_be_used_is_named(company):
    line = company.refused("documents", RAGLOOP_MODELS="cloud")
    assert "RAGLOOP_MODELS" in line
    assert "cloud" in line
    assert line.endswith("correct or unset RAGLOOP_MODELS")


def test_a_wrong_key_is_refused(company, tmp_path):
    other = Ragloop(tmp_path)
    other.ok("keys", "create", "--role", "reader")
    line = company.refused("search", "anything", RAGLOOP_KEY_FILE=other.environment["RAGLOOP_KEY_FILE"])
    assert "key" in line


def test_a_key_that_others_can_read_is_refused(ragloop):
    ragloop.ok("keys", "create", "--role", "reader")
    key = ragloop.folder / "keys" / "keyring.json"
    key.chmod(0o644)
    assert "chmod 600" in ragloop.refused("documents")


def test_a_home_that_cannot_be_used_is_named(ragloop):
    ragloop.home.write_text("a file stands here")
    assert str(ragloop.home) in ragloop.refused("documents")


@pytest.mark.parametrize("command", ["retrain", "search hello", "evaluate", "pairs stats", "pairs export out"])
def test_a_collection_without_documents_says_what_to_do_first(ragloop, command):
    assert "ragloop ingest" in ragloop.refused(*command.split())


@pytest.mark.parametrize("command", ["chat extract", "chat train", "chat hello"])
def test_a_chat_model_before_documents_says_what_to_do_first(ragloop, command):
    assert "ragloop ingest" in ragloop.refused(*command.split())
    assert not list(ragloop.folder.rglob("conversations.jsonl"))


def test_a_chat_model_of_a_collection_without_documents_says_so(company):
    line = company.refused("chat", "train", "-c", "empty")
    assert "collection 'empty'" in line and "ragloop ingest" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "talk.jsonl: No such file"),
        ("What a lovely day.", "talk.jsonl line 1: is not JSON"),
        ('{"question": "When?"}', 'talk.jsonl line 1: has no "messages"'),
        ("", "talk.jsonl"),
    ],
)
def test_a_dataset_that_holds_no_conversations_is_named(company, tmp_path, content, words):
    file = tmp_path / "talk.jsonl"
    if content is not None:
        file.write_text(content)
    assert words in company.refused("chat", "train", "--dataset", file)


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("{folder}", "{folder} holds no model (config.json and *.safetensors): correct chat.training.base"),
        ("mine/parrot", "cannot fetch the chat model's base mine/parrot from the model hub"),
    ],
)
def test_a_chat_models_base_that_cannot_be_had_is_named(company, tmp_path, base, words):
    config = tmp_path / "ragloop.toml"
    config.write_text(f'[chat.training]\nbase = "{base.format(folder=tmp_path)}"\n')
    hub_out_of_reach = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub"), "NO_PROXY": "127.0.0.1"}
    line = company.refused("chat", "train", RAGLOOP_CONFIG=str(config), RAGLOOP_MODELS="hub", **hub_out_of_reach)
    assert words.format(folder=tmp_path) in line
    assert "set it to bundled" in line


@pytest.mark.parametrize("release", ["99", "newest", "²", "9" * 30])
def test_an_unknown_release_is_named(company, release):
    assert release in company.refused("releases", "show", release)
    assert release in company.refused("search", "x", "--release", release)


def test_nothing_to_roll_back_to_is_said(company):
    assert "earlier release" in company.refused("releases", "rollback")


def test_an_unknown_document_is_named(company):
    assert "wine.md" in company.refused("search", "x", "--document", "wine.md")


def test_exported_synthetic_pairs_do_not_come_back_as_real(company, tmp_path):
    row = {"id": "s1", "question": "Why?", "answer": "The lung of the Alder stands", "origin": "synthetic"}
    (tmp_path / "s.jsonl").write_text(json.dumps(row))
    assert "s1" in company.refused("pairs", "import", tmp_path / "s.jsonl")


def test_an_empty_question_is_refused(company):
    assert "empty" in company.refused("search", "  ")
    assert "4000 characters" in company.refused("ask", "long " * 2000)


def test_a_folder_for_results_that_is_not_there_is_named(company, tmp_path):
    line = company.refused("search", "--questions", company.folder / "questions.jsonl", "--out", tmp_path / "no" / "r")
    assert str(tmp_path / "no") in line


def test_a_prefect_server_that_does_not_answer_is_named(company):
    line = company.refused("retrain", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "127.0.0.1:9" in line
    assert "prefect server start" in line


def test_search_wants_a_question_or_a_file(company):
    assert "--questions" in company.refused("search")


def test_a_run_that_fails_leaves_no_half_file(company, tmp_path):
    questions, out = tmp_path / "q.jsonl", tmp_path / "run.jsonl"
    rows = [{"id": "1", "question": "fine"}, {"id": "2", "question": "x", "restrict_to": "gone.md"}]
    questions.write_text("\n".join(map(json.dumps, rows)))
    assert "gone.md" in company.refused("search", "--questions", questions, "--out", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.jsonl"]


@pytest.mark.parametrize("command", [["ingest", "."], ["retrain"], ["evaluate"], ["search", "what"], ["documents"]])
def test_a_collection_that_cannot_be_called_so_is_named(company, command):
    assert "'a b'" in company.refused(*command, "-c", "a b")


def test_a_failed_retraining_leaves_no_pickle(company):
    alone = Ragloop(company.folder)  # its server keeps what failed in the home
    assert "no documents in the collection 'empty'" in alone.refused("retrain", "-c", "empty")
    kept = [path for path in (company.home / "prefect").rglob("storage/*") if path.is_file()]
    assert kept
    assert all("message" in json.loads(path.read_text()) for path in kept)
