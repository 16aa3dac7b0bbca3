"""The loss that an embedder is trained with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedGISTEmbedLoss,
    CachedMultipleNegativesRankingLoss,
    MatryoshkaLoss,
)

from rag.config import EmbeddingConfig
from rag.embedding.encoder import load_sentence_transformer
from rag.embedding.losses import ContrastiveLoss
from rag.errors import ConfigError


def is_cached(config: EmbeddingConfig) -> bool:
    """Say whether the loss takes a batch in parts and still compares all of it (GradCache, Gao et al. 2021)."""
    return config.loss != "contrastive"


def training_loss(
    model: Any, base: Path, passages: Sequence[str], config: EmbeddingConfig, at_a_time: int, query_prompt: str
) -> Any:
    """Return the loss for `model` to learn `passages` by; cached ones take `at_a_time` texts at a time.

    Multiple negatives ranking (Henderson et al. 2017): each question against every passage of its batch. With a guide
    (GISTEmbed, Solatorio 2024) less those that the base model finds closer to the question than its own passage.

    :raises ConfigError: if a Matryoshka length is longer than a vector.
    """
    if config.loss == "gist":
        guide = load_sentence_transformer(base, "").requires_grad_(False)
        loss: Any = CachedGISTEmbedLoss(model, guide, temperature=1 / config.scale, mini_batch_size=at_a_time)
    elif config.loss == "cached":
        loss = CachedMultipleNegativesRankingLoss(model, scale=config.scale, mini_batch_size=at_a_time)
    else:
        idf = token_idf(model, passages) if config.token_weight else None
        loss = ContrastiveLoss(
            model,
            config.scale,
            config.token_weight,
            idf=idf,
            query_prompt=query_prompt,
            distill_weight=config.distill_weight,
        )
    if not config.matryoshka_dims:
        return loss
    dim = model.get_embedding_dimension()
    if not all(0 < short <= dim for short in config.matryoshka_dims):
        raise ConfigError(f"matryoshka_dims {config.matryoshka_dims} do not all lie in 1..{dim}: correct them")
    return MatryoshkaLoss(model, loss, sorted({dim, *config.matryoshka_dims}, reverse=True))


def token_idf(model: Any, passages: Sequence[str]) -> torch.Tensor:
    """Return how much each token tells about the passages, as re-ranking weighs it: float32 (vocabulary,)."""
    from rag.reranking.frequencies import TokenFrequencies

    tokenizer = model.tokenizer
    rows = tokenizer(list(set(passages)), truncation=True, max_length=model.max_seq_length)["input_ids"]
    first = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    frequencies = TokenFrequencies.count(np.concatenate([np.asarray(row, dtype=np.int64) for row in rows]), first)
    return torch.from_numpy(frequencies.idf(np.arange(len(tokenizer))))
