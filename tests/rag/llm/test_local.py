"""The local provider, with a tiny model of random weights that is made here."""

import os
import subprocess
import sys

import pytest

from rag.config import LanguageModelConfig
from rag.errors import ConfigError
from rag.llm.language_model import Ask, LanguageModel, Unanswered
from rag.llm.local import LocalProvider
from rag.llm.protocol import Completion, Message, TooLarge, Transient
from tests.rag.llm.conftest import prompt, streamed
from tests.rag.llm.tiny_model import save_tiny_chat_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_chat_model(tmp_path_factory.mktemp("tiny-qwen2"), max_tokens=256)


@pytest.fixture
def provider(folder):
    return LocalProvider(str(folder), at_once=4)


def completions(provider, *prompts):
    return dict(provider.complete(prompts))


def test_it_answers_a_batch_and_counts_each_prompt_for_itself(provider):
    short, long = prompt("one", max_tokens=5), prompt("two " * 10, max_tokens=12)
    got = completions(provider, short, long)
    assert all(isinstance(got[place], Completion) for place in (0, 1))
    assert got[0].tokens_in < got[1].tokens_in
    assert got[0].tokens_out <= 5 and got[1].tokens_out <= 12
    assert got[0].truncated == (got[0].tokens_out == 5)


def test_without_temperature_a_prompt_is_answered_alike_alone_and_in_a_batch(provider):
    cold = prompt("one", max_tokens=8).model_copy(update={"temperature": 0.0})
    other = cold.model_copy(update={"messages": prompt("another thing " * 4).messages})
    assert completions(provider, cold)[0].text == completions(provider, cold, other)[0].text


def test_it_streams_what_it_says(provider):
    pieces, completion = streamed(provider.stream(prompt("one", max_tokens=6)))
    assert "".join(pieces) == completion.text
    assert completion.tokens_in > 0 and 0 < completion.tokens_out <= 6


def test_a_stream_that_nobody_reads_on_ends_and_lets_the_next_begin(folder):
    provider = LocalProvider(str(folder), at_once=1, turn_s=0.05)
    stream = provider.stream(prompt("one", max_tokens=200))
    next(stream)
    with pytest.raises(Transient, match="busy with another answer"):
        next(provider.stream(prompt("two", max_tokens=4)))
    stream.close()
    assert streamed(provider.stream(prompt("two", max_tokens=4)))[1].tokens_out > 0


@pytest.fixture(scope="module")
def continuing(tmp_path_factory):
    """A model without a chat template that has learned one conversation by heart, and goes on with it for ever."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_tiny_chat_model(tmp_path_factory.mktemp("plain"), max_tokens=256)
    (folder / "chat_template.jinja").unlink()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    text = "Be kind.\nInstruct: When?\nOutput: At six.\nInstruct: And then? Output: At seven.\nInstruct: And"
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_a_model_without_a_chat_template_ends_where_it_would_ask_itself(continuing):
    turns = (Message("system", "Be kind."), Message("user", "When?"))
    asked = prompt("", max_tokens=40).model_copy(update={"messages": turns, "temperature": 0.0})
    pieces, completion = streamed(LocalProvider(str(continuing), at_once=1).stream(asked))
    assert completion.text.strip() == "".join(pieces).strip() == "At six."
    assert not completion.truncated


def test_a_token_of_the_template_in_a_prompt_is_text(provider):
    feigned, broken = prompt("one<|im_end|><pad>"), prompt("one< |im_end|>< pad>")
    assert provider.count_tokens(feigned) == provider.count_tokens(broken)


def test_a_prompt_beyond_the_models_length_is_too_large_beside_one_that_fits(provider):
    got = completions(provider, prompt("word " * 200, max_tokens=50), prompt("one", max_tokens=4))
    assert isinstance(got[0], TooLarge) and "256 tokens" in str(got[0])
    assert isinstance(got[1], Completion)


def test_the_same_folder_is_the_same_model_and_another_is_not(folder, tmp_path):
    import shutil

    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert LocalProvider(str(copy), 1).model == LocalProvider(str(folder), 1).model
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert LocalProvider(str(copy), 1).model != LocalProvider(str(folder), 1).model


def test_gibberish_is_refused_metered_and_given_up(provider, ledger):
    model = LanguageModel(provider, ledger, LanguageModelConfig(attempts=2, backoff_s=0, requests_per_minute=None))

    def refuse(text):
        raise ValueError("not JSON")

    answers = model.ask_all([Ask(prompt(f"number {i}", max_tokens=6), refuse) for i in range(3)], "asking")
    assert all(isinstance(answer, Unanswered) for answer in answers)
    assert (model.bill.given_up, model.bill.requests, model.bill.retries) == (3, 6, 3)
    assert model.bill.tokens_in > 0 and model.bill.tokens_out > 0
    assert model.cost_usd == 0.0


def test_a_folder_without_a_model_is_one_clear_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot load the language model.*synthesis.llm.model") as said:
        completions(LocalProvider(str(tmp_path), 1), prompt("one"))
    assert "\n" not in str(said.value)


def test_a_hub_that_hangs_up_is_one_clear_line(hub_that_hangs_up):
    remedy = "check the network, give a folder .* in synthesis.llm.model, or set synthesis.writer"
    with pytest.raises(ConfigError, match=f"cannot fetch the language model mine/parrot .*{remedy}") as said:
        LocalProvider("mine/parrot", 1).find()
    assert "\n" not in str(said.value)


def test_a_hub_that_is_out_of_reach_is_one_clear_line(tmp_path):
    code = (
        "from rag.llm.local import LocalProvider; from rag.llm.protocol import *; from rag.errors import ConfigError\n"
        "try: dict(LocalProvider(None, 1).complete([Prompt(messages=(), max_tokens=1, temperature=0)]))\n"
        "except ConfigError as error: print(error)"
    )
    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **away}, capture_output=True, text=True)
    assert done.stdout.startswith("cannot fetch the language model Qwen/Qwen2.5-1.5B-Instruct")
    assert "check the network" in done.stdout and done.stdout.count("\n") == 1
