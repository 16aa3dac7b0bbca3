import numpy as np

from rag.embedding.vector_cache import VectorCache


class Lengths:
    """Encodes a text by its length, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_what_is_known_is_not_encoded_again_and_the_order_stays():
    lengths = Lengths()
    cache = VectorCache(lengths, size=9)
    np.testing.assert_array_equal(cache.encode(["brie", "comte", "brie"]), [[4, 1], [5, 1], [4, 1]])
    np.testing.assert_array_equal(cache.encode(["comte", "edam", "brie"]), [[5, 1], [4, 1], [4, 1]])
    assert lengths.asked == [["brie", "comte"], ["edam"]]


def test_what_was_not_asked_for_longest_is_forgotten():
    lengths = Lengths()
    cache = VectorCache(lengths, size=2)
    for texts in (["a", "b"], ["a"], ["c"], ["a"], ["b"]):
        cache.encode(texts)
    assert lengths.asked == [["a", "b"], ["c"], ["b"]]


def test_no_texts_are_no_vectors():
    assert VectorCache(Lengths(), size=2).encode([]).shape == (0, 2)
