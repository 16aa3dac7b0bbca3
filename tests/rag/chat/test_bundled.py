import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rag.chat.bundled import bundled_config, bundled_model, bundled_tokenizer
from tests.rag.chat.opening_hours import CONFIG, TRAIN

TEXTS = [message.content for each in TRAIN for message in each.messages]
IN_ANOTHER_PROCESS = """
import rag, hashlib
from rag.chat.bundled import bundled_tokenizer
from tests.rag.chat.test_bundled import TEXTS
print(hashlib.sha256(bundled_tokenizer(TEXTS, 350).backend_tokenizer.to_str().encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def tokenizer():
    return bundled_tokenizer(TEXTS, 350)


def test_the_same_texts_give_the_same_tokenizer_in_every_process(tokenizer):
    """A resumed run trains it again, and its checkpoint holds the weights for the first one's tokens."""
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    said = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True).stdout
    assert said.strip() == hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def test_no_text_is_beyond_it(tokenizer):
    assert len(tokenizer) == 350 + 1, "the words, and the token of no fact"
    text = " Größe: 5 µm → 日本語 \n\t{code}"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_word_is_one_token_wherever_it_stands_and_what_stands_once_is_none(tokenizer):
    turns = [{"role": "user", "content": "bakery"}, {"role": "assistant", "content": "the bakery"}]
    ids = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == [
        *("<|user|>", "Ġbakery", "<|end|>"),
        *("<|assistant|>", "Ġthe", "Ġbakery", "<|end|>"),
    ]
    rare = bundled_tokenizer([*TEXTS, "Zebulon"], 4000)
    assert len(rare(" Zebulon")["input_ids"]) > 2


def test_the_model_is_as_configured_and_decided_by_its_seed(tokenizer):
    model = bundled_model(bundled_config(tokenizer, CONFIG), seed=1)
    assert (model.config.n_layer, model.config.n_embd, model.config.n_head) == (2, 32, 4)
    assert model.config.n_positions == 512
    assert bundled_config(tokenizer, CONFIG.model_copy(update={"max_length": 300})).n_positions == 600
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    again, other = (bundled_model(model.config, seed).transformer.wte.weight for seed in (1, 2))
    assert torch.equal(again, model.transformer.wte.weight)
    assert not torch.equal(other, again)
