"""Who writes the questions: the writer without a language model, or one with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rag.config import Config, ModelProvider, SynthesisConfig, Writer
from rag.corpus.document import Chunk
from rag.errors import ConfigError
from rag.llm.access import LanguageModels
from rag.pairs.llm_writer import LanguageModelWriter
from rag.pairs.writer import SyntheticQuestion, write_questions


class QuestionWriter(Protocol):
    """Writes questions from chunks."""

    def write(
        self, chunks: Sequence[Chunk], config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[SyntheticQuestion]:
        """Write questions; `texts` holds the documents' extracted text by document id."""

    def facts(self) -> dict[str, Any]:
        """Return what there is to say about all that was written."""


class ExtractiveWriter:
    """The writer without a language model."""

    def write(
        self, chunks: Sequence[Chunk], config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[SyntheticQuestion]:
        """See `write_questions`."""
        return write_questions(chunks, config, texts)

    def facts(self) -> dict[str, Any]:
        """Return nothing: it costs nothing."""
        return {}


@contextmanager
def opened_writer(config: Config, models: LanguageModels | None, style: Sequence[str]) -> Iterator[QuestionWriter]:
    """Yield the writer that the config chooses, and no other.

    :raises ConfigError: if it needs a language model that cannot be had.
    """
    writer = config.synthesis.writer
    if writer is Writer.EXTRACTIVE:
        yield ExtractiveWriter()
        return
    if models is None:
        raise ConfigError(
            f"the questions of the writer {writer.value} are not written yet: run `ragloop retrain`, or set "
            "synthesis.writer to extractive"
        )
    with models.opened(ModelProvider(writer.value), config.synthesis.llm) as model:
        yield LanguageModelWriter(model, style, config.pairs.min_groundedness)
