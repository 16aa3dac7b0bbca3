"""The release's own chat model as a generator: it is told the question alone, and answers from memory."""

from collections.abc import Generator as Iteration
from collections.abc import Sequence

from rag.answering.answer import Turn, Way
from rag.answering.generator import Ending, GeneratorSilent, Request, Unsuited
from rag.answering.pacing import Bounds, paced
from rag.chat.example import Message
from rag.chat.model import ChatCompletion, ChatModel
from rag.config import AnsweringConfig, ChatGenerationConfig, GeneratorKind
from rag.llm.protocol import TooLarge, Transient
from rag.pairs.sentences import without_citations


class ClosedBookGenerator:
    """Answers without the passages; whoever cites finds out whether they say the same."""

    way = Way.CLOSED_BOOK

    def __init__(self, name: str, model: ChatModel, generation: ChatGenerationConfig, config: AnsweringConfig) -> None:
        """Take a model that others may use too; it goes with the last of them."""
        self.name = name
        self._model, self._generation = model, generation
        self._bounds = Bounds(config.first_piece_s, config.gap_s, config.total_s)

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """See `Generator`."""
        told = conversation(request.standing, request.history)
        generation = request.sampling.of_chat_model(self._generation)
        return (yield from spoken(self._model, told, generation, self._bounds))

    def close(self) -> None:
        """See `Generator`."""


def speaker_name(release_id: int) -> str:
    """Return how answers name the chat model of a release that answers from memory."""
    return f"{GeneratorKind.CHAT_MODEL.value}/{release_id}"


def conversation(standing: str, history: Sequence[Turn], passages: Sequence[str] = ()) -> list[Message]:
    """Return what a chat model is told: what was said before, put as its own answers are, and a question by itself.

    :param passages: sentences that are given with the question.
    """
    said = [Message(role=turn.role, content=without_citations(turn.content)) for turn in history]
    return [*said, Message(role="user", content=standing, passages=tuple(passages))]


def spoken(
    model: ChatModel, messages: Sequence[Message], generation: ChatGenerationConfig, bounds: Bounds
) -> Iteration[str, None, Ending]:
    """Yield what a chat model answers to the last message.

    :raises Unsuited: if that is too long for it.
    :raises GeneratorSilent: if it breaks off, or keeps one waiting for too long.
    """
    completion = yield from paced(_speaking(model, messages, generation, bounds), bounds)
    return Ending(cut=completion.cut, confidence=completion.confidence)


def _speaking(
    model: ChatModel, messages: Sequence[Message], generation: ChatGenerationConfig, bounds: Bounds
) -> Iteration[str, None, ChatCompletion]:
    try:
        return (yield from model.stream(messages, generation, turn_s=bounds.first_s / 2))
    except TooLarge as refused:
        raise Unsuited(str(refused)) from refused
    except Transient as failure:
        raise GeneratorSilent(str(failure)) from failure
