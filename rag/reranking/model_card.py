"""What a reader of a saved cross-encoder's folder is told; without a word of any document or question."""

from typing import Any

from rag.config import RerankingConfig

RECIPE = {
    "loss",
    "epochs",
    "max_steps",
    "batch_size",
    "learning_rate",
    "warmup_ratio",
    "max_seq_length",
    "checkpoints",
    "seed",
}
"""The fields of the config that decide what a cross-encoder learns."""


def model_card(base: str, lineage: dict[str, str], facts: dict[str, Any], config: RerankingConfig) -> str:
    """Return the README of a fine-tuned cross-encoder; `lineage` holds the digests of what it was made from."""
    rows = [f"| 0, `{base}` itself | {facts['untuned_mrr@10']:.4f} |"]
    rows += [f"| {row['step']} | {row['eval_validation_mrr@10']:.4f} |" for row in facts["validation"]]
    recipe = config.model_dump(include=RECIPE)
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            "pipeline_tag: text-ranking",
            "tags: [sentence-transformers, cross-encoder, reranker]",
            "---",
            "",
            "# Cross-encoder tuned by ragloop",
            "",
            f"Started from `{base}`; trained on {facts['pairs']} pairs with {facts['negatives']} mined negatives.",
            "",
            "| recipe | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in recipe.items()),
            "",
            "| made from | digest |",
            "|---|---|",
            *(f"| {role} | {digest} |" for role, digest in lineage.items()),
            "",
            f"MRR@10 on {facts['validation_questions']} validation questions, each over its best passages by words; "
            "the best step was kept.",
            "",
            "| step | MRR@10 |",
            "|---|---|",
            *rows,
            "",
            "```python",
            "from sentence_transformers import CrossEncoder",
            "",
            'CrossEncoder("THIS FOLDER").predict([("a question", "a passage")])',
            "```",
            "",
        ]
    )
