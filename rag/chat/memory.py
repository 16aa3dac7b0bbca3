"""Whether a card has room for a training, estimated before any weight is loaded."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from rag.config import ChatMethod, ChatTrainingConfig
from rag.config.chat import BUNDLED
from rag.errors import OutOfMemory
from rag.loading import one_at_a_time

_FLOAT, _ADAM, _NF4, _CAST = 4, 8, 0.53, 2
"""Bytes for each weight or its gradient, for its optimizer state, in 4 bit with its share of the scales, and for the
half-precision copy that is multiplied with."""
_LAYER, _KEPT = 190, 4
"""Bytes for each token and unit of width that a layer keeps, and that a checkpointed one keeps. Seen: 86 with Phi, 142
with GPT-2 and its dropout; up to 187 with adapters."""
_LOGIT = 19
"""Bytes for each token and word of the vocabulary: logits in both precisions, their softmax, the gradients."""
KERNELS = 256 << 20
"""Bytes that a card's kernels and their workspaces take."""


@one_at_a_time
def memory_needed(architecture: Any, config: ChatTrainingConfig, at_a_time: int = 1) -> int:
    """Return about how many bytes of a card the training takes with so many sequences at a time.

    :param architecture: config of the model, as the transformers library knows it.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(architecture)
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear | Conv1D) and m is not head]
    n_weights = sum(weight.numel() for weight in model.parameters())
    n_linear = sum(layer.weight.numel() for layer in linear)
    full, in_4_bit = config.method is ChatMethod.FULL, config.method is ChatMethod.QLORA
    n_adapters = 0 if full else config.lora_rank * sum(sum(layer.weight.shape) for layer in linear)
    n_trained = n_weights if full else n_adapters

    weights = n_linear * _NF4 + (n_weights - n_linear) * _FLOAT if in_4_bit else n_weights * _FLOAT
    copies = (head.weight.numel() + n_adapters + (0 if in_4_bit else n_linear)) * _CAST
    trained = n_adapters * _FLOAT + n_trained * (_FLOAT + (0 if config.cpu_offload else _ADAM))
    n_layers, width = architecture.num_hidden_layers, architecture.hidden_size
    kept = 0 if config.cpu_offload else _KEPT if config.gradient_checkpointing else _LAYER
    # One layer is computed, or computed again, beside what the others keep.
    activations = width * ((n_layers - 1) * kept + _LAYER) + architecture.vocab_size * _LOGIT
    return int(weights + copies + trained + at_a_time * config.max_length * activations) + KERNELS


def require_room(needed: int, free: int, card: str, config: ChatTrainingConfig) -> None:
    """Check that a card has room for what a training takes; both in bytes.

    :raises OutOfMemory: if not, with what would take less.
    """
    if needed <= free:
        return
    bundled = config.base == BUNDLED
    remedies = {
        "method to qlora": config.method is not ChatMethod.QLORA and not bundled,
        "gradient_checkpointing to true": not config.gradient_checkpointing,
        "cpu_offload to true": not config.cpu_offload,
        "fewer layers" if bundled else "base to a smaller model": True,
    }
    *others, last = [remedy for remedy, helps in remedies.items() if helps]
    said = f"{', '.join(others)} or {last}" if others else last
    raise OutOfMemory(
        f"training {config.base} takes about {needed / 2**30:.1f} GiB with one sequence at a time, and {card} has "
        f"{free / 2**30:.1f} GiB free: in chat.training, set {said}, or lower max_length ({config.max_length})"
    )
