"""What flows may be asked for: flat, typed and bounded, so that the UI draws a form and the API refuses nonsense."""

from enum import StrEnum
from typing import Annotated

from prefect import runtime
from pydantic import Field

from rag.config import COLLECTION, Config, GeneratorKind, Ranker
from rag.profiles import Profile, detect_profile
from rag.settings import Settings

CollectionName = Annotated[str, Field(pattern=COLLECTION, description="Which collection of documents.")]
ServingCollection = Annotated[
    str | None, Field(pattern=COLLECTION, description="Which collection of documents; each that serves unless given.")
]
ProfileName = Annotated[Profile | None, Field(description="The machine to fit to; that of the worker unless given.")]
ArtifactUri = Annotated[
    str | None,
    Field(
        pattern=r"^artifact:[a-z]+/[0-9a-f]{32}$",
        description="artifact:KIND/DIGEST; made from the collection as it stands unless given.",
    ),
]
ReleaseName = Annotated[str, Field(pattern=r"^(production|[0-9]{1,18})$", description="A release's id, or production.")]
SpeakingRelease = Annotated[
    str | None,
    Field(
        pattern=r"^(production|[0-9]{1,18})$",
        description="A release's id, or production; the newest with a chat model unless given.",
    ),
]
SetVersion = Annotated[
    int | None, Field(ge=1, description="A version of the evaluation set; the one that judges now unless given.")
]
RankerName = Annotated[
    Ranker | None, Field(description="Rank by this part of the search alone; as the release does unless given.")
]
QuestionCount = Annotated[
    int | None, Field(ge=1, le=10_000, description="Questions of each group at most; as configured unless given.")
]
GeneratorName = Annotated[
    GeneratorKind | None, Field(description="Who alone answers; as the release and the config decide unless given.")
]
TrialCount = Annotated[
    int | None, Field(ge=1, le=1000, description="Settings that are tried; as configured unless given.")
]
TrialMinutes = Annotated[
    float | None, Field(gt=0, description="No trial begins after so long; as configured unless given.")
]
TrialNumber = Annotated[int, Field(ge=0, description="Which trial of a search this is.")]
Sources = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1, description="Files and folders: paths or URIs (s3://...) that the worker can read."),
]
ATTEMPTS = 3
"""Runs of one piece of work at most, when they crash."""
Attempt = Annotated[int, Field(ge=1, le=ATTEMPTS, description="Counts up when a crashed run is started again.")]
ShuffleLabels = Annotated[bool, Field(description="A drill: learn nonsense, and see the gate keep it out.")]


class Reason(StrEnum):
    """Why a retraining was started."""

    MANUAL = "manual"
    NIGHTLY = "nightly"
    FEEDBACK = "feedback"
    API = "api"


def fitted(profile: Profile | None) -> Profile:
    """Return the profile to run with: as asked, as set, or as fits this machine."""
    return profile or Settings().profile or detect_profile()


def stage_config(profile: Profile | None, shuffle_labels: bool = False) -> Config:
    """Return the stage configs to run with, by profile and by this machine's config file."""
    return Settings().stages(fitted(profile), shuffle_labels)


def stage_name() -> str:
    """Return a run's name: what it does and for what, as `train-embedder-default`; one given at its start is kept."""
    flow_name = runtime.flow_run.flow_name
    given = runtime.flow_run.name or ""
    return given if given.startswith(flow_name) else f"{flow_name}-{runtime.flow_run.parameters['collection'] or 'all'}"
