"""A pretrained base, from a folder or from the hub: DialoGPT, Phi-2, Qwen2.5 and their like."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rag.chat.base import CHAT_BASE
from rag.chat.quantized import load_quantized, with_adapters
from rag.chat.tokens import end_token
from rag.config import ChatMethod, ChatTrainingConfig
from rag.errors import ConfigError
from rag.hub_base import fetching
from rag.llm.causal import UNLOADABLE, load_tokenizer, model_folder
from rag.llm.chat_template import INSTRUCT
from rag.loading import one_at_a_time
from rag.training.batch_size import is_out_of_memory

T = TypeVar("T")

_DIALOGPT = "{% for message in messages %}{{ message.content + eos_token }}{% endfor %}"
"""How DialoGPT, which has no template of its own, has learned to tell turns apart."""


def fetched(source: str) -> str:
    """Return the folder of a base, fetched from the hub if it is named as there and not on this machine yet.

    :raises ConfigError: if it cannot be had.
    """
    with fetching(f"{CHAT_BASE.what} {source}", CHAT_BASE.remedy):
        folder = model_folder(source)
    return folder


def pretrained_tokenizer(folder: str) -> Any:
    """Return the tokenizer of a folder, with a chat template whose answers end with its end-of-sequence token.

    :raises ConfigError: if there is none that can be used.
    """
    tokenizer = _loaded(folder, lambda: load_tokenizer(folder))
    if not tokenizer.chat_template:
        tokenizer.chat_template = _DIALOGPT if pretrained_config(folder).model_type == "gpt2" else INSTRUCT
    tokenizer.eos_token = end_token(tokenizer)
    return tokenizer


def pretrained_config(folder: str) -> Any:
    """Return what a folder says of its model's build.

    :raises ConfigError: if it says nothing that can be used.
    """
    return _loaded(folder, lambda: AutoConfig.from_pretrained(folder, local_files_only=True))


@one_at_a_time
def pretrained_model(folder: str, source: str, tokenizer: Any, config: ChatTrainingConfig) -> Any:
    """Return the model of a folder, which was had from `source`, with those weights to train that the method trains.

    :raises ConfigError: if it cannot be loaded.
    :raises torch.OutOfMemoryError: if the card is too small.
    """
    if config.method is ChatMethod.QLORA:
        model = _loaded(folder, lambda: load_quantized(folder))
    else:
        options = {"local_files_only": True, "dtype": torch.float32}
        model = _loaded(folder, lambda: AutoModelForCausalLM.from_pretrained(folder, **options))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model if config.method is ChatMethod.FULL else with_adapters(model, source, config)


def _loaded(folder: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except UNLOADABLE as error:
        if is_out_of_memory(error):
            raise
        said = next(iter(str(error).splitlines()), "")
        raise ConfigError(
            f"cannot load the chat model's base {folder} ({type(error).__name__}: {said}): set chat.training.base to a "
            "causal language model of the transformers library, or to bundled"
        ) from error
