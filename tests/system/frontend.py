"""What compiles the example of a front end, serves it as any web server would, and does on it what people do."""

import re
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import expect


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *_):
        return


@contextmanager
def serving(folder):
    """Serve a folder's files; yields the origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def npm(folder, *arguments):
    """Run npm and return its exit code and all that it said."""
    command = ["npm", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def sign_in(page, url, key):
    page.get_by_label("Address of the API").fill(url)
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()


def ask(page, question):
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()


def problem(page):
    """Return the one line that says what is wrong."""
    shown = page.get_by_role("alert")
    expect(shown).to_have_text(re.compile(r"\S"))
    return shown.inner_text()
