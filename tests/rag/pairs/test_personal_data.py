"""Presidio comes with the extra `privacy`, which `make test-system` installs."""

import pytest

from tests.query_pairs import real_pair

pytestmark = pytest.mark.system

MAIL, PHONE, IBAN = "anna.berg@intern.local", "+46 70 123 45 67", "DE89370400440532013000"


@pytest.fixture(scope="module")
def personal_data():
    from rag.pairs.personal_data import PersonalData

    return PersonalData(("US", "GB", "DE"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("EMAIL", MAIL),
        ("PHONE", PHONE),
        ("PHONE", "(030) 1234567"),
        ("PHONE", "212-555-5555"),
        ("IBAN", IBAN),
        ("CARD", "4111 1111 1111 1111"),
        ("SSN", "536-90-4399"),
        ("IP", "192.168.0.17"),
    ],
)
def test_what_has_a_form_is_found(personal_data, kind, value):
    assert personal_data.found(f"Please note {value} as theirs.") == [(kind, value)]


def test_an_address_that_the_end_of_a_passage_cuts_is_found(personal_data):
    assert personal_data.found("Please write to anna.berg@intern") == [("EMAIL", "anna.berg@intern")]


@pytest.mark.parametrize(
    "text",
    [
        "Error code F12 on the model L-14, seen 1,200 times since 2020-03-12.",
        "It costs 1687 kr, or 37.6624 with the tithe of 8 percent.",
        "The card 4111 1111 1111 1112 fails its checksum.",
    ],
)
def test_what_only_looks_like_it_is_left(personal_data, text):
    assert personal_data.found(text) == []


def test_the_same_value_has_the_same_mask_in_all_texts_of_a_pair(personal_data):
    from collections import Counter

    pair = real_pair(
        f"Whose is {MAIL.upper()}?",
        answer=PHONE,
        positive=f"Write to {MAIL} or other@example.org, or call {PHONE}.",
        negatives=("Call +46701234567 at once.", "Nothing here."),
    )
    counts: Counter[str] = Counter()
    (masked,) = personal_data.masked_pairs([pair], counts)
    assert masked.anchor == "Whose is <EMAIL_1>?"
    assert masked.answer == "<PHONE_1>"
    assert masked.positive == "Write to <EMAIL_1> or <EMAIL_2>, or call <PHONE_1>."
    assert masked.negatives == ("Call <PHONE_1> at once.", "Nothing here.")
    assert counts == {"EMAIL": 1, "PHONE": 1}


def test_masks_of_texts_that_join_later_do_not_clash(personal_data):
    texts, _ = personal_data.masked(["Who is <EMAIL_1>?", f"Ask {MAIL}."])
    assert texts == ["Who is <EMAIL_1>?", "Ask <EMAIL_2>."]


def test_training_text_is_masked_and_the_evaluation_set_is_not(open_company):
    from rag.pairs.artifact import collection_pairs, load_pairs
    from rag.profiles import Profile, load_config

    space = open_company("home", note=f" Its keeper is {MAIL}.")
    config = load_config(Profile.SMOKE, overrides={"pairs": {"mask_personal_data": True, "passage_tokens": 400}})
    made = collection_pairs(space.artifacts, space.database, "default", config).pairs
    train, validation, evaluation = load_pairs(space.artifacts, made)
    learned = [text for pair in [*train, *validation] for text in (pair.anchor, pair.answer, pair.positive)]
    assert any("<EMAIL_1>" in text for text in learned) and not any(MAIL in text for text in learned)
    assert any(MAIL in pair.positive for pair in evaluation)
    assert space.artifacts.facts(made)["masked"]["EMAIL"] > 0
