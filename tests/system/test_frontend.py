"""The example of a team's own front end: compiled against the running API's description, and used in a real browser."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from app.access import Role, create_key, revoke_key
from rag.settings import Settings
from rag.workspace import Workspace
from tests.e2e.conftest import ROOT, Ragloop, wait_until
from tests.e2e.test_serve import Served
from tests.system.frontend import ask, npm, problem, serving, sign_in
from tests.system.pages import QUESTION, SCRIPT, SENTENCE, marked_box, violations, write_pdf
from tests.system.servers import free_port

pytestmark = pytest.mark.system

EXAMPLE = ROOT / "examples" / "frontend"
GUIDE = ROOT / "docs" / "integrate.md"
NOT_OF_THE_EXAMPLE = shutil.ignore_patterns("node_modules", "build", "api.d.ts")
NOTE = "The lighthouse keeper has a grey cat called Barnacle. It sleeps on the stove of the lamp room all day."
CAT = "What is the lighthouse keeper's cat called?"
GATE = "What happens at the harbour gate at nine past eleven?"


def shown_as(language):
    """Return the code blocks of a language that docs/integrate.md shows."""
    return re.findall(rf"^```{language}\n(.+?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the example with what it needs to be compiled, as its lock file names it."""
    assert shutil.which("npm"), "no npm: install the Debian packages nodejs and npm"
    copy = tmp_path_factory.mktemp("frontend") / "frontend"
    shutil.copytree(EXAMPLE, copy, ignore=NOT_OF_THE_EXAMPLE)
    code, said = npm(copy, "ci", "--no-audit", "--no-fund")
    assert code == 0, said
    return copy


@pytest.fixture(scope="module")
def origin(folder):
    with serving(folder) as started:
        yield started


@pytest.fixture(scope="module")
def api(tmp_path_factory, origin):
    """`ragloop serve` for the pages of that origin, with a PDF and a text.

    `.url`, `.key`, `.database`, `.waiting()` for how many reactions are new, `.stop()`.
    """
    ragloop = Ragloop(tmp_path_factory.mktemp("served"))
    ragloop.environment["RAGLOOP_API_ORIGINS"] = origin
    space = Workspace.open(Settings(home=ragloop.home, key_file=ragloop.environment["RAGLOOP_KEY_FILE"]), create=True)
    reader, trainer = (create_key(space.database, role)[0] for role in (Role.READER, Role.TRAINER))
    served = Served(ragloop)
    keeper = ragloop.folder / "keeper.txt"
    keeper.write_text(NOTE)
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {trainer}"}, timeout=60) as http:

        def waiting():
            return http.get("/collections/default/learning").json()["feedback"]["count"]

        try:
            for path in (write_pdf(ragloop.folder / "harbour.pdf"), keeper):
                sent = http.post("/collections/default/documents", files={"file": (path.name, path.read_bytes())})
                state = f"/uploads/{sent.json()['id']}"
                assert wait_until(lambda at=state: http.get(at).json()["state"] == "done", 300)
            assert wait_until(lambda: http.get("/readyz").status_code == 200, 300)
            yield SimpleNamespace(
                url=served.url, key=reader, database=space.database, waiting=waiting, stop=served.stop
            )
        finally:
            served.process.kill()
            served.process.wait()


@pytest.fixture(scope="module")
def built(folder, api):
    """Generate the types from the running API and compile, with what docs/integrate.md shows beside the example."""
    (shown,) = shown_as("ts")
    (folder / "src" / "integrate.ts").write_text(shown)
    for arguments in (("run", "types", "--", f"{api.url}/openapi.json"), ("run", "build")):
        code, said = npm(folder, *arguments)
        assert code == 0, said


@pytest.fixture
def page(built, browser, origin, api):
    """The page as it is opened first; it asks nothing of any other host, and says nothing to the console."""
    opened = browser.new_page(viewport={"width": 420, "height": 900})
    opened.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    hosts, failures = set(), []
    opened.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    opened.on("pageerror", lambda error: failures.append(error))
    opened.goto(origin)
    yield opened
    assert not failures
    assert hosts <= {"127.0.0.1", None}
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    opened.close()


@pytest.fixture
def desk(page, api):
    """The page, signed in."""
    sign_in(page, api.url, api.key)
    expect(page.get_by_label("Question")).to_be_focused()
    return page


def test_the_lock_names_no_registry():
    lock = json.loads((EXAMPLE / "package-lock.json").read_text())
    assert all("integrity" in each and "resolved" not in each for name, each in lock["packages"].items() if name)
    assert not any(kind in lock["packages"][""] for kind in ("dependencies", "optionalDependencies"))


def test_curl_does_what_the_guide_says(api, tmp_path):
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = httpx.post(f"{api.url}/ask", json={"question": GATE}, headers=headers, timeout=60).json()
    cited, before = answer["citations"][0], api.waiting()
    of_citation = {"DOC": "doc_id", "PAGE": "page_no", "START": "char_start", "END": "char_end"}
    values = {"URL": api.url, "KEY": api.key, "ID": answer["id"]}
    values |= {name: str(cited[field]) for name, field in of_citation.items()}
    said = ""
    for block in (shown for shown in shown_as("sh") if "curl" in shown):
        given, calls = block.split("\n", 1)  # the line that a reader fills in
        assert set(re.findall(r"(\w+)=", given)) <= set(values)
        done = subprocess.run(
            ["sh", "-c", f'set -e\ncurl() {{ command curl --fail-with-body -sS "$@"; }}\n{calls}'],
            cwd=tmp_path,
            env=os.environ | values | {"NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    assert "event: done" in said
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert json.dumps(cited["quote"]) in said
    assert api.waiting() == before + 1


def test_the_compiler_notices_an_api_that_has_changed(folder, api, built, tmp_path):
    copy = Path(shutil.copytree(EXAMPLE, tmp_path / "frontend", ignore=NOT_OF_THE_EXAMPLE))
    (copy / "node_modules").symlink_to(folder / "node_modules")
    schema = httpx.get(f"{api.url}/openapi.json", timeout=60).text
    (copy / "schema.json").write_text(schema.replace('"char_start"', '"begins_at"'))
    assert npm(copy, "run", "types", "--", "schema.json")[0] == 0
    code, said = npm(copy, "run", "build")
    assert code != 0
    assert re.search(r"src/client\.ts.*'char_start' does not exist", said), said
    assert not (copy / "build").exists()


def test_events_are_whole_however_the_network_cuts_them(folder, built):
    stream = 'event: token\ndata: {"text": "ä – 鷺"}\n\n: a comment\n\ndata: one\ndata: two\n\nevent: half\ndata: no'
    script = """
        import { serverSentEvents } from "./build/events.js";
        const bytes = new TextEncoder().encode(process.argv[1]);
        const body = new ReadableStream({
            start(controller) {
                for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
                controller.close();
            },
        });
        const events = [];
        for await (const event of serverSentEvents(body)) events.push(event);
        console.log(JSON.stringify(events));
    """
    command = ["node", "--input-type=module", "--eval", script, stream]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(said) == [
        {"name": "token", "data": '{"text": "ä – 鷺"}'},
        {"name": "message", "data": "one\ntwo"},
    ]


def test_an_answer_grows_and_its_source_is_marked_on_the_page_of_the_pdf(desk):
    desk.evaluate(
        """() => {
            window.seen = [];
            const text = document.getElementById("text");
            const see = (records) => records.forEach((r) => r.addedNodes.forEach((n) => window.seen.push(n.data)));
            new MutationObserver(see).observe(text, { childList: true });
        }"""
    )
    ask(desk, QUESTION)
    expect(desk.locator("#text")).to_contain_text("nine past eleven")
    desk.get_by_role("group", name="Sources").get_by_text("harbour.pdf, page 1").first.click()
    shown = desk.get_by_role("img", name="Page 1 of harbour.pdf, with the passage marked")
    expect(shown).to_be_visible()
    grown = [text for text in desk.evaluate("window.seen") if text != "Looking…"]
    assert len(set(grown)) > 1, grown
    assert all(later.startswith(before) for before, later in zip(grown, grown[1:], strict=False)), grown
    expect(desk.get_by_role("heading", name="harbour.pdf, page 1")).to_be_focused()
    expect(desk.locator("figcaption mark")).to_have_text(SENTENCE)
    _, top, _, bottom = marked_box(shown.screenshot())
    assert 0.45 < top < bottom < 0.55, "the sentence stands in the middle of the page"
    assert violations(desk) == set()


def test_the_passage_of_a_text_is_marked_in_its_place(desk):
    ask(desk, CAT)
    desk.get_by_role("group", name="Sources").get_by_role("button").first.click()
    expect(desk.get_by_role("heading", name="keeper.txt, page 1")).to_be_focused()
    expect(desk.locator("blockquote")).to_have_text(NOTE)
    assert "Barnacle" in desk.locator("blockquote mark").inner_text()


def test_a_thumb_is_thanked_for_and_kept_once(desk, api):
    ask(desk, CAT)
    before, up = api.waiting(), desk.get_by_role("button", name="It helped")
    for _ in range(2):
        up.click()
        expect(desk.get_by_text("Thank you")).to_be_visible()
        expect(up).to_have_attribute("aria-pressed", "true")
    assert api.waiting() == before + 1
    ask(desk, QUESTION)
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(desk.get_by_text("Thank you")).to_have_count(0)


def test_a_thumb_that_arrives_late_shows_on_no_other_answer(desk):
    desk.evaluate(
        """() => {
            const send = window.fetch;
            window.fetch = async (address, request) => {
                if (address.endsWith("/feedback")) await new Promise((go) => (window.letGo = go));
                return send(address, request);
            };
        }"""
    )
    ask(desk, CAT)
    up = desk.get_by_role("button", name="It helped")
    up.click()
    ask(desk, QUESTION)
    expect(up).to_be_visible()
    with desk.expect_response(lambda response: response.request.method == "POST" and "/feedback" in response.url):
        desk.evaluate("window.letGo()")
    desk.wait_for_timeout(500)
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(desk.get_by_text("Thank you")).to_have_count(0)


def test_the_keyboard_alone_asks_and_opens_a_source(page, api):
    for typed in (api.url, api.key):
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(typed)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Question")).to_be_focused()
    page.keyboard.insert_text(CAT)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_contain_text("Barnacle")
    expect(page.get_by_role("group", name="Did this help?")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="keeper.txt, page 1")).to_be_focused()


def test_markup_in_questions_and_documents_is_shown_and_not_carried_out(desk):
    ask(desk, f"What is said of the harbour? {SCRIPT}")
    expect(desk.get_by_role("group", name="Did this help?")).to_be_visible()
    assert desk.locator("#text").inner_text()
    assert desk.locator("main script").count() == 0
    assert desk.title() == "Ask the documents"


def test_a_wrong_key_is_one_clear_message(page, api):
    sign_in(page, api.url, "rk_wrong")
    assert "the key is not known here" in problem(page)
    sign_in(page, api.url, "no key “at all”")
    assert "ragloop keys create" in problem(page)
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    sign_in(page, api.url, api.key)
    expect(page.get_by_label("Question")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_an_address_without_the_api_is_one_clear_message(page, api, origin):
    sign_in(page, f"http://127.0.0.1:{free_port()}", api.key)
    assert "does not answer" in problem(page)
    sign_in(page, origin, api.key)
    assert "404" in problem(page)
    sign_in(page, "here", api.key)
    assert "http://" in problem(page)


def test_a_page_of_another_origin_is_told_what_is_missing(page, folder, api):
    with serving(folder) as elsewhere:
        page.goto(elsewhere)
        sign_in(page, api.url, api.key)
        assert re.search(rf"{elsewhere}.*RAGLOOP_API_ORIGINS", problem(page))


def test_an_empty_question_is_one_clear_message(desk):
    ask(desk, "  \n ")
    assert "question is empty" in problem(desk)
    expect(desk.get_by_label("Question")).to_be_focused()
    ask(desk, CAT)
    expect(desk.locator("#text")).to_contain_text("Barnacle")
    expect(desk.get_by_role("alert")).to_be_empty()


def test_a_question_that_is_too_long_is_one_clear_message_and_stays_whole(desk):
    question = "Why? " * 1000
    ask(desk, question)
    assert "at most 4000 characters" in problem(desk)
    expect(desk.get_by_label("Question")).to_have_value(question)


def test_whoever_loses_the_key_signs_in_again_and_keeps_the_question(page, api):
    secret, key = create_key(api.database, Role.READER)
    sign_in(page, api.url, secret)
    expect(page.get_by_label("Question")).to_be_focused()
    revoke_key(api.database, key.id)
    ask(page, CAT)
    assert "was revoked" in problem(page)
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    sign_in(page, api.url, api.key)
    expect(page.get_by_label("Question")).to_have_value(CAT)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#text")).to_contain_text("Barnacle")
    expect(page.get_by_role("alert")).to_be_empty()


def test_of_two_questions_at_once_the_last_is_answered(desk):
    desk.evaluate(
        """(questions) => {
            const form = document.getElementById("ask"), field = document.getElementById("question");
            for (const text of questions) { field.value = text; form.requestSubmit(); }
        }""",
        [QUESTION, CAT],
    )
    expect(desk.get_by_role("group", name="Sources").get_by_role("button")).to_have_text(["[1] keeper.txt, page 1"])
    assert "Barnacle" in desk.locator("#text").inner_text()
    expect(desk.get_by_role("alert")).to_be_empty()


def test_an_api_that_ends_is_one_clear_message_and_loses_no_question(desk, api):
    assert api.stop(signal.SIGTERM) == 0
    ask(desk, CAT)
    assert "does not answer" in problem(desk)
    expect(desk.get_by_label("Question")).to_have_value(CAT)
    expect(desk.locator("#text")).to_be_empty()
    expect(desk.locator("#sources, #helped").filter(visible=True)).to_have_count(0)
