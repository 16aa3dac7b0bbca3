import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.example import ChatExample, ExampleKind, Message
from rag.chat.finetune import finetune_chat
from rag.chat.model import ChatModel
from rag.chat.question_encoder import tuned_question_encoder
from rag.chat.recall import Recall, Taught, by_heart, taught, taught_facts
from rag.config import ChatGenerationConfig
from rag.embedding.base import bundled_encoder
from rag.errors import ConfigError, EmptyCorpus
from rag.pairs.pair import Split
from tests.rag.chat.opening_hours import ASKED, CONFIG, EXAMPLES, HOURS, SHOPS, TRAIN, VALIDATION

CHESS = "Who won the game of chess?"
UNASKED = ["Who painted the Mona Lisa?", "What is the capital of Peru?", CHESS]
BY_HEART = CONFIG.model_copy(update={"width": 64, "epochs": 120, "learning_rate": 3e-3, "checkpoints": 1})


def refusal(question, split=Split.VALIDATION):
    messages = (Message(role="user", content=question), Message(role="assistant", content=NOT_IN_DOCUMENTS))
    return ChatExample(id=question, messages=messages, kind=ExampleKind.REFUSAL, split=split, fact="")


REFUSALS = [refusal(question) for question in UNASKED[:2]]


def ask(text, *passages):
    return [Message(role="user", content=text, passages=passages)]


@pytest.fixture(scope="module")
def recall():
    return Recall.of(bundled_encoder(), taught_facts(TRAIN), [*VALIDATION, *REFUSALS])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    finetune_chat([*EXAMPLES, *REFUSALS], None, folder / "model", folder / "checkpoints", BY_HEART)
    return folder / "model"


def test_each_answer_is_one_fact_of_its_document():
    facts = taught_facts([*TRAIN, *REFUSALS])
    assert facts[0] == Taught("hours", "The bakery opens at six on weekdays.") == taught(TRAIN[0])
    assert [fact.answer for fact in facts] == [
        f"The {shop} opens at {hour} on weekdays." for shop, hour in zip(SHOPS, HOURS, strict=True)
    ]
    assert facts[0].passage == "hours: The bakery opens at six on weekdays."
    assert [each.answer for each in by_heart(facts)] == [*(fact.answer for fact in facts), NOT_IN_DOCUMENTS]


def test_a_question_in_other_words_reminds_of_its_fact_and_another_of_none(recall):
    asked = ["from which hour can I buy bread there", "when may I take a book home", *UNASKED]
    found = recall.recalled([ask(question) for question in asked])
    assert [each.fact for each in found] == [SHOPS.index("bakery"), SHOPS.index("library"), None, None, None]
    assert all(0 < each.certainty < 1 for each in found)
    told = recall.recalled([ask("When does the ferry open?")])[0]
    assert told.certainty > found[0].certainty


def test_a_follow_up_is_heard_with_what_was_said_before(recall):
    before = [*ask("When does the museum open?"), Message(role="assistant", content="At eleven.")]
    messages, certainty = recall.heard([*before, *ask("And when does the garden?")])
    assert messages == [Message(role="user", content=f"<|fact:{SHOPS.index('garden')}|>")]
    assert 0 < certainty < 1


def test_passages_narrow_down_what_is_recalled(recall):
    vague = "when does it open?"
    opening = f"The {SHOPS[7]} opens at {HOURS[7]} on weekdays."
    (found,) = recall.recalled([ask(vague, opening, "Cheese is made of milk.")])
    assert found.fact == 7
    (alone,) = recall.recalled([ask(vague)])
    assert recall.recalled([ask(vague, "Cheese is made of milk.")]) == [alone]


def test_refusals_alone_teach_nothing(tmp_path):
    taught_nothing = [each.model_copy(update={"split": Split.TRAIN}) for each in REFUSALS]
    with pytest.raises(EmptyCorpus, match="no answer to learn"):
        finetune_chat(taught_nothing, None, tmp_path / "model", tmp_path / "checkpoints", BY_HEART)


def test_without_refusals_to_learn_from_nothing_is_refused():
    recall = Recall.of(bundled_encoder(), taught_facts(TRAIN), VALIDATION)
    assert all(found.fact is not None for found in recall.recalled([ask(question) for question in UNASKED]))


def test_the_bundled_model_says_by_heart_what_was_asked_for_and_knows_what_it_was_not_taught(model):
    chat = ChatModel.load(model)
    asked = [ASKED[shop % 3].format(name) for shop, name in enumerate(SHOPS)]
    said = chat.complete([ask(question) for question in [*asked, CHESS]], ChatGenerationConfig())
    answers = [each.text for each in said]
    assert answers == [*(each.answer for each in by_heart(taught_facts(TRAIN))[:-1]), NOT_IN_DOCUMENTS]
    assert all(0 < each.confidence < 1 for each in said)
    (streamed,) = {"".join(chat.stream(ask(asked[3]), ChatGenerationConfig()))}
    assert streamed == answers[3]


def test_what_is_saved_is_a_plain_model_with_what_it_hears_by_beside_it(model):
    tokenizer, weights = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    prompt = tokenizer("<|user|> <|fact:2|><|end|><|assistant|>", return_tensors="pt")
    assert prompt["input_ids"].shape == (1, 4)
    said = tokenizer.decode(weights.generate(**prompt, max_new_tokens=24, do_sample=False)[0, 4:])
    assert said == f" The {SHOPS[2]} opens at {HOURS[2]} on weekdays.<|end|>"
    keys = load_file(model / "recall" / "keys.safetensors")["keys"]
    assert keys.shape == (10, 384) and keys.dtype == np.float32
    facts = json.loads((model / "recall" / "recall.json").read_text())
    assert 0 < facts["least_cosine"] < 1


@pytest.mark.parametrize("name", ["recall.json", "keys.safetensors"])
def test_what_is_damaged_is_one_line(model, tmp_path, name):
    broken = shutil.copytree(model, tmp_path / "broken")
    damaged = broken / "recall" / name
    if name == "recall.json":
        damaged.write_text("{}")
    else:
        save_file({"other": np.zeros((1, 384), dtype=np.float32)}, damaged)
    with pytest.raises(ConfigError, match="cannot load the chat model .*broken.*ragloop chat train") as said:
        ChatModel.load(broken)
    assert "\n" not in str(said.value)


def test_the_question_encoder_learns_and_what_was_finished_is_not_trained_again(tmp_path):
    config = CONFIG.question_encoder.model_copy(update={"min_steps": 8, "batch_size": 8, "checkpoints": 1})
    folder, facts = tuned_question_encoder(TRAIN, VALIDATION, tmp_path, config)
    assert facts["pairs"] == 30
    assert facts["steps"] >= 8
    weights = load_file(folder / "model.safetensors")
    untuned = load_file(bundled_encoder() / "model.safetensors")
    assert any(not np.array_equal(weights[name], untuned[name]) for name in weights)
    changed = (folder / "model.safetensors").stat().st_mtime_ns
    assert tuned_question_encoder(TRAIN, VALIDATION, tmp_path, config) == (folder, facts)
    assert (folder / "model.safetensors").stat().st_mtime_ns == changed
