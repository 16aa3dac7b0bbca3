import subprocess
import sys
from pathlib import Path

import pytest

from tests.rag.chat.opening_hours import save_untaught

ROOT = Path(__file__).parents[2]
LOADS = {
    "chat models": "loaded = load_weights(sys.argv[1])",
    "chat models while others are built": """
loaded = load_weights(sys.argv[1]) if n % 2 else bundled_model(AutoConfig.from_pretrained(sys.argv[1]), seed=1)
""",
}
MANY_AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor

import rag
import torch
from transformers import AutoConfig, PreTrainedModel

from rag.chat.bundled import bundled_model
from rag.llm.causal import load_weights


def load(n):
    {load}
    return loaded


methods = PreTrainedModel.tie_weights, PreTrainedModel.init_weights, torch.linspace
expected = bundled_model(AutoConfig.from_pretrained(sys.argv[1]), seed=1)
with ThreadPoolExecutor(8) as pool:
    models = list(pool.map(load, range(32)))
assert methods == (PreTrainedModel.tie_weights, PreTrainedModel.init_weights, torch.linspace)
assert all(model.lm_head.weight is model.transformer.wte.weight for model in models), "weights are not tied"
again = bundled_model(AutoConfig.from_pretrained(sys.argv[1]), seed=1)
assert all(torch.equal(left, right) for left, right in zip(expected.parameters(), again.parameters(), strict=True))
"""


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_models_loaded_in_many_threads_are_whole_and_leave_the_library_as_it_was(load, tmp_path):
    """In a process of its own: what is left behind would fail other tests."""
    command = [sys.executable, "-c", MANY_AT_ONCE.format(load=load.strip()), str(save_untaught(tmp_path))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
