"""One look at a collection: its use, what has drifted, what to document next, and what is worth an alert."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from rag.config import Config, MonitoringConfig
from rag.embedding.vectors import Vectors
from rag.monitoring.alerts import Alert, alerts
from rag.monitoring.drift import QUESTIONS, DriftReport, Windows, drift, sampled
from rag.monitoring.topics import Topic, topics
from rag.monitoring.traffic import Asked, first_uses, load_questions, load_traffic
from rag.monitoring.unanswered import latest, unanswered
from rag.monitoring.use import DAY, WEEK, Usage, Use, monday, usage, use_of
from rag.releases import serving_release
from rag.reranking.collection import same_reranker
from storage.columns import utc_now
from storage.recipes import digest_json

if TYPE_CHECKING:
    from rag.workspace import Workspace

Embed = Callable[[Sequence[str]], Vectors]
"""Questions -> float32 (n, dim), L2-normalized."""


class Monitoring(BaseModel):
    """What was seen. It holds what people asked; `without_text` does not."""

    model_config = ConfigDict(frozen=True)

    collection: str
    at: datetime
    usage: Usage
    recent: Use
    """The days that targets and alerts are about."""
    drift: DriftReport
    new_topics: tuple[Topic, ...]
    """Of the recent questions that look new; none unless the questions have drifted."""
    to_document: tuple[Topic, ...]
    """What was not answered, or wrongly, those that most people asked about first."""
    alerts: tuple[Alert, ...]

    def without_text(self) -> "Monitoring":
        """Return it without anything that people wrote, for where that would lie in clear."""
        return self.model_copy(
            update={
                "new_topics": tuple(topic.without_text() for topic in self.new_topics),
                "to_document": tuple(topic.without_text() for topic in self.to_document),
            }
        )


def monitor(
    space: "Workspace",
    collection: str,
    config: Config,
    embed: Embed | None = None,
    days: int | None = None,
    now: datetime | None = None,
) -> Monitoring:
    """Look at how a collection was used.

    :param embed: what its release's embedder makes of questions; opened here unless given.
    :param days: that are shown one by one, and whose unanswered questions are; as configured unless given.
    :param now: until when; until now unless given.
    :raises ReleaseNotFound: if nothing serves the collection.
    """
    release = serving_release(space, collection)

    def opened(texts: Sequence[str]) -> Vectors:
        from rag.embedding.artifact import load_encoder

        return load_encoder(space.artifacts, release.embedder, config.encoding).encode_queries(texts)

    now, limits = now or utc_now(), config.monitoring
    limits = limits if days is None else limits.model_copy(update={"days": days})
    today = now.astimezone(UTC).date()
    recent_since = today - DAY * (limits.recent_days - 1)
    reference_since = recent_since - DAY * limits.reference_days
    shown_since = today - DAY * (limits.days - 1)
    since = min(reference_since, shown_since, monday(today) - WEEK * (limits.weeks - 1))
    asked = [each for each in load_traffic(space.database, collection, _begin(since)) if each.at <= now]
    windows = Windows(
        reference=[each for each in asked if reference_since <= each.day < recent_since],
        recent=[each for each in asked if each.day >= recent_since],
    )
    first = first_uses(space.database, collection)
    recent = use_of((recent_since, DAY * limits.recent_days, windows.recent), first, limits)

    # However many ask, no more questions are opened than that: what is compared, the last that lack an answer, and the
    # last answered ones, which may have been asked in the same words.
    compared = sampled(windows, limits)
    last = latest((each for each in asked if each.day >= shown_since), limits.max_questions)
    texts = load_questions(space.database, (each.id for each in [*compared.both, *last]))
    lacking = unanswered(last, texts)
    vectors = _vectors([*compared.both, *lacking], texts, embed or opened)

    scored_by = _scored_by(space, collection, {each.release_id for each in windows.both})
    found = drift(windows, vectors, (reference_since, recent_since), scored_by, limits)
    novel = set(found.novel) if found.of(QUESTIONS).found else set()
    return Monitoring(
        collection=collection,
        at=now,
        usage=usage(asked, first, today, limits),
        recent=recent,
        drift=found,
        new_topics=_shown([each for each in compared.recent if each.id in novel], texts, vectors, limits),
        to_document=_shown(lacking, texts, vectors, limits),
        alerts=tuple(alerts(windows.recent, recent, found, limits)),
    )


def _scored_by(space: "Workspace", collection: str, ids: Set[int]) -> dict[int, str]:
    """Return by what models each release scores; new documents change none of them."""
    releases = (release for release in space.registry.list(collection) if release.id in ids)
    return {
        each.id: digest_json([each.embedder.uri, each.answering, same_reranker(space.artifacts, each.reranker)])
        for each in releases
    }


def _shown(
    asked: Sequence[Asked], texts: Mapping[str, str], vectors: Mapping[str, Vectors], limits: MonitoringConfig
) -> tuple[Topic, ...]:
    return tuple(topics(asked, texts, vectors, limits.topic_cosine)[: limits.topics])


def _vectors(asked: Iterable[Asked], texts: Mapping[str, str], embed: Embed) -> dict[str, Vectors]:
    """Return the vectors of questions by id; each text is encoded once."""
    ids = [each.id for each in asked if each.id in texts]
    distinct = list(dict.fromkeys(texts[id_] for id_ in ids))
    if not distinct:
        return {}
    of_text = dict(zip(distinct, embed(distinct), strict=True))
    return {id_: of_text[texts[id_]] for id_ in ids}


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
