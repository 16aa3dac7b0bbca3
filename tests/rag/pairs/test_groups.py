import random

from rag.pairs.groups import near_duplicate_groups


def prose(seed: int, n_words: int = 400) -> str:
    draw = random.Random(seed)
    return " ".join(f"w{draw.randrange(5000)}" for _ in range(n_words))


def test_a_lightly_edited_copy_joins_its_original_and_others_stay_apart():
    text = prose(1)
    edited = text.replace(text.split()[50], "edited", 1).upper()
    groups = near_duplicate_groups({"b": text, "a": edited, "c": prose(2)}, 0.6)
    assert groups == {"a": "a", "b": "a", "c": "c"}


def test_a_chain_of_versions_is_one_group():
    words = prose(3, 600).split()
    texts = {f"v{n}": " ".join(words[n * 60 : n * 60 + 400]) for n in range(3)}
    assert set(near_duplicate_groups(texts, 0.6).values()) == {"v0"}


def test_half_shared_text_is_not_a_duplicate():
    shared = prose(4, 200)
    groups = near_duplicate_groups({"a": f"{shared} {prose(5, 200)}", "b": f"{shared} {prose(6, 200)}"}, 0.6)
    assert groups == {"a": "a", "b": "b"}


def test_empty_and_tiny_texts_are_grouped_by_their_words_only():
    groups = near_duplicate_groups({"a": "", "b": "", "c": "yes please", "d": "Yes, please!"}, 0.6)
    assert groups == {"a": "a", "b": "b", "c": "c", "d": "c"}
