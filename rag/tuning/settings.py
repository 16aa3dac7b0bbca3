"""What one trial changes of the config. Imports no torch."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rag.config import Config


class TrialSettings(BaseModel):
    """The settings that are searched, flat, so that a run can be given them.

    How much of the tuned weights is merged with the base's is none of them: each training tries all shares of
    `embedding.merge_weights` in its end, without training again, and keeps the best on validation.
    """

    model_config = ConfigDict(frozen=True)

    learning_rate: float = Field(gt=0)
    epochs: int = Field(ge=1)
    negatives: int = Field(ge=0, le=16)
    """Learned from with each pair, at most."""
    per_pair: int = Field(ge=0, le=16)
    """Mined for each pair, from which other models learn too."""
    synthetic_per_real: float = Field(ge=0)
    """Synthetic training pairs for each real one, at most."""

    @classmethod
    def widest_mix(cls, config: Config) -> Config:
        """Return the config with the most synthetic pairs that a search within its bounds may mix."""
        most = max(config.pairs.synthetic_per_real, config.tuning.synthetic_per_real[1])
        return cls.of(config).model_copy(update={"synthetic_per_real": most}).changed(config)

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return those of a config."""
        return cls(
            learning_rate=config.embedding.learning_rate,
            epochs=config.embedding.epochs,
            negatives=config.embedding.negatives,
            per_pair=config.negatives.per_pair,
            synthetic_per_real=config.pairs.synthetic_per_real,
        )

    def changed(self, config: Config) -> Config:
        """Return the config with these settings.

        :raises ValidationError: if they contradict what stays as it is.
        """
        fields = config.model_dump()
        for stage, values in self.by_stage().items():
            fields[stage] |= values
        return Config.model_validate(fields)

    def by_stage(self) -> dict[str, dict[str, float]]:
        """Return the fields of the stages that they are."""
        return {
            "embedding": {
                "learning_rate": self.learning_rate,
                "epochs": self.epochs,
                "negatives": self.negatives,
            },
            "negatives": {"per_pair": self.per_pair},
            "pairs": {"synthetic_per_real": self.synthetic_per_real},
        }

    def toml(self) -> str:
        """Return them as lines of a config file."""
        tables = (
            "\n".join([f"[{stage}]", *(f"{name} = {value!r}" for name, value in values.items())])
            for stage, values in self.by_stage().items()
        )
        return "\n\n".join(tables) + "\n"
