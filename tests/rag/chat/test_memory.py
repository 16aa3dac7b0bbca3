import pytest
from transformers import GPT2Config, PhiConfig

from rag.chat.memory import memory_needed, require_room
from rag.config import ChatMethod
from rag.errors import OutOfMemory
from rag.profiles import load_config

GIB = 2**30
PHI_2 = PhiConfig(vocab_size=51200, hidden_size=2560, intermediate_size=10240, num_hidden_layers=32)
DIALOGPT_SMALL = GPT2Config()


def training(profile, **fields):
    return load_config(profile, from_hub=True).chat.training.model_copy(update=fields)


def test_each_profile_has_room_on_its_card():
    assert 1.5 * GIB < memory_needed(PHI_2, training("gpu-6gb")) < 5.5 * GIB
    assert 2 * GIB < memory_needed(DIALOGPT_SMALL, training("gpu-16gb")) < 5.5 * GIB


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
