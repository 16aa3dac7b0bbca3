"""What becomes of the sealed files of those that are taken in, and of those that are refused."""

import pytest

from rag.config import ChunkingConfig
from rag.corpus.artifact import upload_artifact
from rag.corpus.ingestion import ingest_uploads, remove_refused, seal_uploads
from storage.tables import UploadRow

TORN = b"%PDF-1.7 and then nothing"


@pytest.fixture
def intake(space, tmp_path):
    """A file that can be read, and three that cannot, two of them with the same bytes."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.md").write_text("The quay is paved with slate from Moor.")
    (folder / "empty.md").write_text("")
    for name in ("torn.pdf", "torn-too.pdf"):
        (folder / name).write_bytes(TORN)
    return seal_uploads(space.artifacts, space.database, "default", [str(folder)]).uploads


def ingest(space, uploads):
    return ingest_uploads(space.artifacts, space.database, "default", uploads, ChunkingConfig())


def sealed(space):
    return {ref.digest for ref in space.artifacts.refs() if ref.kind == "upload"}


def test_what_was_refused_is_removed_after_every_batch_was_read(space, intake):
    summary = ingest(space, intake[:2]) + ingest(space, intake[2:])
    assert set(summary.refused) == {"empty.md", "torn.pdf", "torn-too.pdf"}
    assert not any("was deleted" in reason for reason in summary.refused.values())
    remove_refused(space.artifacts, space.database, intake, summary.refused)
    assert sealed(space) == {upload.ref.digest for upload in intake if upload.name == "good.md"}


def test_refused_bytes_that_are_a_document_or_wait_under_another_name_stay(space, intake):
    (good,) = [upload for upload in intake if upload.name == "good.md"]
    ingest(space, [good])
    (empty,) = [upload for upload in intake if upload.name == "empty.md"]
    facts = {"state": "waiting", "size_bytes": 0, "artifact_uri": empty.ref.uri}
    with space.database.session() as session:
        session.add(UploadRow(id="1", collection="other", name="a.md", content_sha256=empty.sha256, **facts))
    same = [good.model_copy(update={"name": "good.pdf"}), empty]
    remove_refused(space.artifacts, space.database, same, ingest(space, same).refused)
    assert {good.ref.digest, empty.ref.digest} <= sealed(space)


def test_the_same_bytes_under_the_same_name_are_not_read_again(space, intake):
    (good,) = [upload for upload in intake if upload.name == "good.md"]
    assert ingest(space, [good]).added == ("good.md",)
    assert ingest(space, [good]).unchanged == ("good.md",)
    changed = upload_artifact(space.artifacts, b"The quay is paved with granite.")
    other = good.model_copy(update={"sha256": "0" * 64, "ref": changed})
    assert ingest(space, [other]).updated == ("good.md",)
