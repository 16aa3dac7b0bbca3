"""Documents over HTTP: added, found, replaced, deleted."""

import hashlib
import io
import time

import pytest
from reportlab.pdfgen.canvas import Canvas

from rag.corpus.artifact import find_upload
from tests.app.api.conftest import client, open_space, serving
from tests.app.api.test_streams import until

TORN = b"%PDF-1.7 and then nothing"
FACT = "The blue lantern of the harbour burns whale oil on Tuesdays."


def pdf(text):
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(400, 400))
    canvas.drawString(20, 300, text)
    canvas.save()
    return out.getvalue()


def settled(caller, upload):
    """Wait until an upload was read or refused, and return it."""
    assert upload.status_code == 202, upload.text
    for _ in range(600):
        state = caller.get(f"/uploads/{upload.json()['id']}").json()
        if state["state"] in ("done", "refused"):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


def ask(caller, question, **more):
    return caller.post("/ask", json={"question": question, "collection": "harbour"} | more).json()


def test_a_document_is_found_once_it_is_read_and_gone_once_it_is_deleted(server):
    with client(server, "trainer", "harbour") as trainer:
        documents = "/collections/harbour/documents"
        upload = trainer.post(documents, files={"file": ("lantern.pdf", pdf(FACT))}, data={"name": "town/lantern.pdf"})
        assert settled(trainer, upload)["state"] == "done"
        trainer.post(documents, files={"file": ("other.md", b"# Other\n\nThe quay is paved with slate from Moor.")})
        assert [row["name"] for row in trainer.get(documents).json()][0] in ("other.md", "town/lantern.pdf")

        answer = ask(trainer, "What does the blue lantern of the harbour burn?", boxes=True)
        (citation,) = answer["citations"]
        assert citation["document"] == "town/lantern.pdf"
        assert citation["boxes"][0]["page_no"] == 1
        span = {"start": citation["char_start"], "end": citation["char_end"]}
        marked = trainer.get(f"/collections/harbour/boxes/{citation['doc_id']}", params=span).json()
        assert marked["boxes"] == citation["boxes"]

        assert trainer.delete(f"{documents}/town/lantern.pdf").status_code == 200
        assert trainer.delete(f"{documents}/town/lantern.pdf").status_code == 404
        answer = ask(trainer, "What does the blue lantern of the harbour burn?")
        assert "whale" not in str(answer)


@pytest.mark.parametrize(
    ("name", "content", "status", "word"),
    [
        ("picture.png", b"\x89PNG", 422, "picture.png"),
        ("../up.md", b"x", 422, "plain name"),
        ("a\x07.md", b"x", 422, "name"),
    ],
)
def test_what_can_be_no_document_is_refused_at_once(server, name, content, status, word):
    with client(server, "trainer") as trainer:
        answer = trainer.post("/collections/default/documents", files={"file": ("f", content)}, data={"name": name})
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_a_broken_file_is_refused_by_name_and_those_with_it_are_read(server):
    with client(server, "trainer") as trainer:
        path = "/collections/mixed/documents"
        bad = trainer.post(path, files={"file": ("torn.pdf", TORN)})
        good = trainer.post(path, files={"file": ("good.md", FACT.encode())})
        assert "torn.pdf" in settled(trainer, bad)["reason"]
        assert settled(trainer, good)["state"] == "done"
        assert find_upload(server.space.artifacts, hashlib.sha256(TORN).hexdigest()) is None
        assert find_upload(server.space.artifacts, hashlib.sha256(FACT.encode()).hexdigest())
        assert "torn.pdf" in trainer.get(f"/uploads/{bad.json()['id']}").json()["reason"]


def test_a_file_that_was_altered_while_it_waited_is_refused_and_those_with_it_are_read(tmp_path):
    space = open_space(tmp_path)
    with serving(space) as first, client(first, "trainer") as trainer:
        first.service.uploads.close()
        path = "/collections/default/documents"
        bad = trainer.post(path, files={"file": ("altered.md", b"The quay is paved with slate from Moor.")})
        (sealed,) = (space.home / "artifacts" / "upload").glob("*/original.encrypted")
        sealed.write_bytes(sealed.read_bytes()[:-1] + b"x")
        good = trainer.post(path, files={"file": ("good.md", FACT.encode())})
    with serving(space) as second, client(second, "trainer") as trainer:
        assert "altered" in settled(trainer, bad)["reason"]
        assert settled(trainer, good)["state"] == "done"
        assert [row["name"] for row in trainer.get(path).json()] == ["good.md"]


def test_a_document_that_cannot_be_indexed_is_not_refused_and_is_found_once_it_can(tmp_path):
    space = open_space(tmp_path)
    in_the_way = space.home / "artifacts" / "corpus"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("no folder")
    with serving(space) as running, client(running, "trainer") as trainer:
        upload = trainer.post("/collections/default/documents", files={"file": ("late.md", FACT.encode())})
        until(lambda: trainer.get(f"/uploads/{upload.json()['id']}").json()["reason"])
        state = trainer.get(f"/uploads/{upload.json()['id']}").json()
        assert (state["state"], state["finished_at"]) == ("waiting", None)
        assert state["reason"].startswith("it is not searched yet, and tried again: ")
        assert [row["name"] for row in trainer.get("/collections/default/documents").json()] == ["late.md"]
        in_the_way.unlink()
        assert settled(trainer, upload)["state"] == "done"
        assert trainer.post("/ask", json={"question": "What does the blue lantern burn?"}).json()["found"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (
            b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            422,
        ),
    ],
)
def test_a_form_that_is_none_is_refused(server, content, kind, status):
    with client(server, "trainer") as trainer:
        answer = trainer.post("/collections/default/documents", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_what_waited_when_the_server_stopped_is_read_by_the_next(tmp_path):
    space = open_space(tmp_path)
    with serving(space) as first:
        first.service.uploads.close()
        with client(first, "trainer") as trainer:
            upload = trainer.post("/collections/default/documents", files={"file": ("late.md", FACT.encode())})
            assert upload.json()["state"] == "waiting"
    assert FACT.encode() not in b"".join(path.read_bytes() for path in space.home.rglob("*") if path.is_file())
    with serving(space) as second, client(second, "trainer") as trainer:
        assert settled(trainer, upload)["state"] == "done"
        assert trainer.post("/ask", json={"question": "What does the blue lantern burn?"}).json()["found"]
