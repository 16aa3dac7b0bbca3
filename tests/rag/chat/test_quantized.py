import json
import shutil

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rag.chat.finetune import finetune_chat
from rag.chat.packing import collate, packed
from rag.chat.pretrained import pretrained_model, pretrained_tokenizer
from rag.chat.quantized import load_quantized
from rag.chat.tokens import encode_examples
from rag.config import ChatMethod
from tests.rag.chat.opening_hours import EXAMPLES, TRAIN, adapted
from tests.rag.chat.tiny_bases import FAMILIES, save_base

EVALUATED_EACH_STEP = adapted(ChatMethod.QLORA, checkpoints=20, epochs=3)


def train(folder, base, config=EVALUATED_EACH_STEP):
    facts = finetune_chat(EXAMPLES, str(base), folder / "model", folder / "checkpoints", config)
    last = max((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    return facts, json.loads((last / "trainer_state.json").read_text())["log_history"]


@pytest.fixture(scope="module", params=FAMILIES)
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    base = save_base(folder / "base", request.param)
    return base, folder, *train(folder, base)


def test_every_step_has_a_gradient_behind_an_evaluation_too(trained):
    _, _, facts, log = trained
    norms = {row["step"]: row["grad_norm"] for row in log if "grad_norm" in row}
    evaluated = [row["step"] for row in log if "eval_loss" in row]
    assert list(norms) == evaluated == list(range(1, facts["steps"] + 1))
    assert min(norms.values()) > 1e-3
    assert facts["validation"][-1]["loss"] < facts["validation"][0]["loss"]


def test_an_evaluation_changes_no_gradient(trained):
    """A CPU with AVX512-BF16 repacks 4-bit weights in an evaluation, and gradients go no further than those."""
    base, *_ = trained
    tokenizer = pretrained_tokenizer(str(base))
    config = adapted(ChatMethod.QLORA, lora_dropout=0.0)
    model = pretrained_model(str(base), str(base), tokenizer, config)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    (encoded, *_), _ = encode_examples(TRAIN, tokenizer, 64)
    batch = collate(packed([encoded], 64, seed=1))

    def gradients():
        model.train().zero_grad()
        model(**batch).loss.backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}

    before = gradients()
    with torch.no_grad():
        model.eval()(**batch)
    after = gradients()
    assert sum(bool(gradient.abs().sum() > 0) for gradient in after.values()) >= len(after) / 2
    for name, gradient in before.items():
        torch.testing.assert_close(after[name], gradient, msg=name)


def test_linear_layers_are_in_4_bit_and_adapters_alone_are_trained(trained):
    base, folder, facts, _ = trained
    assert facts["parameters"]["trained"] < facts["parameters"]["all"] / 3
    weights = load_file(folder / "model" / "adapter_model.safetensors")
    assert sum(weight.numel() for weight in weights.values()) == facts["parameters"]["trained"]
    assert not list((folder / "model").glob("model*.safetensors"))
    kinds = [type(module).__name__ for module in load_quantized(str(base)).modules()]
    assert kinds.count("Linear4bit") >= 8
    assert not set(kinds) & {"Conv1D"}


def test_the_adapter_folder_merges_into_the_base_in_full_precision_and_answers(trained):
    base, folder, _, _ = trained
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    untuned = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged = PeftModel.from_pretrained(whole, folder / "model").merge_and_unload()
    turns = [message.model_dump() for message in TRAIN[0].messages]
    prompt = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    full = tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), return_tensors="pt")["input_ids"]
    n_prompt = prompt["input_ids"].shape[1]

    def loss(model):
        labels = full.clone()
        labels[:, :n_prompt] = -100
        return float(model(input_ids=full, labels=labels).loss.detach())

    assert loss(merged) < loss(untuned) - 0.1
    said = merged.generate(**prompt, max_new_tokens=8, do_sample=False)
    assert said.shape[1] > n_prompt
    named = AutoPeftModelForCausalLM.from_pretrained(folder / "model")
    assert loss(named) == pytest.approx(loss(merged), abs=1e-3)


def test_a_qlora_training_goes_on_from_its_checkpoint_to_the_same_adapters(trained, tmp_path):
    base, folder, facts, _ = trained
    config = EVALUATED_EACH_STEP.model_copy(update={"checkpoints": 2})
    facts, _ = train(tmp_path / "whole", base, config)
    earlier = facts["steps"] // 2
    checkpoint = f"checkpoints/checkpoint-{earlier}"
    shutil.copytree(tmp_path / "whole" / checkpoint, tmp_path / "resumed" / checkpoint)
    resumed, _ = train(tmp_path / "resumed", base, config)
    assert resumed["resumed_from_step"] == earlier
    assert resumed["validation"] == facts["validation"]
    ours, theirs = (load_file(tmp_path / run / "model" / "adapter_model.safetensors") for run in ("resumed", "whole"))
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-5, err_msg=name)


def test_a_qlora_training_runs_with_gradient_checkpointing(trained, tmp_path):
    base, *_ = trained
    config = EVALUATED_EACH_STEP.model_copy(update={"gradient_checkpointing": True, "lora_dropout": 0.0})
    plain = config.model_copy(update={"gradient_checkpointing": False})
    (ours, log), (theirs, _) = train(tmp_path / "less", base, config), train(tmp_path / "more", base, plain)
    assert [row["loss"] for row in ours["validation"]] == pytest.approx(
        [row["loss"] for row in theirs["validation"]], abs=5e-3
    )
    assert min(row["grad_norm"] for row in log if "grad_norm" in row) > 1e-3
