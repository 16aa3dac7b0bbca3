"""How freely and how long a generator speaks that draws its words, where whoever asks says so."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rag.config import AnswerModelConfig, ChatGenerationConfig

MOST_NEW_TOKENS = 2048
"""Of an answer, whoever asks for it."""


class Sampling(BaseModel):
    """What is None is as the config has it. One that quotes, as the extractive generator, has no use for any of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(None, strict=True, ge=0, le=2)
    """How freely it speaks; 0 takes the likeliest word each time."""
    top_p: float | None = Field(None, strict=True, gt=0, le=1)
    """Share of the probability that words are drawn from, the likeliest first; at temperature 0 none are drawn."""
    max_new_tokens: int | None = Field(None, strict=True, ge=1, le=MOST_NEW_TOKENS)
    """Tokens of the answer at most."""

    @classmethod
    def of(cls, request: BaseModel) -> Self:
        """Return what a request says of it, in fields of the same names."""
        return cls.model_validate(request.model_dump(include=set(cls.model_fields)))

    def of_model(self, config: AnswerModelConfig) -> AnswerModelConfig:
        """Return the config by which a language model answers."""
        said = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_new_tokens}
        return config.model_copy(update=_given(said))

    def of_chat_model(self, generation: ChatGenerationConfig) -> ChatGenerationConfig:
        """Return how a chat model speaks: whoever names a temperature above 0 wants its words drawn."""
        said = {"top_p": self.top_p, "max_new_tokens": self.max_new_tokens}
        if self.temperature is not None:
            said |= {"do_sample": self.temperature > 0, "temperature": self.temperature or None}
        return generation.model_copy(update=_given(said))


def _given(said: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in said.items() if value is not None}
