import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.company import write_company, write_questions

ROOT = Path(__file__).parents[2]


class Ragloop:
    """Runs the real command in its own home."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.environment = {
            **os.environ,
            "RAGLOOP_HOME": str(self.home),
            "RAGLOOP_KEY_FILE": str(folder / "keys" / "keyring.json"),
            "RAGLOOP_PROFILE": "smoke",
        }

    def command(self, *arguments):
        return [sys.executable, "-m", "app.cli", *map(str, arguments)]

    def start(self, *arguments, **environment):
        """Start it in the background, with its output in a file."""
        with (self.folder / "background.log").open("wb") as log:
            return subprocess.Popen(
                self.command(*arguments), cwd=ROOT, env=self.environment | environment, stdout=log, stderr=log
            )

    def __call__(self, *arguments, **environment):
        return subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def ok(self, *arguments, **environment):
        """Run it and return what it printed; it must succeed."""
        done = self(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments, **environment):
        """Run it and return its one line of complaint; it must exit with 2."""
        done = self(*arguments, **environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("ragloop: ")]
        assert len(lines) == 1, done.stderr
        return lines[0]


@pytest.fixture
def ragloop(tmp_path):
    return Ragloop(tmp_path)


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """A home with documents and questions; tests may read it and add to it, but not break it."""
    ragloop = Ragloop(tmp_path_factory.mktemp("company"))
    documents = write_company(ragloop.folder / "documents")
    ragloop.ok("ingest", documents)
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    return ragloop
