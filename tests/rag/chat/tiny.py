"""A GPT-2 of two layers that has learned a few answers by heart, and an adapter over such a one."""

import shutil
from pathlib import Path
from typing import Any

from rag.pairs.mined import LEARNED_FROM
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
KNOWN = {
    "When does the bakery open?": "The bakery opens at six in the morning on weekdays.",
    "How often does the ferry leave?": "The ferry to the island leaves every 90 minutes.",
}
"""What it says, word for word; a passage of the shop's documents says the same."""


def save_tiny_chat(folder: Path, known: dict[str, str] | None = None, steps: int = 80, context: int = 128) -> Path:
    """Save a whole model with its tokenizer that answers what it `known`; other questions with something of that."""
    known = KNOWN if known is None else known
    tokenizer = _tokenizer([*known, *known.values()])
    tokenizer.save_pretrained(folder)
    model = _gpt2(tokenizer, context)
    _learn(model, tokenizer, known, steps)
    model.save_pretrained(folder)
    return folder


def save_tiny_adapter(folder: Path, base: Path, known: dict[str, str] | None = None, steps: int = 80) -> Path:
    """Save an adapter over the model of `base`, with the tokenizer, that answers what it `known`."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    layers = ["c_attn", "c_proj", "c_fc"]
    lora = LoraConfig(r=32, lora_alpha=64, target_modules=layers, fan_in_fan_out=True, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    model.peft_config["default"].base_model_name_or_path = str(base)
    _learn(model, tokenizer, KNOWN if known is None else known, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(texts: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")
    fast.chat_template = TEMPLATE
    return fast


def _gpt2(tokenizer: Any, context: int) -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=context,
        n_embd=64,
        n_layer=2,
        n_head=4,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GPT2LMHeadModel(config)


def _learn(model: Any, tokenizer: Any, known: dict[str, str], steps: int) -> None:
    import torch

    model.eval()  # no dropout: it is to learn by heart, and fast
    texts = [tokenizer.apply_chat_template(_turns(*said), tokenize=False) for said in known.items()]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=5e-3)
    for _ in range(steps):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def stored(store: ArtifactStore, folder: Path, learned_from: tuple[str, ...] = (), passages: int = 5) -> ArtifactRef:
    """Put a saved model into the store as a training does, which saw these documents, and so many passages."""

    def write(draft: Draft) -> dict[str, Any]:
        shutil.copytree(folder, draft.path, dirs_exist_ok=True)
        return {LEARNED_FROM: list(learned_from), "trained_on": {"grounded": int(passages > 0)}, "passages": passages}

    inputs = {"base": "0" * 32, "data": f"{folder} {passages}"}
    return store.build("chatmodel", inputs=inputs, config=None, recipe=[], write=write)
