import json
from collections.abc import Callable, Sequence

import pytest

from rag.config import ChunkingConfig
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import write_company, write_questions


@pytest.fixture
def open_company(tmp_path, monkeypatch) -> Callable[..., Workspace]:
    """Make a home of its own key with the company's documents, each with a note at its end, and its questions."""

    def open_home(name: str, note: str = "", questions: Sequence[dict[str, str]] = ()) -> Workspace:
        folder = tmp_path / name
        monkeypatch.setenv("RAGLOOP_HOME", str(folder / "home"))
        monkeypatch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
        space = Workspace.open(Settings(), create=True)
        documents = write_company(folder / "documents")
        for document in documents.iterdir():
            document.write_text(document.read_text() + note)
        intake = seal_uploads(space.artifacts, space.database, "default", [str(documents)])
        ingest_uploads(space.artifacts, space.database, "default", intake.uploads, ChunkingConfig())
        file = write_questions(folder / "questions.jsonl")
        file.write_text("\n".join([file.read_text(), *map(json.dumps, questions)]))
        known = load_alignable(space.artifacts, space.database, "default")
        import_questions(space.database, space.sealer, "default", read_questions(file), known)
        return space

    return open_home
