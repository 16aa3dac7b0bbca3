"""Settings of a training -> better ones, by validation questions."""

import time
from typing import Any

from prefect import flow, get_run_logger

from flows.dispatch import announced, dispatch
from flows.parameters import (
    ArtifactUri,
    CollectionName,
    ProfileName,
    TrialCount,
    TrialMinutes,
    TrialNumber,
    fitted,
    stage_config,
    stage_name,
)
from flows.train_embedder import learned_embedder
from rag.errors import RagloopError
from rag.settings import Settings
from rag.tuning.search import FailedTrial, Search, Trial
from rag.tuning.settings import TrialSettings
from rag.tuning.study import Study
from storage.artifacts import ArtifactRef
from tasks.pairs import collection_pairs_ref
from tasks.publishing import publish_trials
from tasks.training import check_means
from tasks.tuning import mix_pairs, score_embedder, tuned_share


@flow(flow_run_name="trial-{number}-of-{collection}")
def trial(
    settings: TrialSettings,
    questions: ArtifactUri,
    collection: CollectionName = "default",
    profile: ProfileName = None,
    number: TrialNumber = 0,
) -> Trial:
    """Train an embedder with other settings, and ask it the validation questions that all trials are asked.

    All learn from the questions that there were when the search began, in mixes of their own.
    """
    began, asked = time.monotonic(), ArtifactRef.parse(str(questions))
    config = settings.changed(stage_config(profile))
    embedder = learned_embedder(collection, mix_pairs(asked, config.pairs), config)
    score = score_embedder(embedder, asked, config.embedding)
    seconds, share = time.monotonic() - began, tuned_share(embedder)
    made = {"number": number, "settings": settings, "embedder": embedder, "tuned_share": share, "seconds": seconds}
    return announced(Trial(**made, score=score))


def attempted(timeout_s: float, **parameters: Any) -> Trial | FailedTrial:
    """Run a trial; one that fails, as by settings that do not fit the memory, ends no search.

    Only the first does, whose settings are those in force: whatever stops it stops the others too.
    """
    try:
        return dispatch(trial, timeout_s, **parameters)
    except Exception as error:  # hours of other trials are not to be lost for it
        if parameters["number"] == 0:
            raise
        told = isinstance(error, RagloopError)
        why = str(error) if told else f"it failed ({type(error).__name__}): see the log"
        get_run_logger().warning(
            "trial %d failed, and the search goes on: %s", parameters["number"], why, exc_info=not told
        )
        return FailedTrial(number=parameters["number"], settings=parameters["settings"], why=why)


@flow(flow_run_name=stage_name)
def tune(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    trials: TrialCount = None,
    budget_minutes: TrialMinutes = None,
) -> Search:
    """Try settings of the embedder's training, each in a run of its own, the next in the light of those before.

    Nothing is released: the settings are for the config file, and the gate judges what is trained with them.
    """
    profile, timeout_s = fitted(profile), Settings().stage_timeout_s
    config = stage_config(profile)
    check_means(config)
    questions = collection_pairs_ref(collection, None, TrialSettings.widest_mix(config))
    run = {"collection": collection, "profile": profile, "questions": questions.uri}
    study, tried = Study(config), list[Trial | FailedTrial]()
    until = time.monotonic() + 60 * (budget_minutes or config.tuning.budget_minutes)
    while len(tried) < (trials or config.tuning.trials) and not (tried and time.monotonic() > until):
        number, settings = study.ask()
        tried.append(attempted(timeout_s, **run, number=number, settings=settings.model_dump()))
        study.tell(number, tried[-1].score.mrr if isinstance(tried[-1], Trial) else None)
    search = Search.of(tried)
    publish_trials(search, collection)
    return announced(search)
