import logging
import shutil
from pathlib import Path

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
from tests.rag.chat.opening_hours import ASKED, CONFIG, EXAMPLES, HOURS, SHOPS, TRAIN, VALIDATION, example

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


def test_of_facts_that_mean_alike_the_one_with_the_questions_words_is_recalled():
    facts = [
        Taught("doors", f"Press it for {n} seconds.", f"The knob {code} opens.") for n, code in ((4, "RV"), (9, "QX"))
    ]
    recall = Recall.of(bundled_encoder(), facts, [])
    found = recall.recalled([ask(f"how do I open it by knob {code}?") for code in ("QX", "RV")])
    assert [each.fact for each in found] == [1, 0]
    assert recall.recalled([]) == []


def test_a_follow_up_is_heard_with_what_was_said_before(recall):
    before = [*ask("When does the museum open?"), Message(role="assistant", content="At eleven.")]
    ((messages, certainty),) = recall.heard([[*before, *ask("And when does the garden?")]])
    assert messages == [Message(role="user", content=f"<|fact:{SHOPS.index('garden')}|>")]
    assert 0 < certainty < 1


def test_passages_narrow_down_what_is_recalled(recall):
    vague = "when does it open?"
    opening = f"The {SHOPS[7]} opens at {HOURS[7]} on weekdays."
    (found,) = recall.recalled([ask(vague, opening, "Cheese is made of milk.")])
    assert found.fact == 7
    (alone,) = recall.recalled([ask(vague)])
    assert recall.recalled([ask(vague, "Cheese is made of milk.")]) == [alone]


def test_a_refusal_beside_passages_is_no_fact():
    refused = REFUSALS[0].model_copy(update={"split": Split.TRAIN, "kind": ExampleKind.GROUNDED})
    assert taught_facts([refused, *TRAIN]) == taught_facts(TRAIN)


def test_facts_that_say_the_same_are_as_certain_as_one():
    facts = [Taught(title, "The lamp burns for four hours.") for title in ("birk", "rowan")]
    facts.append(Taught("hearth", "The ash is taken out on Mondays."))
    (both,) = Recall.of(bundled_encoder(), facts, []).recalled([ask("how long does the lamp burn?")])
    (one,) = Recall.of(bundled_encoder(), facts[1:], []).recalled([ask("how long does the lamp burn?")])
    assert both.certainty >= one.certainty > 0.9


def test_answers_that_are_too_long_to_be_said_are_not_recalled(tmp_path, caplog):
    caplog.set_level(logging.WARNING, logger="rag")
    words = " ".join(f"word{n}" for n in range(60))
    long = example(0, "What does the charter of the {} say?")
    long = long.model_copy(update={"messages": (long.messages[0], Message(role="assistant", content=words))})
    facts = finetune_chat([long, *TRAIN], None, tmp_path / "model", tmp_path / "checkpoints", CONFIG)
    assert (facts["facts_left_out"], facts["examples"]["trained"]) == (1, 11)
    assert "1 of 11 answers are longer than chat.training.max_length (64 tokens): they are not learned" in caplog.text
    assert load_file(tmp_path / "model" / "recall" / "facts.safetensors")["keys"].shape == (10, 384)
    with pytest.raises(EmptyCorpus, match="all 1 answers are longer .*64 tokens.*raise it"):
        finetune_chat([long], None, tmp_path / "none", tmp_path / "more", CONFIG)


def test_the_checkpoint_is_chosen_by_what_was_recognized(tmp_path):
    wrong = example(1, "When does the {} open?", Split.VALIDATION)
    wrong = wrong.model_copy(update={"messages": (wrong.messages[0], Message(role="assistant", content="Never."))})
    facts = finetune_chat([*EXAMPLES, wrong], None, tmp_path / "model", tmp_path / "checkpoints", CONFIG)
    assert facts["recognized"] == {"right": 10, "of": 11}
    assert facts["examples"]["validation"] == 10


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
    facts = load_file(model / "recall" / "facts.safetensors")
    assert facts["keys"].shape == (10, 384) and facts["keys"].dtype == np.float32
    assert 0 < facts["least_cosine"][0] < 1


def cut(file):
    file.write_bytes(file.read_bytes()[:-30])


def overwrite(file):
    data = file.read_bytes()
    file.write_bytes(data[:60] + b"x" * (len(data) // 2) + data[60 + len(data) // 2 :])


def name_otherwise(file):
    save_file({"other": np.zeros((1, 384), dtype=np.float32)}, file)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("facts.safetensors", cut),
        ("facts.safetensors", name_otherwise),
        ("words.npz", cut),
        ("words.npz", overwrite),
        ("words.npz", Path.unlink),
    ],
)
def test_what_is_damaged_is_one_line(model, tmp_path, name, damage):
    broken = shutil.copytree(model, tmp_path / "broken")
    damage(broken / "recall" / name)
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
