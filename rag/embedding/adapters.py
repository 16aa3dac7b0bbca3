"""Low-rank adapters (LoRA, Hu et al. 2021): a few weights are trained, then folded into those of the model."""

from typing import Any

import torch


def add_lora(model: Any, rank: int, seed: int) -> None:
    """Freeze the model's weights and put adapters of this rank beside each of its linear layers."""
    from peft import LoraConfig

    torch.manual_seed(seed)
    model.add_adapter(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))


def fold_lora(model: Any) -> None:
    """Add the adapters to the weights and take them away, so that what is left is the plain model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    transformer = model.transformers_model
    layers = [(name, layer) for name, layer in transformer.named_modules() if isinstance(layer, BaseTunerLayer)]
    for name, layer in layers:
        layer.merge()
        transformer.set_submodule(name, layer.get_base_layer())
    del transformer.peft_config
    transformer._hf_peft_config_loaded = False
    transformer.requires_grad_(True)
