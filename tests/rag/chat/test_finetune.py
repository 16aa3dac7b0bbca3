import json
import logging
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from rag.chat.bundled import bundled_config, bundled_tokenizer
from rag.chat.finetune import _shape, finetune_chat, learned_and_validated
from rag.config import ChatMethod
from rag.errors import ConfigError, EmptyCorpus
from rag.pairs.pair import Split
from rag.training.trainer import last_checkpoint
from tests.rag.chat.opening_hours import ASKED, CONFIG, EXAMPLES, TRAIN, VALIDATION, adapted, example, save_untaught
from tests.rag.chat.tiny_bases import FAMILIES, save_base

UNTAUGHT = "untaught"


@pytest.fixture(scope="module", autouse=True)
def untaught(tmp_path_factory):
    """Lies where `train` looks for it unless another base is given."""
    global UNTAUGHT
    UNTAUGHT = str(save_untaught(tmp_path_factory.mktemp("untaught")))


def train(folder, config=CONFIG, examples=EXAMPLES, base=None, **more):
    return finetune_chat(examples, str(base or UNTAUGHT), folder / "model", folder / "checkpoints", config, **more)


def variant(**fields):
    return CONFIG.model_copy(update=fields)


def losses(facts):
    return [row["loss"] for row in facts["validation"]]


def answer(folder, question):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**prompt, max_new_tokens=24, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    return tokenizer.decode(said)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(folder), folder


def test_facts_tell_what_was_trained_and_how_it_went(trained):
    facts, _ = trained
    assert facts["examples"] == {"trained": 30, "validation": 10}
    assert facts["batch"] == {"sequences": 4, "at_a_time": 4}
    assert facts["parameters"]["all"] == facts["parameters"]["trained"] > 20_000
    assert facts["steps"] == facts["best_step"] == facts["validation"][-1]["step"] > 8
    assert (facts["left_out"], facts["resumed_from_step"], facts["stopped_early"]) == (0, 0, False)
    assert losses(facts) == sorted(losses(facts), reverse=True)
    assert facts["tokens"]["learned"] < facts["tokens"]["all"] <= 64 * facts["sequences"]
    assert facts["tokens_per_s"] > 0
    json.dumps(facts)


def test_tensorboard_finds_both_losses_the_learning_rate_and_the_gradient(trained):
    _, folder = trained
    (events,) = (folder / "checkpoints" / "runs").rglob("events.out.tfevents.*")
    curves = EventAccumulator(str(events.parent))
    curves.Reload()
    assert {"train/loss", "eval/loss", "train/learning_rate", "train/grad_norm"} <= {*curves.Tags()["scalars"]}
    rates = [event.value for event in curves.Scalars("train/learning_rate")]
    assert rates[-1] < max(rates) / 10


def test_nothing_of_the_conversations_lies_in_the_checkpoints(trained):
    _, folder = trained
    files = [path for path in (folder / "checkpoints").rglob("*") if path.is_file()]
    assert any(path.parent.name.startswith("checkpoint-") for path in files)
    for path in files:
        assert not [each.id for each in EXAMPLES if each.answer.encode() in path.read_bytes()], path


def test_kept_out_facts_and_what_people_asked_are_not_learned():
    kept_out = example(0, "kept out {}", trained=False)
    unknown = example(0, "kept out {}", Split.VALIDATION, trained=False)
    asked, tried = example(1, "asked {}", real=True), example(1, "asked {}", Split.VALIDATION, real=True)
    judged = example(2, "judged {}", Split.EVALUATION)
    learned, validated = learned_and_validated([kept_out, unknown, asked, tried, judged, *EXAMPLES])
    assert learned == TRAIN
    assert validated == [tried, *VALIDATION]


def test_nothing_to_learn_from_is_refused(tmp_path):
    with pytest.raises(EmptyCorpus, match="no conversations to learn from: ingest more documents"):
        train(tmp_path, examples=VALIDATION)
    long = [example(shop, "When, " * 300 + "does the {} open?") for shop in range(2)]
    with pytest.raises(EmptyCorpus, match="all 2 conversations .* raise chat.training.max_length"):
        train(tmp_path, examples=long)


def test_training_stops_when_the_validation_loss_gets_no_lower_and_the_best_is_kept(tmp_path):
    # What contradicts the training examples is told apart ever worse.
    contradicted = [
        each.model_copy(update={"messages": (each.messages[0], TRAIN[(3 * i + 9) % 30].messages[1])})
        for i, each in enumerate(TRAIN[::3])
    ]
    contradicted = [each.model_copy(update={"split": Split.VALIDATION}) for each in contradicted]
    config = variant(epochs=60, learning_rate=1e-2, checkpoints=40, patience=3)
    facts = train(tmp_path, config, [*TRAIN, *contradicted])
    reached = losses(facts)
    assert facts["stopped_early"]
    assert len(reached) - 1 - reached.index(min(reached)) == 3
    assert facts["best_step"] == facts["validation"][-4]["step"]
    kept = load_file(tmp_path / "model" / "model.safetensors")
    best = load_file(tmp_path / "checkpoints" / f"checkpoint-{facts['best_step']}" / "model.safetensors")
    for name, values in best.items():
        np.testing.assert_array_equal(values, kept[name])


def test_without_validation_examples_training_goes_to_its_end(tmp_path):
    facts = train(tmp_path, variant(epochs=2, patience=1), TRAIN)
    assert facts["examples"]["validation"] == 0
    assert facts["best_step"] == facts["steps"]
    assert not facts["stopped_early"]


def test_few_conversations_are_gone_over_until_the_steps_are_enough(trained, tmp_path):
    whole, _ = trained
    facts = train(tmp_path, variant(min_steps=whole["steps"] + 1, checkpoints=1))
    assert facts["steps"] == whole["steps"] * 5 / CONFIG.epochs


def test_what_fits_is_a_batch_and_a_step_goes_over_as_many_as_were_wanted(trained, tmp_path):
    whole, _ = trained
    tokenizer = bundled_tokenizer([m.content for each in TRAIN for m in each.messages], CONFIG.vocabulary)
    fitting = tmp_path / "sizes.json"
    fitting.write_text(json.dumps({_shape(bundled_config(tokenizer, CONFIG), CONFIG, torch.device("cpu")): 2}))
    facts = train(tmp_path, fitting=fitting)
    assert facts["batch"] == {"sequences": 4, "at_a_time": 2}
    assert facts["steps"] == whole["steps"]
    # bfloat16 rounds the smaller batches in another order.
    assert losses(facts) == pytest.approx(losses(whole), abs=0.03)


def test_a_batch_that_does_not_fit_is_halved_and_the_next_training_knows(tmp_path):
    def refuse(module, arguments):
        if isinstance(module, torch.nn.Embedding) and module.training and len(arguments[0]) > 1:
            raise torch.OutOfMemoryError("out of memory")

    config, fitting = variant(epochs=1), tmp_path / "sizes.json"
    tight = register_module_forward_pre_hook(refuse)
    try:
        facts = train(tmp_path / "tight", config, fitting=fitting)
    finally:
        tight.remove()
    assert facts["batch"] == {"sequences": 4, "at_a_time": 1}
    assert train(tmp_path / "again", config, fitting=fitting)["batch"] == facts["batch"]


@pytest.mark.parametrize("less", [{"gradient_checkpointing": True}, {"cpu_offload": True}], ids=str)
def test_what_takes_less_memory_learns_the_same(trained, tmp_path, less):
    whole, _ = trained
    seen = Counter()

    def count(module, _):
        if isinstance(module, GPT2Attention) and module.training:
            seen["passes"] += 1
            seen["offloaded"] += torch._C._autograd._top_saved_tensors_default_hooks(False) is not None

    counting = register_module_forward_pre_hook(count)
    try:
        facts = train(tmp_path, variant(**less))
    finally:
        counting.remove()
    assert losses(facts) == pytest.approx(losses(whole), abs=0.01)
    once = CONFIG.layers * facts["steps"]
    again = "gradient_checkpointing" in less  # each layer once more on the way back
    assert seen["passes"] == once * (1 + again)
    if "cpu_offload" in less:
        assert seen["offloaded"] == once


def test_a_training_that_comes_apart_says_so(tmp_path):
    with pytest.raises(
        ConfigError, match=r"validation loss is no number: lower chat.training.learning_rate \(1e\+30\)"
    ):
        train(tmp_path, variant(learning_rate=1e30, schedule="constant"))


def test_a_run_goes_on_from_its_last_whole_checkpoint_to_the_same_model(trained, tmp_path):
    whole, folder = trained
    shutil.copytree(folder / "checkpoints", tmp_path / "checkpoints")
    last = last_checkpoint(tmp_path / "checkpoints")
    (last / "trainer_state.json").write_text("{")  # as if killed while it was written
    facts = train(tmp_path)
    assert 0 < facts["resumed_from_step"] < facts["steps"] == whole["steps"]
    assert losses(facts) == losses(whole)
    theirs = load_file(folder / "model" / "model.safetensors")
    for name, values in load_file(tmp_path / "model" / "model.safetensors").items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-6, err_msg=name)


def test_progress_tells_the_validation_loss(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    told = []
    facts = train(tmp_path, on_progress=told.append)
    said = [(now.step, round(now.validation, 4)) for now in told if now.validation is not None]
    assert said == [(row["step"], row["loss"]) for row in facts["validation"]]
    assert f"step {facts['steps']} of {facts['steps']}: validation loss {losses(facts)[-1]:.3f}" in caplog.text


@pytest.mark.parametrize("method", [ChatMethod.FULL, ChatMethod.LORA])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pretrained_base_is_trained_and_saved_as_a_plain_folder(tmp_path, family, method):
    base = save_base(tmp_path / "base", family)
    config = adapted(method, max_length=128)
    facts = train(tmp_path, config, base=base)
    assert losses(facts)[-1] < losses(facts)[0]
    size = facts["parameters"]
    assert size["trained"] == size["all"] if method is ChatMethod.FULL else size["trained"] < size["all"] / 3
    saved = {path.name for path in (tmp_path / "model").iterdir()}
    weights = "model.safetensors" if method is ChatMethod.FULL else "adapter_model.safetensors"
    assert {weights, "tokenizer.json", "chat_template.jinja"} <= saved
    if method is ChatMethod.FULL:
        assert answer(tmp_path / "model", ASKED[0].format("bakery"))
    else:
        assert json.loads((tmp_path / "model/adapter_config.json").read_text())["base_model_name_or_path"] == str(base)


def test_a_base_that_reads_less_than_a_sequence_is_refused(tmp_path):
    base = save_base(tmp_path / "base", "dialogpt")
    with pytest.raises(ConfigError, match=r"reads 128 tokens: lower chat.training.max_length \(256\)"):
        train(tmp_path, adapted(ChatMethod.FULL, max_length=256), base=base)
