"""General questions, each with the passage that answers it; apart from the measuring, so as to import no torch."""

import hashlib
import json
from importlib.resources import files


def general_questions() -> list[tuple[str, str]]:
    """Return (question, passage) pairs; each question is answered by its own passage alone."""
    rows = [json.loads(line) for line in _content().decode().splitlines()]
    return [(row["question"], row["passage"]) for row in rows]


def general_digest() -> str:
    """Return the digest of the set, which is part of an evaluation."""
    return hashlib.sha256(_content()).hexdigest()


def _content() -> bytes:
    return (files("rag.evaluation") / "general.jsonl").read_bytes()
