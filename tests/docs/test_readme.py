"""The README's examples of the HTTP API are run as they stand, but for the port."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.app.api.conftest import add_documents, open_space, serving
from tests.app.api.test_learning import TALK
from tests.company import write_company

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = README.parent / "examples"
HEADING = "## Ask it over HTTP"
ADDRESS = "http://127.0.0.1:8000"


def blocks(language):
    """Return the code blocks of a language under the heading."""
    section = README.read_text(encoding="utf-8").split(f"{HEADING}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    space = open_space(folder)
    add_documents(space, "default", write_company(folder / "company"), space.settings.stages("smoke"))
    (folder / "handbook.pdf").write_bytes((EXAMPLES / "corpus" / "lamp-codes.pdf").read_bytes())
    (folder / "conversations.jsonl").write_text(json.dumps({"messages": TALK}))
    with serving(space) as running:
        (folder / "key").write_text(running.key("trainer"))
        running.folder = folder
        yield running


def test_curl_does_what_the_readme_says(server):
    (script,) = [block for block in blocks("sh") if "curl" in block]
    n_calls = len(re.findall(r"^curl ", script, re.MULTILINE))
    assert n_calls >= 4
    loud = 'curl() { command curl --fail-with-body -sS "$@" && echo "" && echo ANSWERED; }\nset -e\n'
    done = subprocess.run(
        ["sh", "-c", loud + script.replace(ADDRESS, server.url)],
        cwd=server.folder,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ANSWERED") == n_calls
    assert "event: done" in done.stdout
    assert '"chat.completion"' in done.stdout


def test_the_openai_client_does_what_the_readme_says(server, monkeypatch, capsys):
    (program,) = blocks("python")
    monkeypatch.chdir(server.folder)
    exec(compile(program.replace(ADDRESS, server.url), str(README), "exec"), {})
    assert capsys.readouterr().out.strip()
