"""What of answering a release decides by itself: a prompt or a way to answer is promoted like any other part."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from rag.answering.answer import Way
from rag.config import AnsweringConfig
from storage.release import MANNER, Release


class Manner(BaseModel):
    """How a release answers; what is None is as the config has it, or as its router decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str | None = None
    """The prompt's name."""
    way: Way | None = None

    @classmethod
    def of(cls, release: Release) -> Self:
        """Return that of a release."""
        return cls.model_validate(release.lineage.get(MANNER) or {})

    @property
    def lineage(self) -> dict[str, Any]:
        """What a release's lineage holds of it: nothing if all is as the config has it."""
        said = self.model_dump(mode="json", exclude_none=True)
        return {MANNER: said} if said else {}

    def applied(self, config: AnsweringConfig) -> AnsweringConfig:
        """Return the config that a release of this manner answers by."""
        if self.template is None:
            return config
        return config.model_copy(update={"template": self.template, "collection_templates": {}})
