from rag.embedding.model_card import Lineage, model_card
from tests.rag.embedding.handbook import CONFIG

REACHED = {"hit@1": 0.5, "mrr@10": 0.6}
TRAINING = {
    "negatives": 2,
    "steps": 90,
    "best_step": 60,
    "tuned_share": 0.7,
    "by_tuned_share": {"0.0": {"hit@1": 0.25, "mrr@10": 0.375}, "0.7": REACHED, "1.0": {"hit@1": 0.4, "mrr@10": 0.45}},
}


def card(prompt=""):
    lineage = Lineage("some/base", "d1" * 16, "d2" * 16, "d3" * 16, prompt, "d4" * 16)
    return model_card(lineage, {"all": 40, "real": 30, "synthetic": 10}, TRAINING, CONFIG)


def test_it_tells_what_the_model_was_made_from_and_how():
    text = card()
    for row in (
        "| base `some/base` | " + "d1" * 16,
        "| training set | " + "d2" * 16,
        "| mined negatives | " + "d3" * 16,
        "| distilled cross-encoder | " + "d4" * 16,
    ):
        assert row in text
    assert "| synthetic | 10 |" in text
    assert f"| learning_rate | {CONFIG.learning_rate} |" in text


def test_it_shows_the_validation_of_the_base_and_of_the_share_that_was_kept():
    text = card()
    assert "| mrr@10 | 0.375 | 0.6 |" in text
    assert "0.45" not in text
    assert "Best at step 60 of 90; 70% of the weights are tuned" in text


def test_its_example_puts_the_query_prompt_before_questions():
    assert 'model.encode(["a question"], prompt="ask: ", normalize' in card("ask: ")
    assert 'model.encode(["a question"], normalize' in card()


def test_its_front_matter_is_what_the_hub_reads():
    assert card().startswith("---\nlibrary_name: sentence-transformers\n")
