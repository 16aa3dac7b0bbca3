import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from app.cli import app
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.releases import refresh_release
from storage.columns import utc_now
from storage.errors import RagloopError
from tests.rag.monitoring.uses import interaction, keep

QUESTION = "What is the airspeed of an unladen swallow?"


@pytest.fixture
def monitor(space, tmp_path):
    """Run `ragloop monitor` in a home whose one document was asked about by twelve people."""
    (tmp_path / "ferry.md").write_text("The ferry to Skarn leaves at noon from the eastern pier.")
    config = space.settings.stages("smoke")
    intake = seal_uploads(space.artifacts, space.database, "default", [str(tmp_path / "ferry.md")])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, config.chunking)
    release = refresh_release(space, "default", config).id
    facts = {"found": False, "support": 0.0, "seconds": 3.0}
    keep(space.database, [interaction(release, utc_now(), QUESTION, f"user {i}", **facts) for i in range(12)])
    return lambda *options: CliRunner().invoke(app, ["monitor", *options], env={"COLUMNS": "160"})


def test_it_shows_use_drift_and_what_to_document_next(monitor, tmp_path):
    shown = monitor("--picture", str(tmp_path / "use.png"))
    assert shown.exit_code == 0
    for part in ("by day", "by week", "come back", "judgements", "steps", "drift", "document next", "unladen"):
        assert part in shown.stdout
    assert "too few to tell: 12 beside 0 before" in " ".join(shown.stdout.replace("│", " ").split())
    with Image.open(tmp_path / "use.png") as picture:
        assert picture.format == "PNG"


def test_json_has_all_of_it(monitor):
    seen = json.loads(monitor("--json", "--days", "2").stdout)
    assert [day["questions"] for day in seen["usage"]["by_day"]] == [0, 12]
    assert seen["to_document"][0]["question"] == QUESTION


def test_what_is_there_is_written_over_only_if_told(monitor, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    refused = monitor("--picture", str(notes))
    assert isinstance(refused.exception, RagloopError) and "notes.txt is there already" in str(refused.exception)
    assert notes.read_text() == "mine"
    assert monitor("--picture", str(notes), "--force").exit_code == 0
    assert notes.read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_is_refused_first(monitor, tmp_path):
    refused = monitor("--picture", str(tmp_path / "no" / "such" / "use.png"))
    assert isinstance(refused.exception, RagloopError) and "give --picture a file" in str(refused.exception)
