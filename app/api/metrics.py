"""What Prometheus reads. Labels are route templates, generators and collections: nothing that a client can invent."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rag.answering.answer import Answer
from rag.answering.breaker import Breaker, BreakerState

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ragloop_requests", "Requests by route and status.", ("method", "route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "ragloop_request_seconds", "Until the last byte.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.answers = Counter(
            "ragloop_answers",
            "Answers by collection, who spoke, whether the documents had it, and whether it was remembered.",
            ("collection", "generator", "found", "cached"),
            registry=self.registry,
        )
        self.silent = Counter(
            "ragloop_generator_silent",
            "Times that a generator was passed over.",
            ("generator",),
            registry=self.registry,
        )
        self.breakers = Gauge(
            "ragloop_breaker_open", "1 while a generator is not asked.", ("generator",), registry=self.registry
        )
        self.step_seconds = Histogram(
            "ragloop_answer_seconds", "Of an answer, by step.", ("step",), buckets=_SECONDS, registry=self.registry
        )
        self.failures = Counter("ragloop_answer_failures", "Answers that broke off.", registry=self.registry)
        self.asking = Gauge("ragloop_questions_in_progress", "Running and waiting.", registry=self.registry)
        self.uploads = Gauge("ragloop_uploads_waiting", "Not read yet.", registry=self.registry)

    def count_answer(self, answer: Answer) -> None:
        """Count an answer and its times."""
        found, cached = str(answer.found).lower(), str(answer.cached).lower()
        self.answers.labels(answer.collection, answer.generator or "none", found, cached).inc()
        for silent in answer.silent:
            self.silent.labels(silent.generator).inc()
        for step, seconds in answer.timings.items():
            self.step_seconds.labels(step).observe(seconds)

    def see_breakers(self, breakers: Mapping[str, Breaker]) -> None:
        """Take in which generators are kept from being asked; `breakers` are by the generators' names."""
        for name, breaker in dict(breakers).items():
            self.breakers.labels(name).set(breaker.state is not BreakerState.CLOSED)
