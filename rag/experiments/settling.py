"""Experiments end by themselves: in a promotion, or with the control for everybody."""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from rag.experiments.experiment import Experiment, ExperimentState, end, get_experiment, keep_look, move, running
from rag.experiments.following import following_variant
from rag.experiments.look import Finding
from rag.experiments.outcomes import look_at
from storage.columns import utc_now
from storage.database import Database
from storage.errors import ProductionMoved, ReleaseWithdrawn
from storage.registry import Registry, Release, ReleaseState

logger = logging.getLogger(__name__)

_REST_S, _REST = 15.0, 20
"""Seconds between two looks at an experiment, and how many times as long as a look took: people who ask come first."""


def settle(database: Database, now: datetime | None = None) -> Sequence[Experiment]:
    """Look at the experiments that run, and end those of which something is found; return what ended.

    A winner is promoted, in the place of the control alone; whether another is kept out, `end` says. An experiment
    ends, too, once something else serves than its control, or its variant was withdrawn; new documents alone are no end
    where the variant can follow. It may run any number of times, and from several places: what one of them has looked
    at rests a while.
    """
    ended = []
    for experiment in running(database):
        try:
            after = _settled(database, experiment, now or utc_now())
        except Exception:  # one that cannot be looked at must not keep the others running
            logger.exception("%s cannot be settled, and is tried again", experiment.key)
            continue
        if after is not None:
            logger.info("%s (%s) of %s has ended: %s", after.key, after.name, after.collection, after.reason)
            ended.append(after)
    return ended


def looked(database: Database, experiment: Experiment) -> Experiment:
    """Return an experiment with what is known of it by now, if it runs; nothing changes.

    What was seen a short while ago is not looked up again: of many answers that takes seconds.
    """
    now = utc_now()
    if experiment.state is not ExperimentState.RUNNING or _rests(experiment, now):
        return experiment
    return experiment.model_copy(update={"look": look_at(database, experiment, now)})


def _settled(database: Database, experiment: Experiment, now: datetime) -> Experiment | None:
    """Return an experiment that has ended just now; None if it goes on, or somebody else ended it."""
    registry, control, variant = Registry(database), experiment.control_id, experiment.variant_id
    production = registry.production(experiment.collection)
    if production is None or production.id != control:
        return _overtaken(database, registry, experiment, production)
    if registry.get(experiment.collection, variant).state is ReleaseState.WITHDRAWN:
        return end(database, experiment, ExperimentState.STOPPED, f"release {variant} was withdrawn")
    if _rests(experiment, now):
        return None
    began = time.monotonic()
    seen = look_at(database, experiment, now)
    rest = timedelta(seconds=max(_REST_S, _REST * (time.monotonic() - began)))
    kept = keep_look(database, experiment, seen, rest)
    if kept is None or kept.finding is None or kept.look is None:
        return None
    seen = kept.look  # what was found first, though the one who found it did not live to end it
    if seen.finding is not Finding.WINNER:
        return end(database, experiment, ExperimentState.STOPPED, seen.reason)
    reason = f"{experiment.key} ({experiment.name}): {seen.reason}"
    try:
        registry.promote(experiment.collection, variant, reason, instead_of=control)
    except ProductionMoved:
        return None  # what serves now is followed, or ends it, the next time
    except ReleaseWithdrawn as error:
        return end(database, experiment, ExperimentState.STOPPED, f"{seen.reason}; not promoted: {error}")
    return end(database, experiment, ExperimentState.PROMOTED, seen.reason)


def _rests(experiment: Experiment, now: datetime) -> bool:
    return experiment.rests_until is not None and now < experiment.rests_until


def _overtaken(
    database: Database, registry: Registry, experiment: Experiment, serving: Release | None
) -> Experiment | None:
    """End an experiment whose control does not serve any more, or let it follow new documents."""
    # Somebody else may have promoted its variant, or moved or ended it, since it was read and before production was.
    experiment = get_experiment(database, experiment.collection, experiment.id)
    if experiment.state is not ExperimentState.RUNNING:
        return None
    if serving is None:
        return end(database, experiment, ExperimentState.STOPPED, "nothing serves any more")
    if serving.id == experiment.variant_id and experiment.finding is Finding.WINNER and experiment.look:
        # Whoever promoted it did not live to note that.
        return end(database, experiment, ExperimentState.PROMOTED, experiment.look.reason)
    if serving.id == experiment.control_id:
        return None
    if (variant := following_variant(registry, experiment, serving)) is not None:
        logger.info("%s goes on with the documents of release %d", experiment.key, serving.id)
        move(database, experiment, serving, variant)
        return None
    reason = f"release {serving.id} began to serve instead of release {experiment.control_id}"
    return end(database, experiment, ExperimentState.STOPPED, reason)
