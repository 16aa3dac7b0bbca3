"""Questions on their way to the release that their user was drawn for; who is shown what is written down first."""

import logging
import time
from collections.abc import Generator
from contextlib import suppress
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from rag.answering.answer import Drawn, Event, Question, Silent, Way
from rag.answering.breaker import Breaker
from rag.answering.engine import Engine
from rag.answering.engines import Engines
from rag.config import AnsweringConfig
from rag.errors import ConfigError
from rag.experiments.assignment import assign, chance
from rag.experiments.experiment import CONTROL, VARIANT, Experiment, running
from rag.experiments.outcomes import require_answers_in_time
from rag.workspace import Workspace
from storage.errors import RagloopError
from storage.tables import ExposureRow

logger = logging.getLogger(__name__)

_FRESH_S = 1.0
"""So long an answer may rest on the experiments as they were."""
_SHUT_S = 30.0
"""A variant that could not be opened is not tried again for so long."""


class Trials:
    """Answers, each question by the release that its user was drawn for; several threads may use it at once."""

    def __init__(self, space: Workspace, engines: Engines, fresh_s: float = _FRESH_S) -> None:
        """Know of no experiment yet; what runs is looked up again after `fresh_s`."""
        self._space, self._engines, self._fresh_s = space, engines, fresh_s
        self._known: dict[str, Experiment] = {}
        """By collection."""
        self._known_until = float("-inf")
        self._openings: dict[int, Breaker] = {}
        """By release."""
        self._too_slow = _too_slow(engines.pool.config)
        self._lock = Lock()

    def stream(self, collection: str, question: Question, way: Way | None = None) -> Generator[Event, None, None]:
        """Yield an answer's events, as `Engine.stream`; where an experiment runs, the user has a part in it.

        A question that names no user or a way to answer has none, nor has any where answers may take so long that they
        would be counted as errors.

        :param way: how to answer; as the release decides unless given.
        :raises ReleaseNotFound, NoChatModel, ConfigError: as `Engines.of`.
        :raises UnreadableDocument, NoGenerator: as `Engine.stream`.
        """
        experiment = self._running(collection) if way is None else None
        user = question.user_fingerprint if question.named else None
        if experiment is not None and user is not None and self._serves(collection, experiment.control_id):
            return self._drawn(experiment, question, user)
        return self._engines.of(collection, way).stream(question)

    def warm(self) -> None:
        """Open the variants of what runs, so that the first user who gets one is answered fast."""
        for experiment in running(self._space.database):
            with suppress(RagloopError):  # nothing serves any more: it ends
                self._opened(experiment, VARIANT)

    def _running(self, collection: str) -> Experiment | None:
        """Return the experiment of a collection, if one runs; the variants of those that have ended are let go."""
        if time.monotonic() >= self._known_until:
            with self._lock:
                self._known = self._looked_up()
                self._known_until = time.monotonic() + self._fresh_s
            for name, release_id in self._engines.trials.items():
                if name not in self._known:
                    self._let_go(name, release_id)
        return self._known.get(collection) if self._too_slow is None else None

    def _looked_up(self) -> dict[str, Experiment]:
        """Return what runs, by collection; what was known before if that cannot be read just now."""
        try:
            found = {each.collection: each for each in running(self._space.database)}
        except (RagloopError, SQLAlchemyError):
            logger.exception("the experiments cannot be looked up: those that ran before go on")
            return self._known
        for name, each in found.items():
            if self._too_slow is not None and name not in self._known:
                logger.error("nobody has a part in %s of %s here: %s", each.key, name, self._too_slow)
        return found

    def _let_go(self, collection: str, release_id: int) -> None:
        """Let go of the engine of a variant, unless that serves now; whatever happens, others are to be answered."""
        try:
            if self._serves(collection, release_id):
                self._engines.of(collection)  # which takes it over
        except Exception:
            logger.exception("what was tried in %s cannot be taken over: it is opened anew", collection)
        finally:
            self._engines.end_trial(collection)

    def _serves(self, collection: str, release_id: int) -> bool:
        release = self._space.registry.production(collection)
        return release is not None and release.id == release_id

    def _drawn(self, experiment: Experiment, question: Question, user: str) -> Generator[Event, None, None]:
        drawn = assign(experiment.key, user, experiment.shares)
        if not self._expose(experiment, question, user, drawn == VARIANT):
            yield from self._engines.of(experiment.collection).stream(question)
            return
        try:
            engine, silent = self._opened(experiment, drawn)
            if silent:
                self._failed(question)
            yield from engine.stream(question, Drawn(variant=f"{experiment.id}/{drawn}", silent=silent))
        except Exception:
            self._failed(question)
            raise

    def _opened(self, experiment: Experiment, drawn: str) -> tuple[Engine, tuple[Silent, ...]]:
        """Return the engine that answers; also the variant's release, if that cannot, and the control does."""
        control = self._engines.of(experiment.collection)
        if drawn == CONTROL:
            return control, ()
        opening = self._openings.setdefault(experiment.variant_id, Breaker(1, _SHUT_S))
        reason = opening.refusal()
        if reason is None:
            try:
                release = self._space.registry.get(experiment.collection, experiment.variant_id)
                engine = self._engines.tried(release)
            except Exception as error:  # whatever it is, the user is to have an answer
                logger.exception("the variant of %s cannot be opened: the control answers", experiment.key)
                reason = str(error) if isinstance(error, RagloopError) else f"it failed ({type(error).__name__})"
                opening.failed(reason)
            else:
                opening.succeeded()
                return engine, ()
        return control, (Silent(generator=f"release {experiment.variant_id}", reason=reason),)

    def _expose(self, experiment: Experiment, question: Question, user: str, treated: bool) -> bool:
        """Write that a user is about to be answered; returns whether that is kept."""
        row = ExposureRow(
            experiment_id=experiment.id,
            interaction_id=question.id,
            user_fingerprint=user,
            release_id=experiment.variant_id if treated else experiment.control_id,
            treated=treated,
            chance=chance(experiment.key, VARIANT, CONTROL, experiment.shares),
        )
        try:
            with self._space.database.session() as session:
                session.add(row)
        except (RagloopError, SQLAlchemyError):
            logger.exception("a question has no part in %s, since that cannot be written down", experiment.key)
            return False
        return True

    def _failed(self, question: Question) -> None:
        """Note that an answer ended in an error; one that this cannot be noted of has no interaction either."""
        try:
            with self._space.database.session() as session:
                row = session.exec(select(ExposureRow).where(ExposureRow.interaction_id == question.id)).one()
                row.failed = True
        except (RagloopError, SQLAlchemyError):
            logger.exception("a failure in an experiment could not be written down")


def _too_slow(config: AnsweringConfig) -> str | None:
    """Return why no answer of this config may be counted, if so: an experiment was begun under another, perhaps."""
    try:
        require_answers_in_time(config)
    except ConfigError as error:
        return str(error)
    return None
