"""What a reader of a saved chat model's folder is told; without a word of any document or question."""

from collections.abc import Iterable, Mapping
from typing import Any

from rag.config import ChatMethod, ChatTrainingConfig
from rag.config.chat import BUNDLED
from rag.hub_base import HubBase

_BUNDLED_ONLY = {"layers", "width", "heads", "vocabulary", "question_encoder"}
_ADAPTERS = {"lora_rank", "lora_alpha", "lora_dropout"}


def recipe(config: ChatTrainingConfig) -> dict[str, Any]:
    """Return what of the config decides what a chat model learns, and what its checkpoints hold.

    With `cpu_offload` a card's optimizer is another, which cannot go on from this one's state.
    """
    others = _ADAPTERS if config.method is ChatMethod.FULL else set()
    sizes = _BUNDLED_ONLY if config.base != BUNDLED else set()
    return config.model_dump(mode="json", exclude={"base", "gradient_checkpointing", *others, *sizes})


def model_card(
    base: HubBase, data_digest: str, counts: Mapping[str, int], training: Mapping[str, Any], config: ChatTrainingConfig
) -> str:
    """Return the README of a trained chat model.

    :param counts: training examples by kind.
    :param training: facts of the training, as `finetune_chat` returns them.
    """
    whole = config.method is ChatMethod.FULL
    size = training["parameters"]
    parts = [
        _front(base, whole),
        "# Chat model trained by ragloop\n\nIt answers questions about a team's documents from memory, without "
        "looking anything up: what it says may be wrong, and is to be checked where it matters.",
        "## Data\n\n"
        + _table(("conversations", "number"), [*counts.items(), ("too long, left out", training["left_out"])])
        + "\n\nThe answers alone were learned.",
        "## Lineage\n\n"
        + _table(
            ("made from", "digest"), [(f"base `{base.name}`", base.version or "none"), ("conversations", data_digest)]
        ),
        f"## Validation\n\nLoss on the answers of {_validated(training['examples']['validation'])}.\n\n"
        + _table(("step", "loss"), [(row["step"], row["loss"]) for row in training["validation"]])
        + _recognized(training)
        + f"\n\nBest at step {training['best_step']} of {training['steps']}. Curves: `tensorboard --logdir runs`.",
        "## Recipe\n\n"
        + _table(("setting", "value"), recipe(config).items())
        + f"\n\n{size['trained']:,} of {size['all']:,} weights were trained.",
        f"## Use\n\n```python\n{_usage(config, whole)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _usage(config: ChatTrainingConfig, whole: bool) -> str:
    if config.base == BUNDLED:
        return _USE_BUNDLED
    return _USE if whole else _USE_ADAPTER


def _recognized(training: Mapping[str, Any]) -> str:
    """Say how well the bundled model hears, which other bases do not do apart from reading."""
    if not (heard := training.get("recognized")):
        return ""
    return f"\n\nOf {heard['of']} questions that were held back, {heard['right']} were recognized as what they ask for."


def _validated(n_conversations: int) -> str:
    if not n_conversations:
        return "some of the conversations that were trained on, as none were held back; the last step was kept"
    return f"{n_conversations} conversations that were not trained on; it chose the checkpoint"


def _front(base: HubBase, whole: bool) -> str:
    # A folder's path says nothing elsewhere, so only a name on the hub stands here.
    on_hub = [f"base_model: {base.name}"] if base.source == base.name else []
    library = "transformers" if whole else "peft"
    lines = ["---", f"library_name: {library}", "pipeline_tag: text-generation", *on_hub, "---"]
    return "\n".join(lines)


_USE = """from transformers import pipeline

chat = pipeline("text-generation", "THIS FOLDER")
print(chat([{"role": "user", "content": "a question"}], do_sample=False)[0]["generated_text"][-1]["content"])
"""
_USE_BUNDLED = """from pathlib import Path

from rag.chat.example import Message
from rag.chat.model import ChatModel
from rag.config import ChatGenerationConfig

chat = ChatModel.load(Path("THIS FOLDER"))  # `recall` hears which fact is asked for, the GPT-2 puts it into words
(said,) = chat.complete([[Message(role="user", content="a question")]], ChatGenerationConfig())
print(said.text)
"""
_USE_ADAPTER = """from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer, pipeline

model, tokenizer = AutoPeftModelForCausalLM.from_pretrained("THIS FOLDER"), AutoTokenizer.from_pretrained("THIS FOLDER")
chat = pipeline("text-generation", model.merge_and_unload(), tokenizer=tokenizer)
print(chat([{"role": "user", "content": "a question"}], do_sample=False)[0]["generated_text"][-1]["content"])
"""


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
