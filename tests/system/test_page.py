"""The page in a real browser, against `ragloop up` as a person starts it."""

import io
import json
import re
import socket
import subprocess
from base64 import b64decode
from contextlib import contextmanager

import pypdf
import pytest
from playwright.sync_api import expect
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from tests.company import write_company
from tests.e2e.conftest import ROOT, Ragloop, Up, wait_until
from tests.e2e.remote import Remote
from tests.groq_server import NUMBERED, sentences, serving, written
from tests.system.pages import (
    BASE,
    LEFT,
    NARROW,
    PAGE,
    QUESTION,
    SCRIPT,
    SENTENCE,
    SIZE,
    SLOW_MS,
    WIDE,
    Person,
    marked_box,
    write_pdf,
)

pytestmark = pytest.mark.system

SCHEMES = ["light", "dark"]


def quoting(messages):
    """Answer as a careful model does: with the sentence that has most words of the question; else as `written`."""
    asked = messages[-1]["content"]
    passages = NUMBERED.findall(asked)
    if not passages:
        return written(messages)
    words = set(re.findall(r"\w{4,}", NUMBERED.sub("", asked).lower()))
    told = [(sentence, number) for _, number, text in passages for sentence in sentences(text)]
    sentence, number = max(told, key=lambda each: len(words & set(re.findall(r"\w{4,}", each[0].lower()))))
    return f"{sentence.rstrip('.')} [{number}]."


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """`ragloop up` with a language model that writes slowly enough to be seen at it."""
    ragloop = Ragloop(tmp_path_factory.mktemp("page"))
    with serving() as groq:
        groq.write, groq.piece_s = quoting, 0.2
        patient = ragloop.folder / "patient.toml"
        patient.write_text("[answering]\nfirst_piece_s = 60\ngap_s = 60\ntotal_s = 120\n")
        groq_is = {"RAGLOOP_GROQ_API_KEY": "gsk_x", "RAGLOOP_GROQ_BASE_URL": groq.url}
        ragloop.environment |= groq_is | {"RAGLOOP_CONFIG": str(patient)}
        started = Up(ragloop)
        yield started
        started.end()


@pytest.fixture(scope="module")
def key(up):
    return up.ragloop.ok("keys", "create", "--role", "admin", "--quiet").strip()


@pytest.fixture(scope="module")
def url(up):
    return re.search(r"^page +(\S+)$", up.said(), re.MULTILINE).group(1)


@pytest.fixture(scope="module")
def person(browser, url, key):
    """An admin, who stays for the whole story."""
    someone = Person(browser, url)
    assert someone.violations() == set()
    someone.sign_in(key)
    yield someone
    someone.leave()


def test_an_empty_collection_says_what_to_do_and_takes_a_document(person, tmp_path):
    expect(person.window.get_by_text("Nothing is here yet")).to_be_visible()
    assert person.violations() == set()
    person.upload(write_pdf(tmp_path / "harbour *gate*.pdf"))
    expect(person.window.get_by_placeholder("Ask about the documents")).to_be_visible()


def test_an_answer_grows_and_its_source_is_marked_where_it_stands(person):
    person.begin(QUESTION)
    assert person.answers(1), "it came at once"
    expect(person.window.get_by_text("nine past eleven").first).to_be_visible()
    person.window.get_by_test_id("stButtonGroup").get_by_text("harbour *gate*.pdf, page 1").first.click()
    shown = person.window.locator("img.source-page")
    expect(shown).to_be_visible()
    left, top, right, bottom = marked_box(b64decode(shown.get_attribute("src").partition("base64,")[2]))
    width, height = PAGE
    assert left * width == pytest.approx(LEFT, abs=3)
    assert right * width == pytest.approx(LEFT + stringWidth(SENTENCE, "Helvetica", SIZE), abs=3)
    assert top * height <= height - BASE - SIZE / 2 <= height - BASE <= bottom * height
    assert (bottom - top) * height < 2 * SIZE
    assert "page 1 of harbour *gate*.pdf" in shown.get_attribute("alt").lower()


def test_a_thumb_is_thanked_for_and_counted(person):
    person.go("Learning")
    counted = person.window.get_by_text("of 50 reactions are new")
    before = int(counted.inner_text().split()[0])
    person.go("Ask")
    person.window.get_by_role("radio", name="Thumbs up").click()
    expect(person.window.get_by_text("Thank you")).to_be_visible()
    expect(person.window.get_by_text("nine past eleven").first).to_be_visible()
    person.go("Learning")
    expect(counted).to_contain_text(f"{before + 1} of 50")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("link", ["Ask", "Documents"])
def test_it_is_accessible(person, link, scheme):
    person.window.emulate_media(color_scheme=scheme)
    person.window.get_by_role("link", name=link).click()
    assert person.violations() == set()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_answer_with_all_that_it_opens_is_accessible(browser, url, key, scheme):
    someone = Person(browser, url, color_scheme=scheme)
    someone.sign_in(key)
    someone.begin(QUESTION)
    someone.answers(1)
    someone.window.get_by_text("harbour *gate*.pdf, page 1").first.click()
    expect(someone.window.locator("img.source-page")).to_be_visible()
    for name in ("Say more", "Why this answer?"):
        someone.window.get_by_text(name).click()
    someone.window.get_by_role("button", name="What each step found").click()
    assert someone.violations() == set()
    assert someone.misplaced() == []
    someone.leave()


def test_an_answer_goes_on_while_its_window_shows_something_else(browser, url, key):
    someone = Person(browser, url)
    someone.sign_in(key)
    beginning = someone.window.get_by_test_id("stText").filter(has_text=re.compile("^The harbour"))
    someone.begin(f"{QUESTION} Before the window is loaded anew.")
    expect(beginning).to_have_count(1)
    someone.window.reload()
    someone.answers(1)
    expect(beginning).to_have_count(1)
    someone.begin(f"{QUESTION} Before another page is opened.")
    expect(beginning).to_have_count(2)
    someone.go("Documents")
    someone.go("Ask")
    someone.answers(2)
    someone.begin(f"{QUESTION} While another window looks on.")
    other = someone.another_window(url)
    for window in (someone, other):
        window.answers(3)
        expect(window.window.get_by_text("interrupted")).to_have_count(0)
    other.window.get_by_role("button", name="Sign out").click()
    expect(other.window.get_by_label("API key")).to_be_visible()
    someone.window.get_by_role("link", name="Documents").click()
    expect(someone.window.get_by_label("API key")).to_be_visible()
    expect(someone.window.get_by_text(QUESTION)).to_have_count(0)
    someone.leave()


def test_markup_in_a_question_is_shown_and_not_carried_out(person):
    person.go("Ask")
    person.begin(f"{SCRIPT} **gate** :smile: $x$")
    person.answers(2)
    expect(person.window.get_by_text(f"{SCRIPT} **gate** :smile: $x$")).to_be_visible()
    assert person.window.title() != "taken"


def test_too_long_a_question_is_refused_and_not_lost(person):
    person.begin("why " * 25_000)
    expect(person.window.get_by_text("100,000 characters, of 4,000 at most")).to_be_visible()
    person.window.get_by_text("Your question, to copy").click()
    expect(person.window.get_by_text("why why why").first).to_be_visible()
    person.begin("   ")
    person.window.wait_for_timeout(1000)
    expect(person.window.get_by_text("Why this answer?")).to_have_count(2)


def locked_pdf():
    plain = io.BytesIO()
    canvas = Canvas(plain)
    canvas.drawString(100, 700, "A secret page.")
    canvas.save()
    writer = pypdf.PdfWriter(clone_from=plain)
    writer.encrypt("secret", algorithm="AES-256")
    locked = io.BytesIO()
    writer.write(locked)
    return locked.getvalue()


def test_files_that_cannot_be_taken_are_named_and_stop_no_others(person, tmp_path):
    person.go("Documents")
    with (tmp_path / "huge.txt").open("wb") as huge:
        huge.truncate(2**30)
    person.window.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "huge.txt")
    expect(person.window.get_by_text(re.compile("must be .*MB or smaller"))).to_be_visible()
    (tmp_path / "locked.pdf").write_bytes(locked_pdf())
    (tmp_path / "<img src=x onerror=alert(1)>.md").write_text(f"# Quay\n\nThe quay is lit by four lanterns. {SCRIPT}")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "huge.txt").unlink()
    person.window.get_by_role("button", name="Remove huge.txt").click()
    person.upload(*tmp_path.iterdir())
    expect(person.window.get_by_text("locked.pdf").filter(has_text="password").first).to_be_visible()
    expect(person.window.get_by_text("empty.txt is empty").first).to_be_visible()
    expect(person.window.get_by_text("<img src=x onerror=alert(1)>.md is read").first).to_be_visible()
    person.go("Ask")
    person.begin("By what is the quay lit?")
    person.answers(3)
    expect(person.window.get_by_text("four lanterns").first).to_be_visible()
    assert person.window.title() != "taken"


def test_by_keyboard_alone_one_signs_in_asks_opens_a_source_reacts_and_finds_the_rest(browser, url, key):
    someone = Person(browser, url)
    keyboard = someone.window.keyboard
    expect(someone.window.get_by_label("API key")).to_be_visible()
    someone.tab_to("API key")
    keyboard.type(key)
    someone.tab_to("Sign in")
    keyboard.press("Enter")
    expect(someone.window.get_by_role("heading", name="Ask your documents")).to_be_visible()
    someone.tab_to("Ask about the documents")
    keyboard.type(QUESTION)
    keyboard.press("Enter")
    someone.answers(1)
    someone.tab_to("page 1")
    keyboard.press("Space")
    expect(someone.window.locator("img.source-page")).to_be_visible()
    someone.tab_to("Thumbs up")
    keyboard.press("Space")
    expect(someone.window.get_by_text("Thank you")).to_be_visible()
    someone.tab_to("Why this answer?")
    keyboard.press("Enter")
    expect(someone.window.get_by_role("button", name="What each step found")).to_be_visible()
    assert someone.out_of_reach() == []
    for link in ("Documents", "Learning"):
        someone.tab_to(link)
        keyboard.press("Enter")
        expect(someone.window.get_by_role("heading", name=link, exact=True)).to_be_visible()
        assert someone.out_of_reach() == []
    someone.leave()


def test_a_retraining_is_started_others_ask_meanwhile_and_its_release_appears(person, browser, url, key, up, tmp_path):
    person.go("Documents")
    person.upload(*write_company(tmp_path / "company").iterdir())
    expect(person.window.get_by_text("is read: ask about it")).to_have_count(8)
    both = [Person(browser, url) for _ in range(2)]
    for someone in both:
        someone.sign_in(key)

    person.go("Learning")
    person.window.get_by_role("button", name="Start a retraining").click()
    expect(person.window.get_by_text("A retraining runs since")).to_be_visible()
    for number in (1, 2):
        for someone in both:
            someone.begin(f"{QUESTION} Say it for the {number}. time.")
        for someone in both:
            assert someone.answers(number), "it came at once"
    assert [each["state"]["type"] for each in Remote(up).runs("retrain")] == ["RUNNING"]
    for someone in both:
        someone.leave()

    done = person.window.get_by_text("The last retraining is done")
    expect(done).to_be_visible(timeout=4 * SLOW_MS)
    release = json.loads(up.ragloop.ok("releases", "list", "--json"))[0]
    expect(done).to_contain_text(f"release {release['id']}")
    expect(person.window.get_by_text("Paired gain")).to_be_visible()
    if release["state"] == "production":
        expect(person.window.get_by_text(f"Release {release['id']} serves.")).to_be_visible()
    else:
        other = person.window.get_by_role("combobox", name="Another release")
        expect(other).to_have_value(f"Release {release['id']}")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_was_learned_is_accessible(person, scheme):
    person.window.emulate_media(color_scheme=scheme)
    person.go("Learning")
    expect(person.window.get_by_text("Paired gain")).to_be_visible()
    assert person.violations() == set()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("link", ["Ask", "Documents", "Learning"])
def test_nothing_overlaps_or_overflows(person, link, size):
    person.window.set_viewport_size(WIDE)
    person.window.get_by_role("link", name=link).click()
    person.window.set_viewport_size(size)
    assert person.misplaced() == []
    assert person.cut_off() == []


@contextmanager
def started(ragloop, *arguments):
    """Run a server; yields its address."""
    log = ragloop.folder / f"{arguments[0]}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ragloop.command(*arguments), cwd=ROOT, env=ragloop.environment, stdout=file, stderr=file
        )
    try:
        assert wait_until(lambda: "ready http" in log.read_text() or process.poll() is not None, 120), log.read_text()
        yield log.read_text().split("ready ")[1].split()[0]
    finally:
        process.terminate()
        process.wait(60)


def test_while_the_api_is_away_that_is_said_and_nothing_is_lost(browser, tmp_path):
    ragloop = Ragloop(tmp_path)
    ragloop.ok("ingest", write_company(tmp_path / "company") / "alder.md")
    key = ragloop.ok("keys", "create", "--role", "reader", "--quiet").strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(ragloop, "page", "--port", "0", "--api", f"http://127.0.0.1:{port}") as url:
        someone = Person(browser, url)
        again = someone.window.get_by_role("button", name="Try again")
        expect(again).to_be_visible()
        expect(someone.window.get_by_text(f"127.0.0.1:{port}")).to_be_visible()
        with started(ragloop, "serve", "--port", port):
            again.click()
            someone.sign_in(key)
            someone.begin("How long is the warranty of the Alder?")
            someone.answers(1)
        someone.begin("How far from a wall does the lung of the Alder stand?")
        expect(someone.window.get_by_text(f"127.0.0.1:{port}").first).to_be_visible()
        expect(someone.window.get_by_text("Founder's cover").first).to_be_visible()
        with started(ragloop, "serve", "--port", port):
            again.click()
            someone.answers(2)
            expect(someone.window.get_by_text("The lung of the Alder stands").first).to_be_visible()
        someone.leave()


def test_ctrl_c_ends_the_page_with_the_rest(up):
    processes = up.processes()
    assert up.stop() == 0
    assert not up.processes(), processes
