"""What an experiment compares with what serves: a release that is there, or one with one thing changed."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.answering.answer import Way
from rag.answering.engines import Engines, require_way
from rag.answering.manner import Manner
from rag.answering.prompts import load_template
from rag.config import Config, RetrievalConfig
from rag.errors import ConfigError
from rag.experiments.experiment import (
    RECORDED,
    Experiment,
    ExperimentRefused,
    begin,
    require_none,
    require_said,
    require_share,
    running,
)
from rag.experiments.outcomes import require_answers_in_time
from rag.judgement import floor_broken_by
from rag.releases import named_release, serving_release, with_manner
from rag.workspace import Workspace
from storage.errors import RagloopError, ReleaseWithdrawn
from storage.release import Release, ReleaseState


class Change(BaseModel):
    """What a variant does otherwise than what serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str | None = None
    """The prompt's name."""
    way: Way | None = None
    retrieval: Mapping[str, Any] = {}
    """Settings of retrieval, by name."""

    def __str__(self) -> str:
        """Say what changes."""
        own = {"template": self.template, "way": self.way} | dict(self.retrieval)
        return ", ".join(f"{name} {value}" for name, value in own.items() if value is not None)


def start_experiment(
    space: Workspace,
    engines: Engines,
    collection: str,
    variant: str | Change,
    config: Config,
    name: str | None = None,
    share: float = 0.5,
    despite_floor: bool = False,
) -> Experiment:
    """Let a part of the users be answered by a variant of what serves.

    :param engines: those that will answer, or any: the variant is opened, so that one that cannot be is refused.
    :param variant: a release's id, or a change, of which a candidate is made.
    :param despite_floor: also a release that breaks a floor of the gate, which a winner would not pass again.
    :raises ReleaseNotFound, ReleaseWithdrawn: as `named_release`, or if the release cannot serve again.
    :raises ExperimentRefused: if an experiment runs, or the variant answers as what serves does, holds other documents
        or breaks a floor.
    :raises ConfigError, NoChatModel: if a change cannot be made, the name is empty, the share is not between 0 and 1,
        or an answer may take too long.
    """
    name = _name(variant) if name is None else require_said("a name", name)
    require_share(share)
    require_answers_in_time(config.answering)
    with space.database.reading() as session:
        require_none(session, collection)
    control = serving_release(space, collection)
    if isinstance(variant, Change):
        release = changed_release(space, engines, control, variant, config)
    else:
        release = named_release(space, collection, variant)
        _require_comparable(engines, control, release)
        if not despite_floor and (broken := floor_broken_by(space, release)) is not None:
            raise ExperimentRefused(
                f"release {release.id} breaks a floor of the gate, which users do not see: {broken}: name another, or "
                "try it all the same with --despite-floor"
            )
        engines.tried(release)
    try:
        return begin(space.database, control, release, name, share, config.experiments)
    except ExperimentRefused as error:
        if isinstance(variant, Change) and all(each.variant_id != release.id for each in running(space.database)):
            _keep_out(space, release, f"it was not tried: {error}")
        raise


def changed_release(space: Workspace, engines: Engines, control: Release, change: Change, config: Config) -> Release:
    """Return a candidate of the parts of what serves, with another way of answering from them.

    :raises ConfigError, NoChatModel: if it cannot answer so.
    :raises ExperimentRefused: if that is how what serves answers already, or nobody is prompted by the template.
    """
    given = {"template": change.template, "way": change.way}
    manner = Manner.of(control).model_copy(update={name: value for name, value in given.items() if value is not None})
    if manner.template is not None:
        load_template(manner.template, config.answering.templates)
    require_way(space.artifacts, control, manner.way)
    answering, lineage = _retrieval(control, change.retrieval), with_manner(control.lineage, manner)
    changed = control.model_copy(update={"answering": answering, "lineage": lineage})
    if change.template is not None and not engines.prompts(changed):
        raise ExperimentRefused(
            f"template {change.template} would change no word: nobody who answers here is prompted by one: set "
            "RAGLOOP_GROQ_API_KEY, name groq or local in answering.generators, or leave --template out"
        )
    _require_comparable(engines, control, changed)
    release = space.registry.register(
        control.collection,
        parent_id=control.id,
        reason=f"{RECORDED}{control.id}: {change}",
        embedder=control.embedder,
        index=control.index,
        reranker=control.reranker,
        chat_model=control.chat_model,
        answering=answering,
        config=control.config,
        lineage=lineage,
    )
    try:
        engines.tried(release)
    except RagloopError as error:
        _keep_out(space, release, f"it cannot be opened: {error}")
        raise
    return release


def _keep_out(space: Workspace, release: Release, reason: str) -> None:
    """Have nothing come of a candidate that was made for an experiment, unless it was more than that before."""
    if release.state is ReleaseState.CANDIDATE:
        space.registry.keep_out(release.id, reason)


def _retrieval(control: Release, settings: Mapping[str, Any]) -> dict[str, Any]:
    if not settings:
        return control.answering
    try:
        changed = RetrievalConfig.model_validate(control.answering | dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        names = ", ".join(RetrievalConfig.model_fields)
        raise ConfigError(f"retrieval's {where}: {first['msg']}: the settings are {names}") from None
    if changed.rerank_weight and control.reranker is None:
        raise ConfigError(f"release {control.id} has no reranker: leave rerank_weight at 0, or `ragloop retrain` first")
    return changed.model_dump(mode="json")


def _require_comparable(engines: Engines, control: Release, variant: Release) -> None:
    """Check that two releases answer from the same documents, in ways that differ.

    :raises ReleaseWithdrawn: if the variant may not serve.
    :raises ExperimentRefused: if not.
    """
    if variant.state is ReleaseState.WITHDRAWN:
        raise ReleaseWithdrawn(f"release {variant.id} cannot serve again ({variant.reason}): name another")
    if variant.lineage.get("corpus") != control.lineage.get("corpus"):
        raise ExperimentRefused(
            f"release {variant.id} knows other documents than release {control.id}, which serves: "
            "retrain with `ragloop retrain`, and compare that"
        )
    if engines.answers_as(variant) == engines.answers_as(control):
        raise ExperimentRefused(f"release {control.id} serves and answers so already: name another, or what to change")


def _name(variant: str | Change) -> str:
    return str(variant) if isinstance(variant, Change) else f"release {variant}"
