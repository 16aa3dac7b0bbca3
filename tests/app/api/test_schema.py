"""The OpenAPI description is true: schemathesis makes requests by it, good and bad, and checks every answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.api.conftest import Workers, add_documents, open_space, serving

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def town(tmp_path_factory, documents):
    """A server of its own: schemathesis deletes what it finds."""
    space = open_space(tmp_path_factory.mktemp("schema"), requests_per_minute=0)
    add_documents(space, "default", documents / "town", space.settings.stages("smoke"))
    with serving(space, retrainings=Workers()) as running:
        yield running


@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing"])
def test_it_passes_schemathesis(town, tmp_path, phases):
    command = [SCHEMATHESIS, "run", f"{town.url}/openapi.json", "--phases", phases, "--max-examples", "5"]
    # Of what fits the description some is still refused by its content: a rating without its value.
    command += ["--exclude-checks", "positive_data_acceptance", "--seed", "1", "--no-color"]
    command += ["--header", f"Authorization: Bearer {town.key('admin')}", "--suppress-health-check", "all"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.app.api.jsonl_for_schemathesis", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
