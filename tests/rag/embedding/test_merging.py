import pytest
import torch

from rag.embedding.merging import merge_with_base, mix


@pytest.fixture
def model():
    """A tuned model of which every weight is 1; its base's are 0."""
    model = torch.nn.BatchNorm1d(2)
    torch.nn.init.ones_(model.weight)
    torch.nn.init.ones_(model.bias)
    return model


@pytest.fixture
def base(model):
    return {name: torch.zeros_like(value) for name, value in model.state_dict().items()}


def test_weights_lie_between_both_and_counters_stay_as_tuned(model, base):
    base["num_batches_tracked"] += 7
    mixed = mix(model.state_dict(), base, 0.25)
    assert mixed["weight"].tolist() == [0.25, 0.25]
    assert mixed["num_batches_tracked"] == 0


def test_the_share_that_scores_best_stays(model, base):
    best = merge_with_base(model, base, (0.5, 0.7, 1.0), lambda share: -abs(share - 0.6))
    assert best == 0.7
    assert model.bias.tolist() == pytest.approx([0.7, 0.7])


def test_of_equal_shares_the_largest_stays(model, base):
    assert merge_with_base(model, base, (0.5, 1.0, 0.7), lambda _: 0.4) == 1.0
    assert model.weight.tolist() == [1.0, 1.0]


def test_each_share_is_scored_on_its_own_weights_and_the_base_is_no_choice(model, base):
    seen = {}

    def score(share):
        seen[share] = model.weight[0].item()
        return 1 - share

    assert merge_with_base(model, base, (0.5, 1.0), score) == 0.5
    assert seen == {0.0: 0.0, 1.0: 1.0, 0.5: 0.5}
