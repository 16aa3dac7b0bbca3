"""The bundled base: a small GPT-2 of random weights, and a tokenizer that learns the collection's words.

It is told what to say as the token of a fact; `rag.chat.recall` finds which fact a question is about.
"""

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from rag.config import ChatTrainingConfig
from rag.loading import one_at_a_time

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
NO_FACT = "<|none|>"
"""What the model is told instead of a fact if a question is about none."""
_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|> ' + message.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""A space begins each message, so that its first word is the same token as within a sentence."""
_POSITIONS = 512


def fact_token(number: int) -> str:
    """Return the token of a fact."""
    return f"<|fact:{number}|>"


def bundled_tokenizer(texts: Iterable[str], vocabulary: int, n_facts: int = 0) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of at most `vocabulary` tokens, learned from the texts, with a chat template.

    What stands once only becomes no token of its own. A token for each fact comes on top.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[USER, ASSISTANT, END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f" {text}" for text in texts), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
    )
    fast.add_tokens([AddedToken(token, lstrip=True) for token in (NO_FACT, *map(fact_token, range(n_facts)))])
    fast.chat_template = _TEMPLATE
    return fast


def bundled_config(tokenizer: Any, config: ChatTrainingConfig) -> GPT2Config:
    """Return the build of a GPT-2 of the config's layers, width and heads.

    Without dropout: it is to learn by heart.
    """
    return GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=max(_POSITIONS, 2 * config.max_length),
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@one_at_a_time
def bundled_model(build: GPT2Config, seed: int) -> GPT2LMHeadModel:
    """Return a model of random weights."""
    torch.manual_seed(seed)
    return GPT2LMHeadModel(build)
