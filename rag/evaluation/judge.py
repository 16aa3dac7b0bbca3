"""Who judges answers, and what was judged.

The scores of two runs can only be compared if judge, settings and encoder were the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from pydantic import BaseModel, ConfigDict, SecretStr

from rag.config import JudgeConfig, JudgeProvider
from rag.errors import ConfigError
from rag.evaluation.sample import mean_scores, missing_scores
from rag.llm.bill import Bill

if TYPE_CHECKING:
    from rag.settings import Settings


@dataclass(frozen=True)
class JudgeEndpoint:
    """Where a judge is asked, and as whom."""

    base_url: str
    """With the path before `/chat/completions`."""
    api_key: SecretStr
    model: str
    key_setting: str
    """What to set where the key is refused."""

    @classmethod
    def of(cls, config: JudgeConfig, settings: "Settings") -> "JudgeEndpoint":
        """Return the judge that the config names.

        :raises ConfigError: if there is to be none, or its key, address or name is missing.
        """
        match config.provider:
            case JudgeProvider.NONE:
                raise ConfigError("no judge is configured: set judge.provider to groq or openai-compatible")
            case JudgeProvider.GROQ:
                return cls._groq(config, settings)
            case JudgeProvider.OPENAI_COMPATIBLE:
                return cls._compatible(config, settings)

    @classmethod
    def _groq(cls, config: JudgeConfig, settings: "Settings") -> "JudgeEndpoint":
        key = settings.groq_api_key
        if key is None or not key.get_secret_value():
            raise ConfigError("no key for Groq, the judge: set RAGLOOP_GROQ_API_KEY, or judge.provider to none")
        from rag.llm.groq import DEFAULT_MODEL

        base_url = f"{settings.groq_base_url.rstrip('/')}/openai/v1"
        return cls(base_url, key, config.model or DEFAULT_MODEL, "RAGLOOP_GROQ_API_KEY")

    @classmethod
    def _compatible(cls, config: JudgeConfig, settings: "Settings") -> "JudgeEndpoint":
        url, key = settings.judge_base_url or "", settings.judge_api_key
        if not url:
            raise ConfigError(
                "the judge has no address: set RAGLOOP_JUDGE_BASE_URL, for example to http://127.0.0.1:11434/v1"
            )
        if not _is_web_address(url):
            raise ConfigError(f"the judge's address {url} is none: set RAGLOOP_JUDGE_BASE_URL to http(s)://HOST/PATH")
        if not config.model:
            raise ConfigError("the judge has no name: set judge.model to one that the endpoint serves")
        if key is None or not key.get_secret_value():
            key = SecretStr("none")  # the client wants one, and a server on one's own machine does not
        return cls(url, key, config.model, "RAGLOOP_JUDGE_API_KEY")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class Judgement(BaseModel):
    """What the repeated judging of one question by one metric came to."""

    model_config = ConfigDict(frozen=True)

    values: tuple[float, ...]
    """What each repeat gave that gave anything; one alone where no judge was needed."""
    missing: int = 0
    """Repeats that gave nothing."""
    reason: str | None = None
    """Why the last of these gave nothing, or why the judge was not asked."""

    @property
    def mean(self) -> float | None:
        """Mean of the values; None if there is none."""
        return round(float(np.mean(self.values)), 4) if self.values else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the repeats, of a sample; None if there are not two values."""
        return round(float(np.std(self.values, ddof=1)), 4) if len(self.values) > 1 else None


class JudgedAnswer(BaseModel):
    """One question's judgements."""

    model_config = ConfigDict(frozen=True)

    id: str
    judgements: dict[str, Judgement]
    """By metric."""

    @property
    def metrics(self) -> dict[str, float | None]:
        """The mean judgement of each metric; None where there is none."""
        return {name: judgement.mean for name, judgement in self.judgements.items()}


class JudgedReport(BaseModel):
    """All questions; no text but the reasons why something is missing."""

    model_config = ConfigDict(frozen=True)

    model: str
    repeats: int
    answers: tuple[JudgedAnswer, ...]
    bill: Bill
    """What judging took, with what was judged before if this goes on from there."""
    cost_usd: float | None = None
    """None if the model has no known price."""
    stopped: str | None = None
    """Why the judge was asked no further, if it was not; what it had judged is kept."""

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the questions that have a value."""
        return mean_scores(answer.metrics for answer in self.answers)

    def missing(self) -> dict[str, int]:
        """Return for each metric how many questions have no value."""
        return missing_scores(answer.metrics for answer in self.answers)

    def spreads(self) -> dict[str, float]:
        """Return the standard deviation of one judgement by metric, pooled over the questions that have one."""
        pooled: dict[str, list[float]] = {}
        for answer in self.answers:
            for name, judgement in answer.judgements.items():
                if judgement.spread is not None:
                    pooled.setdefault(name, []).append(float(np.var(judgement.values, ddof=1)))
        return {name: round(float(np.sqrt(np.mean(own))), 4) for name, own in pooled.items()}
