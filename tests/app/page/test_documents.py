"""Documents on the page: the first steps, what becomes of each file, and what is refused."""

import time
from io import BytesIO

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from tests.app.api.conftest import open_space, serving
from tests.app.page.conftest import SLOW_S, Visit, plain


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
    monkeypatch.setenv("RAGLOOP_PAGE_API", empty.url)
    opened = Visit()
    opened.sign_in(empty.key("trainer"))
    return opened


def add(visit, *files):
    uploader = visit.page.file_uploader[0]
    uploader.set_value([(name, data, "application/octet-stream") for name, data in files])
    visit.click("Add")
    end = time.monotonic() + SLOW_S
    while any("being read" in each.value for each in visit.page.info) and time.monotonic() < end:
        time.sleep(0.5)
        visit.page.run()


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


def test_a_reader_may_not_add(empty, monkeypatch):
    monkeypatch.setenv("RAGLOOP_PAGE_API", empty.url)
    reader = Visit()
    reader.sign_in(empty.key("reader"))
    reader.go_to("documents")
    add(reader, ("mine.txt", b"Mine."))
    assert any("role reader" in error for error in reader.errors)


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
    assert len(trainer.page.dataframe[0].value) >= 5
