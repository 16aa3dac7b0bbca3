"""What the endpoints work with: one home, opened."""

import logging
from dataclasses import dataclass, field
from threading import Event, Thread

from app.api.metrics import Metrics
from app.api.rates import Rates
from app.api.retrainings import Retrainings
from app.api.uploads import Uploads
from app.api.work import Work
from rag.answering.engines import Engines
from rag.config import Config
from rag.deletion import finish_deletions
from rag.experiments.settling import settle
from rag.experiments.trials import Trials
from rag.releases import serving_collections
from rag.workspace import Workspace
from storage.errors import RagloopError

logger = logging.getLogger(__name__)

_SETTLE_S = 15.0
"""Between two looks at the experiments that run: harm is to be seen soon, also where no `ragloop up` sweeps."""


@dataclass(frozen=True)
class Service:
    """The parts of a server; close it at the end."""

    space: Workspace
    config: Config
    retrainings: Retrainings
    engines: Engines
    trials: Trials
    metrics: Metrics
    rates: Rates
    work: Work
    uploads: Uploads
    warm: Event = field(default_factory=Event)
    """Set once the engines of all that serves have been opened."""
    closing: Event = field(default_factory=Event)

    @classmethod
    def open(cls, space: Workspace, config: Config, retrainings: Retrainings) -> "Service":
        """Make the parts; nothing runs before `start`."""
        metrics, work, uploads = Metrics(), Work(space.settings.answers_at_once), Uploads(space, config)
        metrics.asking.set_function(lambda: work.taken)
        metrics.uploads.set_function(uploads.n_waiting)
        rates = Rates(space.settings.requests_per_minute)
        engines = Engines(space, config)
        trials = Trials(space, engines)
        return cls(space, config, retrainings, engines, trials, metrics, rates, work, uploads)

    def start(self) -> None:
        """Read what was uploaded before, and open the engines, so that the first question is answered fast."""
        self.uploads.start()
        Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        Thread(target=self._settle_on, name="experiments", daemon=True).start()

    def close(self) -> None:
        """Stop what runs; the document that is being read is read to its end."""
        self.closing.set()
        self.work.close()
        self.uploads.close()
        self.engines.close()

    def collections(self) -> list[str]:
        """Return the names of the collections that serve, sorted."""
        return serving_collections(self.space)

    def _warm_up(self) -> None:
        try:
            finish_deletions(self.space, self.config)
            for collection in self.collections():
                try:
                    self.engines.of(collection)
                except RagloopError as error:
                    logger.warning("the collection %s does not open: %s", collection, error)
            self.trials.warm()
        finally:
            self.warm.set()

    def _settle_on(self) -> None:
        while not self.closing.wait(_SETTLE_S):
            try:
                settle(self.space.database)
            except Exception:
                logger.exception("the experiments cannot be looked at, and are tried again")
