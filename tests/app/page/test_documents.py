"""Documents on the page: the first steps, what becomes of each file, and what is refused."""

import time
from datetime import datetime, timedelta
from io import BytesIO

import pytest
import streamlit as st
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from app.page.client import Api
from app.page.uploads import Uploads
from tests.app.api.conftest import open_space, serving
from tests.app.page.conftest import SLOW_S, Visit, plain, visiting


def pdf(line, **options):
    """Return a PDF of one line."""
    made = BytesIO()
    canvas = Canvas(made, **options)
    canvas.drawString(72, 700, line)
    canvas.save()
    return made.getvalue()


LOCKED = pdf("secret", encrypt=StandardEncryption("guess", canPrint=0))


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A server of a home without documents, that takes files of a megabyte."""
    with serving(open_space(tmp_path_factory.mktemp("empty"), max_upload_mb=1)) as running:
        yield running


@pytest.fixture
def trainer(empty, monkeypatch):
    return visiting(empty, monkeypatch, "trainer")


def add(visit, *files):
    """Add files, and look until it is known what became of each."""
    begin(visit, *files)
    settle(visit)


def begin(visit, *files):
    """Add files, and wait for nothing."""
    uploader = visit.page.file_uploader[0]
    uploader.set_value([(name, data, "application/octet-stream") for name, data in files])
    visit.click("Add")


def settle(visit):
    end = time.monotonic() + SLOW_S
    while any("files are done" in each.proto.text for each in visit.page.progress) and time.monotonic() < end:
        time.sleep(0.5)
        visit.page.run()


def refusals(visit):
    return [error for error in visit.errors if "password" in error]


def test_an_empty_collection_says_what_to_do_first_and_can_be_asked_after_it(trainer):
    assert any("Add documents" in text for text in trainer.markdown)
    assert not trainer.page.chat_input
    add(trainer, ("gate.pdf", pdf("The harbour gate closes at nine past eleven.")))
    assert not trainer.errors
    (answer,) = trainer.ask("When does the harbour gate close?").values()
    assert "nine past eleven" in answer["text"]
    trainer.page.pills(key=f"source-{answer['id']}").set_value(1).run()
    assert any("source-page" in each.proto.body for each in trainer.page.get("html")), "no picture of the page"


def test_a_bad_file_is_named_and_stops_no_other(trainer):
    trainer.go_to("documents")
    add(trainer, ("locked.pdf", LOCKED), ("large.txt", b"x" * 2**21), ("fine.md", b"# Fine\n\nAll is well here."))
    locked_line, large_line = sorted(trainer.errors, reverse=True)
    assert "locked.pdf" in locked_line and "password" in locked_line
    assert "large.txt" in large_line and "1 MiB" in large_line
    assert [plain(each.value) for each in trainer.page.success] == ["fine.md is read: ask about it"]


def test_adding_nothing_is_told(trainer):
    trainer.go_to("documents")
    trainer.click("Add")
    assert "No file is chosen: choose one first." in trainer.errors


def test_a_reader_is_told_what_adding_takes_before_choosing_files(empty, monkeypatch):
    monkeypatch.setenv("RAGLOOP_PAGE_API", empty.url)
    reader = Visit()
    reader.sign_in(empty.key("reader"))
    reader.go_to("documents")
    assert not reader.page.file_uploader
    assert any("Adding documents takes the role trainer" in each.value for each in reader.page.info)


def test_files_are_sent_whatever_page_is_opened_meanwhile(empty, trainer):
    trainer.go_to("documents")
    files = [(f"walk-{n}.md", f"Walk {n} leads along the quay.".encode()) for n in range(12)]
    begin(trainer, *files, ("locked.pdf", LOCKED))
    trainer.go_to("learning")
    api, end = Api(empty.url, empty.key("reader")), time.monotonic() + SLOW_S
    while {name for name, _ in files} - {each["name"] for each in api.documents("default")}:
        assert time.monotonic() < end
        time.sleep(0.5)
    trainer.go_to("documents")
    settle(trainer)
    assert len(trainer.page.success) == len(files)
    assert len(refusals(trainer)) == 1


def test_what_is_added_while_the_api_is_away_is_sent_once_it_is_back(tmp_path, monkeypatch):
    space = open_space(tmp_path)
    with serving(space) as running:
        monkeypatch.setenv("RAGLOOP_PAGE_API", running.url)
        visit = Visit()
        visit.sign_in(running.key("trainer"))
        visit.go_to("documents")
        port = int(running.url.rsplit(":", 1)[1])
    begin(visit, ("gate.md", b"The harbour gate closes at nine."))
    assert any("does not answer" in error for error in visit.errors)
    with serving(space, port=port):
        end = time.monotonic() + SLOW_S
        while not visit.page.success and time.monotonic() < end:
            time.sleep(0.5)
            visit.page.run()
        assert [plain(each.value) for each in visit.page.success] == ["gate.md is read: ask about it"]


def test_a_newcomer_sees_what_was_refused_until_it_is_dismissed(tmp_path, monkeypatch):
    with serving(open_space(tmp_path)) as running:
        monkeypatch.setenv("RAGLOOP_PAGE_API", running.url)
        visit = Visit()
        visit.sign_in(running.key("trainer"))
        add(visit, ("good.md", b"All is well at the quay."), ("locked.pdf", LOCKED))
        assert visit.page.chat_input, "it can be asked"
        visit.go_to("documents")
        settle(visit)
        assert len(refusals(visit)) == 1
        visit.page.run()
        assert len(refusals(visit)) == 1
        visit.click("Dismiss")
        assert not visit.errors


@pytest.fixture
def gate():
    """A file that is about to be sent."""
    uploads = Uploads("default")
    uploads.add([("gate.md", b"The gate closes at nine.")])
    return uploads


def go_on(uploads, api, until):
    """Have files sent and followed until something is so."""
    end = time.monotonic() + SLOW_S
    while not until():
        assert time.monotonic() < end
        uploads.go_on(api)
        time.sleep(0.1)


def test_an_upload_that_the_server_has_forgotten_is_told_and_not_asked_for_again(empty, gate):
    (file,) = gate.files
    file.id, file.data = "0" * 32, None
    go_on(gate, Api(empty.url, empty.key("trainer")), lambda: not file.open)
    assert "add it again" in file.refused


def test_a_file_waits_for_the_next_key_if_that_of_the_person_has_ended(empty, gate):
    (file,) = gate.files
    go_on(gate, Api(empty.url, "rk_ended"), lambda: gate.wrong)
    assert file.open and file.data
    go_on(gate, Api(empty.url, empty.key("trainer")), lambda: file.done)
    assert gate.wrong is None and file.data is None


def test_a_file_that_is_not_read_for_long_is_asked_for_less_often(tmp_path, gate):
    with serving(open_space(tmp_path)) as running:
        running.service.uploads.close()  # so that nobody reads it
        gate.go_on(Api(running.url, running.key("trainer")))
        time.sleep(8)
        route = {"method": "GET", "route": "/uploads/{upload_id}", "status": "200"}
        assert 2 <= running.service.metrics.registry.get_sample_value("ragloop_requests_total", route) <= 5


def test_when_a_document_was_added_is_said_in_the_time_of_the_person(visit, monkeypatch):
    reader = visit("reader")
    reader.go_to("documents")
    in_utc = reader.page.table[0].value["Added"][0]
    assert in_utc.endswith(" UTC")
    monkeypatch.setattr(type(st.context), "timezone", "Asia/Tokyo")
    reader.page.run()
    in_tokyo = reader.page.table[0].value["Added"][0]
    assert datetime.fromisoformat(in_tokyo) - datetime.fromisoformat(in_utc[:-4]) == timedelta(hours=9)


def test_the_limit_is_that_of_the_api_and_is_said_with_the_remedy(trainer):
    trainer.go_to("documents")
    assert trainer.page.file_uploader[0].proto.max_upload_size_mb == 1
    assert any("Up to 1 MB a file" in text and "ragloop ingest" in text for text in trainer.markdown)


def test_each_of_many_files_is_told_of_by_itself(trainer):
    trainer.go_to("documents")
    name = "<script>alert(1)</script> **b**.md"
    good = [(f"note-{n}.md", f"Note {n}\n\nThe lamp {n} is lit at dusk.".encode()) for n in range(4)]
    bad = [("nothing.txt", b""), ("broken.pdf", b"%PDF-1.7\nnonsense"), ("locked.pdf", LOCKED)]
    add(trainer, *good, good[0], *bad, (name, b"A text whose name is markup."))
    read = [plain(each.value) for each in trainer.page.success]
    assert read == [f"{each} is read: ask about it" for each in [*(name for name, _ in good), "note-0.md", name]]
    refused = {error.split()[0]: error for error in trainer.errors}
    assert set(refused) == {each for each, _ in bad}
    assert "password" in refused["locked.pdf"]
    assert all(": " in error for error in refused.values()), "each says what to do"
    assert all(error.count(name) == 1 for name, error in refused.items()), "and is named once"
    assert len(trainer.page.table[0].value) >= 5
