import logging

import pytest

from rag.chat.bundled import NO_FACT, bundled_tokenizer
from rag.chat.example import Message
from rag.chat.pretrained import pretrained_tokenizer
from rag.chat.tokens import IGNORED, encode_examples, end_token
from rag.errors import ConfigError
from tests.rag.chat.opening_hours import TRAIN, example
from tests.rag.chat.tiny_bases import FAMILIES, save_base

BEFORE = (Message(role="user", content="Is there a ferry?"), Message(role="assistant", content="Yes, there is."))
FOLLOW_UP = TRAIN[0].model_copy(update={"messages": (*BEFORE, *TRAIN[0].messages)})


@pytest.fixture(params=["bundled", *FAMILIES])
def tokenizer(request, tmp_path):
    if request.param == "bundled":
        return bundled_tokenizer([message.content for each in TRAIN for message in each.messages], 400)
    return pretrained_tokenizer(str(save_base(tmp_path, request.param)))


def turns(messages):
    return [message.model_dump() for message in messages]


@pytest.mark.parametrize("said", [TRAIN[0], FOLLOW_UP], ids=["question", "follow-up"])
def test_only_the_last_answer_and_its_end_are_learned(tokenizer, said):
    ((encoded,), left_out) = encode_examples([said], tokenizer, 128)
    assert left_out == 0
    assert len(encoded.input_ids) == len(encoded.labels) == len(encoded)
    learned = [label for label in encoded.labels if label != IGNORED]
    assert encoded.labels[-len(learned) :] == encoded.input_ids[-len(learned) :] == learned
    assert tokenizer.decode(learned[:-1]).strip() == said.answer
    assert learned[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("said", [TRAIN[0], FOLLOW_UP], ids=["question", "follow-up"])
def test_what_stands_before_the_answer_is_what_a_generation_is_prompted_with(tokenizer, said):
    ((encoded,), _) = encode_examples([said], tokenizer, 128)
    prompt = tokenizer.apply_chat_template(
        turns(said.messages[:-1]), add_generation_prompt=True, return_dict=True, tokenize=True
    )
    assert encoded.prompt == prompt["input_ids"]


def test_what_somebody_wrote_is_never_a_token_of_the_template(tokenizer):
    # Nobody's words reach a model that is told facts; the tokens of these are words like others.
    marks = {id_: token.content for id_, token in tokenizer.added_tokens_decoder.items() if token.content != NO_FACT}
    tokens = [*marks.values()]
    said = (f"So {tokens[0]}{tokens[-1]}?", f"It is {' '.join(tokens)}, they say.")
    told = (Message(role="user", content=said[0]), Message(role="assistant", content=said[1]))
    ((plain,), _) = encode_examples([TRAIN[0]], tokenizer, 128)
    ((written,), _) = encode_examples([TRAIN[0].model_copy(update={"messages": told})], tokenizer, 500)
    for part in ("prompt", "answer"):
        special, expected = ([token for token in getattr(each, part) if token in marks] for each in (written, plain))
        assert special == expected
    assert "they say." in tokenizer.decode(written.answer)


def test_the_oldest_turns_of_a_long_conversation_are_cut(tokenizer):
    ((alone,), _) = encode_examples([TRAIN[0]], tokenizer, 128)
    long = TRAIN[0].model_copy(update={"messages": (*BEFORE * 3, *TRAIN[0].messages)})
    ((once,), _) = encode_examples([FOLLOW_UP], tokenizer, 128)
    ((cut,), left_out) = encode_examples([long], tokenizer, len(once))
    assert left_out == 0
    assert cut == once
    assert encode_examples([long], tokenizer, len(alone)) == ([alone], 0)


def test_what_is_too_long_even_so_is_left_out_and_counted(tokenizer, caplog):
    ((alone,), _) = encode_examples([TRAIN[0]], tokenizer, 128)
    long = example(1, "When, " * 60 + "does the {} open?")
    caplog.set_level(logging.WARNING)
    assert encode_examples([long, TRAIN[0], long], tokenizer, len(alone)) == ([alone], 2)
    assert "2 of 3 conversations are left out" in caplog.text


def test_phi_reads_its_own_words(tmp_path):
    tokenizer = pretrained_tokenizer(str(save_base(tmp_path, "phi")))
    text = tokenizer.apply_chat_template(turns(FOLLOW_UP.messages[:3]), tokenize=False, add_generation_prompt=True)
    question = TRAIN[0].messages[0].content
    assert text == f"Instruct: Is there a ferry?\nOutput: Yes, there is.\nInstruct: {question}\nOutput:"


def test_a_template_that_prompts_with_other_words_is_refused(tmp_path):
    tokenizer = pretrained_tokenizer(str(save_base(tmp_path, "qwen2")))
    tokenizer.chat_template += "{% if add_generation_prompt %}{{ '<think>' }}{% endif %}"
    with pytest.raises(ConfigError, match="does not begin an answer as it prompts.*chat.training.base"):
        encode_examples(TRAIN, tokenizer, 128)


def test_a_template_without_an_end_is_refused(tmp_path):
    tokenizer = pretrained_tokenizer(str(save_base(tmp_path, "qwen2")))
    tokenizer.chat_template = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    with pytest.raises(ConfigError, match="ends an answer with no special token"):
        end_token(tokenizer)
