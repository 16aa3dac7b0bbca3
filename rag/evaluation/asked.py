"""The questions that the ways to answer are measured by, in groups: by whose words they are in, and what was taught."""

import hashlib
from collections.abc import Sequence, Set
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from rag.chat.data_artifact import KIND as CHAT_DATA
from rag.chat.data_artifact import chat_data_artifact, load_examples
from rag.chat.example import ChatExample, ExampleKind
from rag.config import Config
from rag.errors import EmptyCorpus, NoChatModel
from rag.pairs.pair import Split
from rag.pairs.words import normalize
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.recipes import digest_json
from storage.release import Release

_LONGEST = 1000
"""Characters of a question that is asked; a small chat model reads little more."""


class Group(StrEnum):
    """Questions of a kind."""

    TRAINED = "trained questions"
    VARIED = "other phrasings of them"
    REAL = "people's own wordings"
    """Of facts that were taught."""
    REAL_CALIBRATING = "people's wordings that calibrate"
    """Of taught facts too, but in documents whose questions calibrate the router and may have trained retrieval."""
    UNTRAINED = "facts never taught"
    REAL_UNTRAINED = "facts never taught, people's words"
    UNANSWERABLE = "not in the documents"

    @property
    def counts(self) -> bool:
        """Whether no way to answer has learned from such questions; others are shown, and decide nothing."""
        return self is not Group.REAL_CALIBRATING


class Sample(BaseModel):
    """Which examples are asked; equal samples ask the same."""

    model_config = ConfigDict(frozen=True)

    data: ArtifactRef
    split: Split
    """Validation to calibrate, evaluation to compare.

    With the latter go questions that were trained, and people's of validation."""
    per_group: int
    """At most."""
    seed: int
    apart_from: ArtifactRef | None = None
    """Other conversations, which a chat model was trained on: nothing is asked that is asked there, nor as never taught
    what is taught there, nor as trained what was not."""

    @property
    def digest(self) -> str:
        """The name of this set of questions."""
        return digest_json(self.model_dump(mode="json"))

    def drawn(
        self, examples: Sequence[ChatExample], apart_from: Sequence[ChatExample] = ()
    ) -> list[tuple[Group, ChatExample]]:
        """Return what is asked of these examples, by group; who is drawn does not depend on the others.

        :param apart_from: the examples of what the sample is to be apart from.
        """
        # What validates there may calibrate, as it does where these are the conversations that measure.
        seen = [each for each in apart_from if each.split in {Split.TRAIN, Split.VALIDATION} - {self.split}]
        asked, taught = _said(seen, "user"), _said(seen, "assistant")
        grouped: dict[Group, list[ChatExample]] = {group: [] for group in Group}
        for example in examples:
            group = self._group(example)
            if group is not None and not _learned(example, asked, taught):
                grouped[group].append(example)
        return [
            (group, each) for group, own in grouped.items() for each in sorted(own, key=self._place)[: self.per_group]
        ]

    def _group(self, example: ChatExample) -> Group | None:
        """Return as what an example is asked; None if it is not."""
        group, compares = group_of(example), self.split is Split.EVALUATION
        if group is Group.TRAINED:
            return group if compares and example.split is Split.TRAIN and self.apart_from is None else None
        if compares and group is Group.REAL and example.split is Split.VALIDATION:
            return Group.REAL_CALIBRATING
        return group if example.split is self.split else None

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


def evaluation_sample(space: Workspace, release: Release, data: ArtifactRef, config: Config) -> Sample:
    """Return the questions of `data` that compare what a release answers.

    :raises NoChatModel: if it has no chat model.
    """
    return _sample(space, release, data, Split.EVALUATION, config.chat.compare.questions, config)


def validation_sample(space: Workspace, release: Release, data: ArtifactRef, config: Config) -> Sample:
    """Return the questions of `data` that calibrate a release's chat model.

    :raises NoChatModel: if it has none.
    """
    return _sample(space, release, data, Split.VALIDATION, config.chat.compare.calibration_questions, config)


def load_sample(store: ArtifactStore, sample: Sample) -> list[tuple[Group, ChatExample]]:
    """Open the examples that are asked, by group."""
    apart_from = load_examples(store, sample.apart_from) if sample.apart_from else ()
    return sample.drawn(load_examples(store, sample.data), apart_from)


def training_data(space: Workspace, release: Release) -> ArtifactRef:
    """Return the conversations that a release's chat model was trained on.

    :raises NoChatModel: if it has none.
    """
    if release.chat_model is None:
        raise NoChatModel(f"release {release.id} has no chat model: train one with `ragloop chat train`")
    return ArtifactRef.of(CHAT_DATA, space.artifacts.manifest(release.chat_model).inputs["data"])


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


def _sample(
    space: Workspace, release: Release, data: ArtifactRef, split: Split, per_group: int, config: Config
) -> Sample:
    own, seed = training_data(space, release), config.chat.compare.seed
    apart_from = own if own != data else None
    return Sample(data=data, split=split, per_group=per_group, seed=seed, apart_from=apart_from)


def _said(examples: Sequence[ChatExample], role: str) -> set[str]:
    """Return what a role says."""
    return {normalize(turn.content) for example in examples for turn in example.messages if turn.role == role}


def _learned(example: ChatExample, asked: Set[str], taught: Set[str]) -> bool:
    """Say whether a training on what is `asked` and `taught` has seen a question, or an answer that is kept from it."""
    if normalize(example.messages[-2].content) in asked:
        return True
    return not example.trained and normalize(example.answer) in taught


def _evaluates(store: ArtifactStore, data: ArtifactRef) -> bool:
    return any(example.split is Split.EVALUATION for example in load_examples(store, data))
