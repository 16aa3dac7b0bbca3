"""What a reader of a saved embedder's folder is told; without a word of any document or question."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rag.config import EmbeddingConfig


@dataclass(frozen=True)
class Lineage:
    """What an embedder was made from; digests name the artifacts."""

    base: str
    base_digest: str
    training_set: str
    negatives: str | None
    query_prompt: str
    teacher: str | None = None


def model_card(
    lineage: Lineage, counts: Mapping[str, int], training: Mapping[str, Any], config: EmbeddingConfig
) -> str:
    """Return the README of a fine-tuned embedder.

    :param counts: training pairs by origin, also of those without any, and by type of question.
    :param training: facts of the training, as `finetune` returns them.
    """
    before, after = training["by_tuned_share"]["0.0"], training["by_tuned_share"][str(training["tuned_share"])]
    prompt = f'prompt="{lineage.query_prompt}"' if lineage.query_prompt else ""
    parts = [
        _FRONT,
        f"# Embedder tuned by ragloop\n\n{lineage.base}, tuned on a team's own questions and passages.",
        "## Data\n\n" + _table(("pairs", "number"), [*counts.items(), ("negatives of each", training["negatives"])]),
        "## Lineage\n\n"
        + _table(
            ("made from", "sha256, shortened"),
            [
                (f"base `{lineage.base}`", lineage.base_digest),
                ("training set", lineage.training_set),
                ("mined negatives", lineage.negatives or "none"),
                ("distilled cross-encoder", lineage.teacher or "none"),
            ],
        ),
        "## Validation\n\nQuestions that were not trained on, asked among passages; they chose the checkpoint and the "
        "share of the tuned weights, and are not those that the model is judged by.\n\n"
        + _table(("metric", "base", "tuned"), [(name, before[name], after[name]) for name in before]),
        f"Best at step {training['best_step']} of {training['steps']}; {training['tuned_share']:.0%} of the weights "
        "are tuned, the rest the base's.",
        "## Recipe\n\n" + _table(("setting", "value"), config.model_dump().items()),
        f"## Use\n\n```python\n{_USE.format(prompt=', ' + prompt if prompt else '')}```",
    ]
    return "\n\n".join(parts) + "\n"


_FRONT = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, feature-extraction, sentence-similarity]
---"""
_USE = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("THIS FOLDER")
questions = model.encode(["a question"]{prompt}, normalize_embeddings=True)
passages = model.encode(["a passage"], normalize_embeddings=True)
print(questions @ passages.T)
"""


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
