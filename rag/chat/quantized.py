"""QLoRA (Dettmers et al. 2023): adapters are trained over weights in 4 bit, on a card or on the CPU."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM

from rag.config import ChatTrainingConfig
from rag.embedding.encoder import native_bf16_cpu
from rag.llm.causal import nf4
from rag.loading import one_at_a_time


@one_at_a_time
def load_quantized(folder: str) -> Any:
    """Return the model of a folder with its linear layers in nf4, ready for adapters: all else is frozen, in float32.

    :raises OSError, ValueError, ImportError: if there is none that can be used.
    :raises torch.OutOfMemoryError: if the card is too small.
    """
    from peft import prepare_model_for_kbit_training

    prepare: Any = prepare_model_for_kbit_training
    on_card = torch.cuda.is_available()
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_card else native_bf16_cpu()
    compute = torch.bfloat16 if bf16 else torch.float16 if on_card else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        local_files_only=True,
        dtype=compute,
        device_map={"": 0 if on_card else "cpu"},
        quantization_config=nf4(compute),
    )
    keep_gradients(model)
    return prepare(model, use_gradient_checkpointing=False)  # the trainer switches it on


def keep_gradients(model: Any) -> None:
    """Have 4-bit weights stay as they are when the model is evaluated.

    A CPU with AVX512-BF16 repacks them then, and no gradient goes through repacked weights: a training fails behind an
    evaluation, or learns little and says nothing.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def with_adapters(model: Any, base: str, config: ChatTrainingConfig) -> Any:
    """Return the model with adapters beside its linear layers, the only weights that are trained.

    :param base: what whoever loads the adapters is told to load beneath them.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    torch.manual_seed(config.seed)
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear",
        task_type=TaskType.CAUSAL_LM,
    )
    adapted = get_peft_model(model, lora)
    adapted.peft_config["default"].base_model_name_or_path = base
    return adapted
