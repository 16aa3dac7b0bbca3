import random

import pytest
import torch
from transformers import AutoModelForCausalLM

from rag.chat.packing import best_fit, collate, packed
from rag.chat.tokens import Encoded
from tests.rag.chat.tiny_bases import FAMILIES, save_base


def conversations(n, seed=0):
    """Return conversations of random tokens, 5 to 24 long."""
    rng = random.Random(seed)
    return [Encoded(*([rng.randrange(3, 250) for _ in range(rng.randint(2, 12))] for _ in "pa")) for _ in range(n)]


def test_every_conversation_is_packed_once_and_whole():
    examples = conversations(200)
    sequences = packed(examples, 64, seed=1)
    found = []
    for sequence in sequences:
        starts = [*(sequence["position_ids"] == 0).nonzero()[:, 0].tolist(), len(sequence["input_ids"])]
        assert starts[-1] <= 64
        for first, end in zip(starts, starts[1:], strict=False):
            ids, labels = (sequence[name][first:end].tolist() for name in ("input_ids", "labels"))
            assert sequence["position_ids"][first:end].tolist() == list(range(end - first))
            found.append((ids, labels))
    assert sorted(found) == sorted((each.input_ids, each.labels) for each in examples)


def test_little_of_a_sequence_is_empty():
    lengths = [len(each) for each in conversations(500)]
    bins = best_fit(lengths, 64)
    assert max(sum(lengths[place] for place in places) for places in bins) <= 64
    assert sum(lengths) / (64 * len(bins)) > 0.97
    assert best_fit([64, 1, 63], 64) == [[0], [2, 1]]


def test_which_conversations_meet_is_decided_by_the_seed():
    examples = conversations(60)
    first, again, other = (
        [sequence["input_ids"].tolist() for sequence in packed(examples, 64, seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_is_learned_packed_as_it_is_alone(tmp_path, family, attention):
    model = AutoModelForCausalLM.from_pretrained(save_base(tmp_path, family), attn_implementation=attention).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    examples = conversations(12)
    batch = collate(packed(examples, 64, seed=1))
    assert (batch["position_ids"] == 0).sum(1).min() > 1
    together = model(**batch)

    alone, n_learned = torch.zeros(()), 0
    rows = {}
    for each in examples:
        said = model(**collate(packed([each], 64, seed=1)))
        rows[tuple(each.input_ids)] = said.logits[0]
        alone = alone + said.loss * len(each.answer)
        n_learned += len(each.answer)
    torch.testing.assert_close(together.loss, alone / n_learned)

    found = 0
    for row, positions in enumerate(batch["position_ids"]):
        starts = [*(positions == 0).nonzero()[:, 0].tolist(), len(positions)]
        for first, end in zip(starts, starts[1:], strict=False):
            expected = rows.get(tuple(batch["input_ids"][row, first:end].tolist()))
            if expected is not None:
                torch.testing.assert_close(together.logits[row, first:end], expected)
                found += 1
    assert found == len(examples)
