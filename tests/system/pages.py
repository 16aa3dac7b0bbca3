"""People with the page open in Chromium, for tests."""

import io
import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import BrowserContext, expect, sync_playwright
from reportlab.pdfgen.canvas import Canvas

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SLOW_MS = 120_000
WIDE = {"width": 1400, "height": 900}
NARROW = {"width": 420, "height": 900}

SENTENCE = "The harbour gate closes at nine past eleven."
QUESTION = "When does the harbour gate close?"
SCRIPT = "<script>document.title = 'taken'</script>"
PAGE, LEFT, BASE, SIZE = (400, 600), 40, 300, 12
"""In points: a page's width and height, and where the sentence stands on it, in which size."""

# Keeps what the last answer looked like each time that it changed.
WATCH = """
window.shown = [];
new MutationObserver(() => {
    const messages = document.querySelectorAll('[data-testid="stChatMessage"]');
    const text = messages[messages.length - 1]?.querySelector('[data-testid="stText"]')?.innerText ?? '';
    if (text !== window.shown[window.shown.length - 1]) window.shown.push(text);
}).observe(document, {childList: true, subtree: true, characterData: true});
"""
# What a mouse could use, and whether the keyboard came by; of a group of radio buttons one stands for all,
# and a field with its list for the arrow beside it.
MARK_USABLE = """() => {
    const usable = 'a[href], button, input, textarea, summary, [role="combobox"], [role="radiogroup"]';
    const all = [...document.querySelectorAll(usable)].filter(e =>
        e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && !e.disabled
        && e.getBoundingClientRect().width > 1 && !e.closest('[aria-hidden="true"], [role="radiogroup"] *')
        && !(e.tabIndex < 0 && e.closest('[role="group"]')?.querySelector('[role="combobox"]')));
    all.forEach(e => e.dataset.usable = e.getAttribute('aria-label') || e.innerText || e.placeholder || e.outerHTML);
    document.activeElement.blur();
    return all.length;
}"""
MARK_REACHED = """() => {
    const reached = document.activeElement.closest('[data-usable]');
    if (reached) reached.dataset.reached = true;
}"""
UNREACHED = "() => [...document.querySelectorAll('[data-usable]:not([data-reached])')].map(e => e.dataset.usable)"
FOCUSED = """() => {
    const e = document.activeElement;
    if (e.matches('main, body')) return '';
    return e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || e.placeholder || '';
}"""
# Texts, fields and pictures of which one lies upon another that it is no part of.
OVERLAPS = """() => {
    const kinds = 'p, h1, h2, h3, button, input, textarea, img, summary, [data-testid="stText"], [role="grid"]';
    const boxes = [...document.querySelectorAll('#stMain :is(' + kinds + ')')]
        .filter(e => e.checkVisibility({opacityProperty: true, visibilityProperty: true})
            && !e.closest('[data-testid="stBottom"], [data-testid="stElementToolbar"]'))
        .map(e => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width > 1 && b.height > 1);
    const found = [];
    for (const [e, a] of boxes) for (const [f, b] of boxes) {
        if (e === f || e.contains(f) || f.contains(e)) continue;
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 2 && high > 2) found.push(e.outerHTML.slice(0, 90) + ' | ' + f.outerHTML.slice(0, 90));
    }
    return found;
}"""

CUT_OFF = """() => [...document.querySelectorAll('#stMain *')]
    .filter(e => e.scrollWidth > e.clientWidth && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .map(e => e.outerHTML.slice(0, 90))"""


@contextmanager
def chromium():
    """Run the system's browser, which may open several windows."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no browser: install the Debian package chromium"
    expect.set_options(timeout=SLOW_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


class Person:
    """Somebody in front of a window of their own, in which nothing is fetched from any other host."""

    def __init__(self, browser, url, **options):
        """Open a window in a browser, or one more in that of somebody who has a window."""
        context = browser if isinstance(browser, BrowserContext) else browser.new_context(viewport=WIDE, **options)
        self.window = context.new_page()
        self.window.set_default_timeout(SLOW_MS)
        self.window.add_init_script(WATCH)
        self.hosts = set()
        self.window.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        self.window.goto(url)

    def another_window(self, url):
        """Open one more in the same browser."""
        return Person(self.window.context, url)

    def leave(self):
        self.window.context.close()
        assert self.hosts <= {"127.0.0.1", None}

    def sign_in(self, key):
        self.window.get_by_label("API key").fill(key)
        self.window.get_by_role("button", name="Sign in").click()
        expect(self.window.get_by_role("heading", name="Ask your documents")).to_be_visible()

    def upload(self, *paths):
        """Choose files, and add them once the browser has sent them."""
        self.window.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(paths)
        expect(self.window.get_by_test_id("stFileChip")).to_have_count(len(paths))
        expect(self.window.get_by_test_id("stFileChipIconSpinner")).to_have_count(0)
        self.window.get_by_role("button", name="Add", exact=True).click()

    def begin(self, question):
        """Ask, and wait for nothing."""
        self.window.evaluate("window.shown = []")
        self.window.get_by_placeholder("Ask about the documents").fill(question)
        self.window.keyboard.press("Enter")

    def answers(self, count):
        """Wait until there are so many answers; return how the last one grew, without what it is at last."""
        expect(self.window.get_by_text("Why this answer?")).to_have_count(count)
        *before, whole = self.window.evaluate("window.shown")
        return [text for text in before if text and text != whole and whole.startswith(text)]

    def go(self, name):
        """Open a page by its link."""
        self.window.get_by_role("link", name=name).click()
        heading = "Ask your documents" if name == "Ask" else name
        expect(self.window.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    def settle(self):
        """Wait until the page is drawn; what is drawn anew is paler meanwhile."""
        self.window.wait_for_timeout(500)
        expect(self.window.locator('[data-testid="stApp"]')).to_have_attribute("data-test-script-state", "notRunning")
        self.window.wait_for_timeout(1000)

    def tab_to(self, name):
        """Press Tab until what is called so has the focus."""
        names = []
        while not names or name not in names[-1]:
            self.window.keyboard.press("Tab")
            names.append(self.window.evaluate(FOCUSED))
            assert len(names) < 80, f"Tab does not lead to {name!r}: {names}"

    def out_of_reach(self):
        """Return what a mouse could use here and Tab does not lead to."""
        self.settle()
        presses = 2 * self.window.evaluate(MARK_USABLE) + 20
        for _ in range(presses):
            self.window.keyboard.press("Tab")
            self.window.evaluate(MARK_REACHED)
        return self.window.evaluate(UNREACHED)

    def violations(self):
        """Return what axe finds, once the page is drawn, but for a fault of Streamlit's own upload field."""
        self.settle()
        return {
            each
            for each in violations(self.window)
            if not (each.startswith("presentation-role-conflict") and "stFileUploaderDropzone" in each)
        }

    def misplaced(self):
        """Return what lies upon something else, or is wider than the window."""
        self.settle()
        wide = self.window.evaluate(
            "[document.documentElement, document.querySelector('#stMain')]"
            ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName)"
        )
        return wide + self.window.evaluate(OVERLAPS)

    def cut_off(self):
        """Return what has to be scrolled sideways to be read."""
        return self.window.evaluate(CUT_OFF)


def violations(window):
    """Return what axe finds against the guidelines for accessibility: rule and element."""
    found = Axe().run(window).response["violations"]
    return {f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]}


def write_pdf(path):
    """Write a page with the sentence in its middle, and markup above it."""
    canvas = Canvas(str(path), pagesize=PAGE)
    canvas.setFont("Helvetica", SIZE)
    canvas.drawString(LEFT, 500, f"Of the harbour. {SCRIPT}.")
    canvas.drawString(LEFT, BASE, SENTENCE)
    canvas.drawString(LEFT, 100, "Whoever comes later waits for the morning.")
    canvas.save()
    return path


def marked_box(png):
    """Return the box of a picture's coloured part: left, top, right, bottom, as parts of its size."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    coloured = (image.max(axis=2) - image.min(axis=2)) > 40
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    assert rows.size, "nothing is marked"
    height, width = coloured.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
