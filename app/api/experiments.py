"""Releases compared while people use them."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.dependencies import CollectionAdmin, CollectionName, CollectionTrainer
from rag.config import Outcome
from rag.experiments.experiment import Experiment, get_experiment, list_experiments, stop
from rag.experiments.settling import looked
from rag.experiments.variants import Change, start_experiment

routes = APIRouter(prefix="/collections/{collection}/experiments", tags=["experiments"])

ExperimentId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Start(BaseModel):
    """What to compare with what serves: a release, or a change."""

    model_config = ConfigDict(extra="forbid")

    release: int | None = Field(None, ge=1, le=2**31 - 1)
    change: Change | None = None
    """What the variant does otherwise than what serves; a candidate release is made of it."""
    share: float = Field(0.5, gt=0, lt=1)
    """Of the users who get the variant."""
    outcome: Outcome | None = None
    """What decides; as configured unless given."""
    name: str | None = Field(None, min_length=1, max_length=200)
    despite_floor: bool = False
    """Whether a release is tried that breaks a floor of the gate; a winner serves."""

    @model_validator(mode="after")
    def _one_variant(self) -> "Start":
        if (self.release is None) == (self.change is None or self.change == Change()):
            raise ValueError("give either a release or a change")
        return self


class Stop(BaseModel):
    """Why an experiment is stopped."""

    reason: str = Field("by the API", min_length=1, max_length=500)


@routes.get("")
def list_all(collection: CollectionName, caller: CollectionTrainer) -> list[Experiment]:
    """List the experiments, newest first, with what was seen of each last."""
    return list(list_experiments(caller.service.space.database, collection))


@routes.post("", status_code=201)
def start(collection: CollectionName, what: Start, caller: CollectionAdmin) -> Experiment:
    """Let a part of the users be answered by a variant, until one is proven better or a guard rail breaks."""
    service = caller.service
    config = service.config
    if what.outcome is not None:
        deciding = config.experiments.model_copy(update={"outcome": what.outcome})
        config = config.model_copy(update={"experiments": deciding})
    variant = what.change if what.change and what.release is None else str(what.release)
    return start_experiment(
        service.space, service.engines, collection, variant, config, what.name, what.share, what.despite_floor
    )


@routes.get("/{experiment_id:int}")
def show(collection: CollectionName, experiment_id: ExperimentId, caller: CollectionTrainer) -> Experiment:
    """Show what is known of an experiment by now: users asked and counted, means, the gain, guard rails."""
    database = caller.service.space.database
    return looked(database, get_experiment(database, collection, experiment_id))


@routes.post("/{experiment_id:int}/stop")
def stop_it(
    collection: CollectionName, experiment_id: ExperimentId, caller: CollectionAdmin, why: Stop | None = None
) -> Experiment:
    """Stop an experiment; what served goes on serving, for everybody."""
    return stop(caller.service.space.database, collection, experiment_id, (why or Stop()).reason)
