"""The release's own chat model as a generator that is given the best sentences of the passages with the question."""

from collections.abc import Generator as Iteration
from collections.abc import Mapping
from typing import Any

from rag.answering.answer import Way
from rag.answering.closed_book import conversation, spoken
from rag.answering.extractive import ExtractiveGenerator, SentenceEncoder
from rag.answering.generator import Ending, Request, Unsuited
from rag.answering.pacing import Bounds
from rag.chat.example import ExampleKind
from rag.chat.model import ChatModel
from rag.config import AnsweringConfig, ChatGenerationConfig
from rag.errors import ConfigError


class HybridGenerator:
    """Answers from sentences of which some distract, as it has learned to (Zhang et al. 2024), and from memory."""

    way = Way.HYBRID

    def __init__(
        self,
        name: str,
        model: ChatModel,
        encoder: SentenceEncoder,
        generation: ChatGenerationConfig,
        config: AnsweringConfig,
        n_passages: int,
    ) -> None:
        """Take a model that others may use too; it goes with the last of them.

        :param n_passages: sentences that it is given: as many as in its training.
        """
        self.name = name
        self._model, self._generation, self._n_passages = model, generation, n_passages
        self._extractive = ExtractiveGenerator(encoder, config)
        self._bounds = Bounds(config.first_piece_s, config.gap_s, config.total_s)

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """See `Generator`. Sentences that do not fit are left out, the least likely first."""
        best = [each.text for each in self._extractive.ranked(request)[: self._n_passages]]
        generation = request.sampling.of_chat_model(self._generation)
        while True:
            told = conversation(request.standing, request.history, best)
            try:
                return (yield from spoken(self._model, told, generation, self._bounds))
            except Unsuited:
                if len(best) == 1:
                    raise
                best.pop()

    def close(self) -> None:
        """See `Generator`."""


def require_grounded(facts: Mapping[str, Any], release_id: int) -> None:
    """Check by the facts of a release's chat model that it has learned to answer from passages.

    :raises ConfigError: if it has not.
    """
    if not facts.get("trained_on", {}).get(ExampleKind.GROUNDED):
        raise ConfigError(
            f"the chat model of release {release_id} was not taught to answer from passages: set "
            "chat.data.grounded_share above 0 and train one with `ragloop chat train`"
        )
