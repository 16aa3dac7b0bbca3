import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, GPT2Config, PhiConfig, Qwen2Config

from rag.chat.memory import KERNELS, memory_needed, require_room
from rag.chat.quantized import with_adapters
from rag.config import ChatMethod
from rag.errors import OutOfMemory
from rag.profiles import load_config

GIB = 2**30
PHI_2 = PhiConfig(vocab_size=51200, hidden_size=2560, intermediate_size=10240, num_hidden_layers=32)
DIALOGPT_SMALL = GPT2Config()
SMALL = {"vocab_size": 4000, "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
IN_SMALL = {
    "dialogpt": GPT2Config(**SMALL),
    "phi": PhiConfig(**SMALL, intermediate_size=512),
    "qwen2": Qwen2Config(**SMALL, intermediate_size=746, num_key_value_heads=2, tie_word_embeddings=True),
}


def training(profile, **fields):
    return load_config(profile, from_hub=True).chat.training.model_copy(update=fields)


class Peak(TorchDispatchMode):
    """Notes how many bytes the tensors that are made within take at most."""

    def __init__(self):
        super().__init__()
        self.most, self._now, self._known = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, torch.Tensor):
                self._note(each.untyped_storage())
        return made

    def _note(self, storage):
        key, n_bytes = storage._cdata, storage.nbytes()
        if n_bytes and key not in self._known:
            self._known.add(key)
            self._now += n_bytes
            self.most = max(self.most, self._now)
            weakref.finalize(storage, self._forget, key, n_bytes)

    def _forget(self, key, n_bytes):
        self._known.discard(key)
        self._now -= n_bytes


def step_peak(architecture, config):
    """Return the bytes that a model takes in its second step, one sequence at a time, in mixed precision."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(architecture).train()
    if config.method is ChatMethod.LORA:
        model = with_adapters(model, "", config)
        model.enable_input_require_grads()
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    ids = torch.randint(0, architecture.vocab_size, (1, config.max_length))
    for _ in range(2):
        with Peak() as peak:
            with torch.autocast("cpu", torch.bfloat16):
                said = model(input_ids=ids, labels=ids, use_cache=False)
            as_the_trainer_has_it = said.logits.float()
            said.loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        del said, as_the_trainer_has_it
    return peak.most + sum(4 * w.numel() for w in model.parameters()) + sum(8 * w.numel() for w in trained)


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("method", [ChatMethod.FULL, ChatMethod.LORA])
@pytest.mark.parametrize("family", IN_SMALL)
def test_a_step_takes_no_more_than_is_told_and_not_much_less(family, method, checkpointed):
    config = training("gpu-16gb", method=method, gradient_checkpointing=checkpointed)
    told = memory_needed(IN_SMALL[family], config) - KERNELS
    assert 0.6 * told < step_peak(IN_SMALL[family], config) < told


def test_each_profile_has_room_on_its_card():
    assert 3 * GIB < memory_needed(PHI_2, training("gpu-6gb")) < 5 * GIB
    assert 2 * GIB < memory_needed(DIALOGPT_SMALL, training("gpu-16gb")) < 5.5 * GIB


def test_the_bytes_of_phi_2_in_4_bit_are_those_of_its_parts():
    config = training("gpu-6gb")
    assert (config.method, config.max_length, config.gradient_checkpointing) == (ChatMethod.QLORA, 512, True)
    n_linear = 32 * (4 * 2560 * 2560 + 2 * 2560 * 10240)  # q, k, v, dense; up and down
    n_adapters = 32 * 16 * (4 * (2560 + 2560) + 2 * (2560 + 10240))
    embeddings, head = 51200 * 2560, 51200 * 2560
    assert n_linear + embeddings + head == pytest.approx(2.7e9, rel=0.04)
    weights = 0.53 * n_linear + 4 * (embeddings + head)
    adapters = n_adapters * (4 + 2 + 4 + 8)  # the weight, its copy, its gradient, its optimizer state
    sequence = 512 * (2560 * (31 * 4 + 190) + 51200 * 19)
    parts = weights + 2 * head + adapters + sequence + KERNELS
    assert memory_needed(PHI_2, config) == pytest.approx(parts, rel=0.01)
    assert memory_needed(PHI_2, config, at_a_time=2) - memory_needed(PHI_2, config) == pytest.approx(sequence, rel=0.01)


def test_the_batch_of_dialogpt_small_fits_its_card():
    config = training("gpu-16gb")
    assert (config.method, config.batch_size) == (ChatMethod.FULL, 4)
    assert 4 * GIB < memory_needed(DIALOGPT_SMALL, config, at_a_time=4) < 6 * GIB


def test_a_model_that_is_trained_whole_takes_four_times_its_weights_at_least():
    plain = training("gpu-6gb", method=ChatMethod.FULL)
    assert memory_needed(PHI_2, plain) > 16 * 2.7e9
    assert memory_needed(PHI_2, plain.model_copy(update={"method": ChatMethod.LORA})) > 4 * 2.7e9


@pytest.mark.parametrize(
    "less",
    [{"method": ChatMethod.QLORA}, {"gradient_checkpointing": True}, {"cpu_offload": True}, {"max_length": 64}],
    ids=str,
)
def test_each_remedy_takes_less(less):
    plain = training("gpu-16gb")
    assert memory_needed(DIALOGPT_SMALL, plain.model_copy(update=less)) < memory_needed(DIALOGPT_SMALL, plain)


def test_a_card_that_is_too_small_is_told_what_takes_less():
    config = training("gpu-16gb")
    require_room(4 * GIB, 4 * GIB, "NVIDIA RTX A2000, 6 GiB", config)
    said = (
        r"training microsoft/DialoGPT-small takes about 5.0 GiB with one sequence at a time, and NVIDIA RTX A2000, "
        r"6 GiB has 4.0 GiB free: in chat.training, set method to qlora, gradient_checkpointing to true, cpu_offload "
        r"to true or base to a smaller model, or lower max_length \(256\)"
    )
    with pytest.raises(OutOfMemory, match=said):
        require_room(5 * GIB, 4 * GIB, "NVIDIA RTX A2000, 6 GiB", config)
    with pytest.raises(OutOfMemory, match="set gradient_checkpointing to true, cpu_offload to true or fewer layers,"):
        require_room(2, 1, "a card", training("cpu"))
    with pytest.raises(OutOfMemory, match="chat.training, set cpu_offload to true or base to a smaller model,"):
        require_room(5 * GIB, 4 * GIB, "a card", training("gpu-6gb"))
