import pytest

from rag.config import RetrievalConfig
from rag.corpus.artifact import corpus_artifact
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import base_embedder
from rag.llm.access import LanguageModels
from rag.profiles import load_config
from rag.retrieval.artifact import index_artifact
from rag.retrieval.query import Query
from rag.retrieval.searcher import SearchModels, load_retriever
from rag.settings import Settings
from rag.workspace import Workspace
from tests.company import write_company
from tests.groq_server import serving

CONFIG = load_config("smoke")
QUESTION = Query(id="q", question="Who looks after the pumps?")


@pytest.fixture
def searched(space, tmp_path):
    """A home with eight documents, indexed under the untuned embedder."""
    folder = write_company(tmp_path / "documents")
    intake = seal_uploads(space.artifacts, space.database, "default", [str(folder)])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, CONFIG.chunking)
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    embedder = base_embedder(space.artifacts, space.settings.models)
    return SearchModels(
        embedder=embedder, index=index_artifact(space.artifacts, space.device, corpus, embedder, CONFIG)
    )


def found(space, models, llm=None, **retrieval):
    retriever = load_retriever(space.artifacts, models, RetrievalConfig(**retrieval), CONFIG.encoding, llm)
    return retriever.search(QUESTION, 5)


def test_a_retriever_is_opened_with_the_expander_of_its_config(space, searched, monkeypatch):
    plain = found(space, searched)
    assert found(space, searched, expansion="relevance-feedback") != plain
    with serving() as groq:
        groq.write = lambda messages: "Which technician maintains pumps?"
        monkeypatch.setenv("RAGLOOP_GROQ_API_KEY", "a-key")
        monkeypatch.setenv("RAGLOOP_GROQ_BASE_URL", groq.url)
        llm = LanguageModels.of(Workspace.open(Settings()))
        assert found(space, searched, llm, expansion="multi-query", provider="groq") != plain
        assert [QUESTION.question in prompt for prompt in groq.prompts] == [True]
    assert found(space, searched, None, expansion="multi-query", provider="groq") == plain
