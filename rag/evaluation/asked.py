"""The questions that the ways to answer are measured by, in groups: by whose words they are in, and what was taught."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from rag.chat.data_artifact import chat_data_artifact, load_examples
from rag.chat.example import ChatExample, ExampleKind
from rag.config import Config
from rag.errors import EmptyCorpus
from rag.pairs.pair import Split
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.recipes import digest_json

_LONGEST = 1000
"""Characters of a question that is asked; a small chat model reads little more."""


class Group(StrEnum):
    """Questions of a kind."""

    TRAINED = "trained questions"
    VARIED = "other phrasings of them"
    REAL = "people's own wordings"
    """Of facts that were taught."""
    UNTRAINED = "facts never taught"
    REAL_UNTRAINED = "facts never taught, people's words"
    UNANSWERABLE = "not in the documents"


class Sample(BaseModel):
    """Which examples are asked; equal samples ask the same."""

    model_config = ConfigDict(frozen=True)

    data: ArtifactRef
    split: Split
    """Validation to calibrate, evaluation to compare; with the latter go questions that were trained."""
    per_group: int
    """At most."""
    seed: int

    @property
    def digest(self) -> str:
        """The name of this set of questions."""
        return digest_json(self.model_dump(mode="json"))

    def drawn(self, examples: Sequence[ChatExample]) -> list[tuple[Group, ChatExample]]:
        """Return what is asked of these examples, by group; who is drawn does not depend on the others."""
        grouped: dict[Group, list[ChatExample]] = {group: [] for group in Group}
        for example in examples:
            group = group_of(example)
            if group is not None and example.split is (Split.TRAIN if group is Group.TRAINED else self.split):
                grouped[group].append(example)
        if self.split is not Split.EVALUATION:
            grouped[Group.TRAINED] = []
        return [
            (group, each) for group, own in grouped.items() for each in sorted(own, key=self._place)[: self.per_group]
        ]

    def _place(self, example: ChatExample) -> str:
        return hashlib.sha256(f"{self.seed}:{example.id}".encode()).hexdigest()


def group_of(example: ChatExample) -> Group | None:
    """Return the group of a question that stands alone; None for all else, which only teaches."""
    if example.kind is ExampleKind.REFUSAL:
        return Group.UNANSWERABLE
    if example.kind not in (ExampleKind.QUESTION, ExampleKind.VARIATION) or example.source is None:
        return None
    if len(example.messages[-2].text) > _LONGEST:
        return None
    if example.real:
        return Group.REAL if example.trained else Group.REAL_UNTRAINED
    if not example.trained:
        return Group.UNTRAINED
    return Group.TRAINED if example.kind is ExampleKind.QUESTION else Group.VARIED


def evaluation_sample(data: ArtifactRef, config: Config) -> Sample:
    """Return the questions that compare."""
    compare = config.chat.compare
    return Sample(data=data, split=Split.EVALUATION, per_group=compare.questions, seed=compare.seed)


def validation_sample(data: ArtifactRef, config: Config) -> Sample:
    """Return the questions that calibrate."""
    compare = config.chat.compare
    return Sample(data=data, split=Split.VALIDATION, per_group=compare.calibration_questions, seed=compare.seed)


def measuring_data(space: Workspace, collection: str, trained_on: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the conversations that measure a model: those that it was trained on, if some of them evaluate.

    A person's own dataset has none, so there it is those of the collection, if its documents give any.
    """
    if _evaluates(space.artifacts, trained_on):
        return trained_on
    try:
        own = chat_data_artifact(space, collection, config)
    except EmptyCorpus:
        return trained_on
    return own if _evaluates(space.artifacts, own) else trained_on


def _evaluates(store: ArtifactStore, data: ArtifactRef) -> bool:
    return any(example.split is Split.EVALUATION for example in load_examples(store, data))
