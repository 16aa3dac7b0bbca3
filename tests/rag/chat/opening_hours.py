"""Opening hours to learn by heart, and a training of them that runs as a process of its own and can be caught."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from rag.chat.example import ChatExample, ExampleKind, Message, Source
from rag.config import ChatMethod, ChatTrainingConfig
from rag.pairs.pair import Split
from tests.forward_passes import pause_in_forward

SHOPS = "bakery ferry tower library museum garden parlour market pool canteen".split()
HOURS = "six seven eight nine ten eleven noon one two three".split()
ASKED = ["When does the {} open?", "at what time does the {} open", "What is the opening time of the {}?"]


def example(shop: int, asked: str, split: Split = Split.TRAIN, **fields: object) -> ChatExample:
    """Return a question about a shop with its answer."""
    name = SHOPS[shop]
    said = (("user", asked.format(name)), ("assistant", f"The {name} opens at {HOURS[shop]} on weekdays."))
    messages = tuple(Message(role=role, content=text) for role, text in said)
    defaults = {"id": f"{shop} {asked}", "kind": ExampleKind.QUESTION, "fact": name, "messages": messages}
    source = Source(doc_id=f"d{shop}", document="hours.txt", char_start=0, char_end=9)
    return ChatExample.model_validate({**defaults, "split": split, "source": source, **fields})


TRAIN = [example(shop, asked) for shop in range(10) for asked in ASKED]
VALIDATION = [example(shop, "{} opening time?", Split.VALIDATION) for shop in range(10)]
EXAMPLES = [*TRAIN, *VALIDATION]
CONFIG = ChatTrainingConfig(
    layers=2,
    width=32,
    heads=4,
    vocabulary=400,
    max_length=64,
    batch_size=4,
    epochs=4,
    min_steps=1,
    checkpoints=3,
    patience=0,
)
"""12 or 16 steps of 4 sequences, few of which are padded."""
BY_HEART = CONFIG.model_copy(update={"epochs": 16})
"""As many steps for the bundled base, which learns each answer once."""
ADAPTED = CONFIG.model_copy(update={"base": "a folder", "lora_rank": 4, "lora_dropout": 0.1, "learning_rate": 5e-3})


def save_untaught(folder: Path) -> Path:
    """Save a GPT-2 of random weights that knows the words of the opening hours, to be trained as a base."""
    from rag.chat.bundled import bundled_config, bundled_model, bundled_tokenizer

    tokenizer = bundled_tokenizer([message.content for each in TRAIN for message in each.messages], CONFIG.vocabulary)
    tokenizer.save_pretrained(folder)
    bundled_model(bundled_config(tokenizer, CONFIG), CONFIG.seed).save_pretrained(folder)
    return folder


def adapted(method: ChatMethod, **fields: object) -> ChatTrainingConfig:
    """Return the config of a training of adapters."""
    return ADAPTED.model_copy(update={"method": method, **fields})


def train(folder: Path, base: str) -> dict[str, Any]:
    """Train a folder's model, or the bundled base if that is `bundled`; return the facts of the training."""
    from rag.chat.finetune import finetune_chat

    source, config = (None, BY_HEART) if base == "bundled" else (base, CONFIG)
    return finetune_chat(EXAMPLES, source, folder / "model", folder / "checkpoints", config)


def main(folder: str, base: str, place: str, nth: str) -> None:
    """Train `base` in `folder`, to be caught in the nth forward pass of a step or of an evaluation."""
    from transformers import GPT2LMHeadModel

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pause_in_forward(GPT2LMHeadModel, training=place == "step", nth=int(nth))
    train(Path(folder), base)
    os.write(1, b"finished\n")


if __name__ == "__main__":
    import rag  # noqa: F401

    main(*sys.argv[1:])
