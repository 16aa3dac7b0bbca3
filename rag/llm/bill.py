"""What language models cost."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

Price = tuple[float, float]
"""USD for a million tokens in, and for a million out."""

GROQ_PRICES: Mapping[str, Price] = {
    "openai/gpt-oss-20b": (0.075, 0.30),
    "openai/gpt-oss-120b": (0.15, 0.60),
    "llama-3.1-8b-instant": (0.05, 0.08),
    "llama-3.3-70b-versatile": (0.59, 0.79),
}
"""As Groq lists them, without the discounts for batches and cached prompts; the config's own prices come first."""


class Bill(BaseModel):
    """What was asked and what it took. Sums over all attempts, those of earlier, killed runs too."""

    model_config = ConfigDict(frozen=True)

    prompts: int = 0
    answered: int = 0
    reused: int = 0
    """Of the answered ones, those that had been answered before and were not asked again."""
    given_up: int = 0
    """Prompts without a usable answer after all attempts."""
    requests: int = 0
    retries: int = 0
    waited_s: float = 0.0
    """Time spent waiting for rate limits and before retries, by this run."""
    tokens_in: int = 0
    tokens_out: int = 0
    unmetered: int = 0
    """Requests that ended before the provider said what they took: timeouts, and answers cut off."""

    def plus(self, counts: Mapping[str, float]) -> "Bill":
        """Return the bill with more counted, by field."""
        return self.model_copy(update={name: getattr(self, name) + n for name, n in counts.items()})


def cost_usd(provider: str, model: str, bill: Bill, prices: Mapping[str, Price]) -> float | None:
    """Return what a bill's tokens cost; 0 on one's own machine, None if nobody has told the model's price."""
    if provider == "local" and model not in prices:
        return 0.0
    price = prices.get(model) or GROQ_PRICES.get(model)
    if price is None:
        return None
    return round((bill.tokens_in * price[0] + bill.tokens_out * price[1]) / 1e6, 6)
