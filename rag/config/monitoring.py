"""What is looked at in what people ask, and when it is worth an alarm. Imports no torch."""

from pydantic import Field

from rag.config.stage import Stage
from rag.monitoring import MAX_DAYS


class MonitoringConfig(Stage):
    """Targets, the windows that are compared, and how sure an alarm must be."""

    days: int = Field(28, ge=1, le=MAX_DAYS)
    """That are shown one by one, today's included."""
    weeks: int = Field(8, ge=1, le=104)
    """That are shown one by one, this one included."""
    rating_target: float = Field(4.0, ge=1, le=5)
    """Mean of the ratings, 1 to 5."""
    correct_target: float = Field(0.9, gt=0, le=1)
    """Share of the judged answers that are judged correct."""
    latency_p95_s: float = Field(2.0, gt=0)
    """Seconds within which 95% of the answers are to be whole."""
    confidence: float = Field(0.99, gt=0.5, lt=1)
    """Of each interval; a target is missed once the whole interval lies on its wrong side."""
    recent_days: int = Field(7, ge=1, le=90)
    """Up to now: what targets and alarms are about."""
    reference_days: int = Field(28, ge=1, le=366)
    """Before those: what drift is measured from."""
    error: float = Field(0.01, gt=0, lt=0.5)
    """How often one look calls something drift where nothing changed, over all its tests together."""
    min_shift: float = Field(0.15, ge=0, lt=1)
    """Smallest distance between two distributions (Kolmogorov's D, 0 to 1) that is worth an alarm."""
    min_novel: float = Field(0.05, ge=0, lt=1)
    """Smallest share of questions on new topics, beyond what is by chance, that is worth an alarm."""
    permutations: int = Field(1999, ge=99, le=20_000)
    """That p-values are counted in: corrected, none is smaller than ten in so many."""
    min_answers: int = Field(30, ge=2)
    """In each window; drift is not looked for in fewer."""
    min_people: int = Field(10, ge=2)
    """In each window, for people to be what is compared; otherwise it is what each asked in a day."""
    max_answers: int = Field(1000, ge=30, le=3000)
    """Of each window, drawn at random: what drift is looked for in."""
    max_questions: int = Field(2000, ge=10, le=5000)
    """Unanswered, the latest, that are put together by topic."""
    topic_cosine: float = Field(0.5, gt=0, lt=1)
    """Questions are of one topic while their mean cosine is no less."""
    topics: int = Field(15, ge=1, le=200)
    """Shown of each list, the most asked for."""
    seed: int = 0
