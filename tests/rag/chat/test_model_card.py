from rag.chat.model_card import model_card, recipe
from rag.config import ChatMethod
from rag.hub_base import HubBase
from tests.rag.chat.opening_hours import CONFIG, adapted

TRAINING = {
    "left_out": 3,
    "examples": {"trained": 30, "validation": 10},
    "validation": [{"step": 4, "loss": 1.5}, {"step": 8, "loss": 1.25}],
    "best_step": 8,
    "steps": 8,
    "parameters": {"all": 4_000_000, "trained": 4_000_000},
}
COUNTS = {"question": 30, "refusal": 0}


def card(base, config):
    return model_card(base, "0" * 32, COUNTS, TRAINING, config)


def test_a_card_says_what_a_model_was_made_of_and_how_it_did():
    text = card(HubBase(name="bundled", version="", source=None), CONFIG)
    for line in ("library_name: transformers", "| question | 30 |", "| refusal | 0 |", "| too long, left out | 3 |"):
        assert line in text.splitlines()
    assert f"| conversations | {'0' * 32} |" in text
    assert "| 8 | 1.25 |" in text
    assert "| learning_rate | 0.001 |" in text
    assert "4,000,000 of 4,000,000 weights" in text
    assert "base_model" not in text


def test_an_adapter_names_its_base_where_others_can_find_it():
    on_hub = HubBase(name="microsoft/phi-2", version="main", source="microsoft/phi-2")
    in_folder = HubBase(name="mine", version="1" * 64, source="/somewhere/mine")
    assert "base_model: microsoft/phi-2" in card(on_hub, adapted(ChatMethod.QLORA))
    assert "library_name: peft" in card(on_hub, adapted(ChatMethod.QLORA))
    assert "/somewhere" not in card(in_folder, adapted(ChatMethod.QLORA))


def test_what_changes_nothing_is_no_part_of_the_recipe():
    assert recipe(CONFIG) == recipe(CONFIG.model_copy(update={"gradient_checkpointing": True}))
    assert recipe(CONFIG) != recipe(CONFIG.model_copy(update={"cpu_offload": True})), "its optimizer is another"
    assert recipe(CONFIG) == recipe(CONFIG.model_copy(update={"lora_rank": 1}))
    assert recipe(CONFIG) != recipe(CONFIG.model_copy(update={"width": 64}))
    lora = adapted(ChatMethod.LORA)
    assert recipe(lora) == recipe(lora.model_copy(update={"width": 64}))
    assert recipe(lora) != recipe(lora.model_copy(update={"lora_rank": 1}))
