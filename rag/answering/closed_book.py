"""The release's own chat model as a generator: it is told the question alone, and answers from memory."""

from collections.abc import Generator as Iteration
from collections.abc import Sequence

from rag.answering.answer import Turn
from rag.answering.generator import Ending, GeneratorSilent, Request, Unsuited
from rag.answering.pacing import Bounds, paced
from rag.chat.example import Message
from rag.chat.model import ChatCompletion, ChatModel
from rag.config import AnsweringConfig, ChatGenerationConfig
from rag.llm.protocol import TooLarge, Transient
from rag.pairs.sentences import without_citations


class ClosedBookGenerator:
    """Answers without the passages; whoever cites finds out whether they say the same."""

    def __init__(self, name: str, model: ChatModel, generation: ChatGenerationConfig, config: AnsweringConfig) -> None:
        """Take a model that others may use too; it goes with the last of them."""
        self.name = name
        self._model, self._generation = model, generation
        self._bounds = Bounds(config.first_piece_s, config.gap_s, config.total_s)

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """See `Generator`."""
        speaking = self._speaking(conversation(request.standing, request.history))
        completion = yield from paced(speaking, self._bounds)
        return Ending(cut=completion.cut)

    def close(self) -> None:
        """See `Generator`."""

    def _speaking(self, messages: Sequence[Message]) -> Iteration[str, None, ChatCompletion]:
        try:
            return (yield from self._model.stream(messages, self._generation, turn_s=self._bounds.first_s / 2))
        except TooLarge as refused:
            raise Unsuited(str(refused)) from refused
        except Transient as failure:
            raise GeneratorSilent(str(failure)) from failure


def conversation(standing: str, history: Sequence[Turn]) -> list[Message]:
    """Return what a chat model is told: what was said before, put as its own answers are, and a question by itself."""
    said = [Message(role=turn.role, content=without_citations(turn.content)) for turn in history]
    return [*said, Message(role="user", content=standing)]
