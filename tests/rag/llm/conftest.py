from collections.abc import Callable, Generator, Iterator

import pytest

from rag.config import LanguageModelConfig
from rag.llm.groq import GroqProvider
from rag.llm.language_model import LanguageModel
from rag.llm.ledger import Ledger
from rag.llm.protocol import Completion, Message, Prompt
from storage.keyring import Keyring
from storage.sealing import Sealer
from tests.groq_server import GroqServer, serving


@pytest.fixture
def server() -> Iterator[GroqServer]:
    with serving() as groq:
        yield groq


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger", Sealer(Keyring.load_or_create(tmp_path / "keyring.json", create=True)))


@pytest.fixture
def groq_model(server, ledger) -> Callable[..., LanguageModel]:
    """A new process's view of the model: a fresh bill over the ledger that stays."""

    def make(**config: object) -> LanguageModel:
        bounds = LanguageModelConfig(**{"backoff_s": 0.01, "at_once": 1, "requests_per_minute": None, **config})
        provider = GroqProvider("a-key", server.url, bounds.model, bounds.at_once, bounds.timeout_s, bounds.max_wait_s)
        return LanguageModel(provider, ledger, bounds)

    return make


def prompt(text: str, as_json: bool = False, max_tokens: int = 100) -> Prompt:
    return Prompt(messages=(Message("user", text),), max_tokens=max_tokens, temperature=0.5, as_json=as_json)


def streamed(stream: Generator[str, None, Completion]) -> tuple[list[str], Completion]:
    """Read a stream to its end; return its pieces and what it returns."""
    pieces: list[str] = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value
