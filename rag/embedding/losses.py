"""What the embedder learns from: its sentence vectors, and the vectors of its tokens beside them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class ContrastiveLoss(nn.Module):
    """Tell each question's passage from every other passage of the batch, its own hard negatives among them.

    The sentence term is multiple negatives ranking (Henderson et al. 2017) over cosines. The token term, weighted by
    `token_weight`, is the same over MaxSim (ColBERT, Khattab and Zaharia 2020): each token of the question finds its
    nearest token of the passage, and the mean of those cosines, weighted by `idf`, is the score. So the vectors that a
    late-interaction reranker reads are trained for it, by the same pass through the model.

    With labels, the margins of a cross-encoder, there is a third term, weighted by `distill_weight`: margin MSE
    (Hofstaetter et al. 2020) between them and the margins of the scaled cosines.
    """

    def __init__(
        self,
        model: Any,
        scale: float = 20.0,
        token_weight: float = 0.0,
        token_scale: float = 30.0,
        idf: Tensor | None = None,
        query_prompt: str = "",
        distill_weight: float = 0.0,
    ) -> None:
        """Keep `idf`, float32 (vocabulary,), as the weight of each query token; all alike without.

        The tokens of `query_prompt`, with which each question begins, count for nothing, as when re-ranking.
        """
        super().__init__()
        self.model = model
        self._scale, self._token_weight, self._token_scale = scale, token_weight, token_scale
        tokenizer = model.tokenizer
        frame = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
        self._frame = torch.tensor([token for token in frame if token is not None])
        self._idf = idf
        self._distill_weight = distill_weight
        self._prompt_tokens = len(model.tokenizer(query_prompt, add_special_tokens=False)["input_ids"])

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None) -> Tensor:
        """Return the loss of a batch: questions, their passages, and any columns of negatives.

        `labels` are margins, (questions, columns of negatives), where there is a teacher.
        """
        read = [self.model(dict(features)) for features in sentence_features]
        questions, *passages = read
        right = torch.arange(len(questions["sentence_embedding"]), device=questions["sentence_embedding"].device)
        vectors = functional.normalize(torch.cat([p["sentence_embedding"] for p in passages]).float(), dim=-1)
        cosines = functional.normalize(questions["sentence_embedding"].float(), dim=-1) @ vectors.T
        loss = functional.cross_entropy(cosines * self._scale, right)
        if self._token_weight:
            scores = torch.cat([self._max_sim(questions, p) for p in passages], dim=1)
            loss = loss + self._token_weight * functional.cross_entropy(scores * self._token_scale, right)
        if labels is not None:
            own = cosines.view(len(right), -1, len(right))[right, :, right] * self._scale
            loss = loss + self._distill_weight * functional.mse_loss(own[:, :1] - own[:, 1:], labels)
        return loss

    def _max_sim(self, questions: dict[str, Tensor], passages: dict[str, Tensor]) -> Tensor:
        """Return the weighted mean over a question's tokens of the best cosine in a passage, (questions, passages)."""
        asked, said = (functional.normalize(x["token_embeddings"], dim=-1) for x in (questions, passages))
        weights, readable = self._weights(questions), self._readable(passages)
        best = [
            (asked @ tokens[mask].T).amax(dim=-1) if mask.any() else asked.new_zeros(asked.shape[:2])
            for tokens, mask in zip(said, readable, strict=True)
        ]
        return torch.einsum("pqt,qt->qp", torch.stack(best).float(), weights)

    def _weights(self, features: dict[str, Tensor]) -> Tensor:
        """Return the weight of each token of each question, (questions, tokens); those of a question add up to 1."""
        weights = self._readable(features).float()
        weights = weights * (weights.cumsum(dim=1) > self._prompt_tokens)
        if self._idf is not None:
            weights = weights * self._idf.to(weights.device)[features["input_ids"]]
        return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-6)

    def _readable(self, features: dict[str, Tensor]) -> Tensor:
        frame = torch.isin(features["input_ids"], self._frame.to(features["input_ids"].device))
        return features["attention_mask"].bool() & ~frame
