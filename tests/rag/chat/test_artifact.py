import threading

import pytest
from transformers import pipeline

from rag.chat.artifact import KIND, chat_model_artifact
from rag.errors import ConfigError
from rag.pairs.mined import LEARNED_FROM
from tests.rag.chat.opening_hours import CONFIG, EXAMPLES

FEW_STEPS = CONFIG.model_copy(update={"max_steps": 2, "checkpoints": 1})


@pytest.fixture
def data(space):
    def write(draft):
        draft.seal("examples.encrypted", "\n".join(each.model_dump_json() for each in EXAMPLES).encode())
        return {LEARNED_FROM: ["d1", "d2"]}

    return space.artifacts.build("chatdata", inputs={}, config=None, recipe=[], write=write)


def build(space, data, config=FEW_STEPS, models="bundled", on_progress=None):
    return chat_model_artifact(space.artifacts, models, data, config, space.device, on_progress)


def test_a_chat_model_is_a_plain_folder_with_a_card_without_texts_and_its_curves(space, data):
    told = []
    ref = build(space, data, on_progress=told.append)
    folder, facts = space.artifacts.path(ref), space.artifacts.facts(ref)
    assert ref.kind == KIND
    assert (facts["base"], facts["method"], facts[LEARNED_FROM]) == ("bundled", "full", ["d1", "d2"])
    assert facts["trained_on"] == {"question": 30, "variation": 0, "dialogue": 0, "refusal": 0, "grounded": 0}
    assert facts["passages"] == 0
    assert facts["training"]["steps"] == told[-1].step == 2
    assert facts["training"]["began_at"] < facts["training"]["ended_at"]
    assert list((folder / "runs").rglob("events.out.tfevents.*"))

    card = (folder / "README.md").read_text()
    assert data.digest in card
    assert not [each.id for each in EXAMPLES for message in each.messages if message.content in card]
    chat = pipeline("text-generation", str(folder))
    said = chat([{"role": "user", "content": "When does the bakery open?"}], do_sample=False, max_new_tokens=4)
    assert said[0]["generated_text"][-1]["role"] == "assistant"


def test_the_same_training_is_reused_without_the_device_and_another_is_not(space, data):
    ref = build(space, data)
    with space.device.held("a drill"):
        again = []
        same = FEW_STEPS.model_copy(update={"gradient_checkpointing": True, "lora_rank": 3})
        thread = threading.Thread(target=lambda: again.append(build(space, data, same, "hub")), daemon=True)
        thread.start()
        thread.join(timeout=60)
    assert again == [ref]
    assert build(space, data, FEW_STEPS.model_copy(update={"seed": 14})) != ref


def test_a_base_that_cannot_be_had_is_said_before_anything_is_opened(space, data):
    config = FEW_STEPS.model_copy(update={"base": "microsoft/DialoGPT-small"})
    with space.device.held("a drill"), pytest.raises(ConfigError, match="set RAGLOOP_MODELS=hub"):
        build(space, data, config)
