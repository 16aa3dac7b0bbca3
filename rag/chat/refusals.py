"""Questions that the documents do not answer, and the answer to them.

Half are questions of the collection about things that it does not have: a product of another name, a number that its
series lacks. They look like what is taught, so that a name has to be known and not only the form. The others are of
other worlds.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.dialogues import HELD_OUT, split_of
from rag.chat.example import ChatExample, ExampleKind
from rag.chat.extraction import Fact, example
from rag.chat.other_worlds import FOREIGN_THINGS, SLOTS, TEMPLATES
from rag.chat.variations import as_typed, shortened
from rag.pairs.pair import Split
from rag.pairs.sentences import paragraphs, split_sentences
from rag.pairs.verbs import finite_verb, is_participle
from rag.pairs.vocabulary import STOPWORDS, TOKEN, Vocabulary
from rag.pairs.words import normalize, words

_OF_OTHER_WORLDS, _NAMED, _SHORTENED = 0.5, 0.5, 0.4
"""Shares of the refusals that are of other worlds, of the rest that exchange a name, and asked with words left out."""
_ALIKE = 0.5
"""Share of the words of a question of another world from which a sentence may answer it after all."""
_ATTEMPTS = 4
"""Questions that are drawn for each refusal wanted, at most."""
_MODEL = re.compile(r"\b([^\W\d_]{2,}) (\d{1,4}[A-Z]?)\b")
_ONSETS = "b br c d dr f fl g gr h j k kl l m n p pl qu r s sk st t tr v w z".split()
_VOWELS = "a e i o u ai ea oo".split()
_CODAS = "ck d l ld m n nd r rn rt ss t th x".split()


class Sentences:
    """The sentences of a collection, by their words."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Cut the texts, one a chunk, into sentences."""
        self._with: dict[str, set[int]] = {}
        self._size = 0
        for text in texts:
            for paragraph in paragraphs(text):
                for sentence in split_sentences(paragraph):
                    for token in TOKEN.findall(sentence.lower()):
                        self._with.setdefault(token, set()).add(self._size)
                    self._size += 1

    def __contains__(self, word: str) -> bool:
        """Say whether a word stands anywhere."""
        return word.lower() in self._with

    def may_answer(self, question: str, share: float = 1.0) -> bool:
        """Say whether so large a share of a question's content words stand in one sentence, two words at the least.

        A question without content may be answered by any.
        """
        asked = {word for word in TOKEN.findall(question.lower()) if word not in STOPWORDS}
        counts = Counter(place for word in asked for place in self._with.get(word, ()))
        most = max(counts.values(), default=0)
        return not asked or most >= max(share * len(asked), min(2, len(asked)))


def refusals(
    facts: Sequence[Fact], sentences: Sentences, vocabulary: Vocabulary, n_training: int, seed: int
) -> list[ChatExample]:
    """Return about `n_training` refusals to train on, and those that validate and evaluate beside them.

    All questions made from one fact or template are of one split. Facts that are not taught are not asked for.
    """
    questions = [(fact.id, asked.question) for fact in facts if fact.trained for asked in fact.asked]
    wanted = round(n_training / (1 - 2 * HELD_OUT))
    return [
        _refused(question, split_of(f"{seed}:{origin}", HELD_OUT))
        for origin, question in unanswerable(questions, sentences, vocabulary, wanted, seed)
    ]


def unanswerable(
    questions: Sequence[tuple[str, str]],
    sentences: Sentences,
    vocabulary: Vocabulary,
    wanted: int,
    seed: int,
    templates: Sequence[str] = TEMPLATES,
) -> Iterator[tuple[str, str]]:
    """Yield about so many questions that no sentence answers, all different, each after what it was made from.

    :param questions: of the collection, each after its origin's id.
    :param templates: of the questions of other worlds, which are their own origins.
    """
    named = [each for each in questions if _names(each[1], vocabulary)]
    made: set[str] = set()
    for number in range(_ATTEMPTS * wanted):
        if len(made) == wanted:
            break
        draw = random.Random(f"{seed}:refusal:{number}")
        if not questions or draw.random() < _OF_OTHER_WORLDS:
            origin = draw.choice(templates)
            question, share = filled(origin, draw), _ALIKE
        else:
            origin, asked = draw.choice(named if named and draw.random() < _NAMED else questions)
            question, share = of_something_else(asked, sentences, vocabulary, draw), 1.0
        if draw.random() < _SHORTENED:
            question = shortened(question, draw)
        if question and not sentences.may_answer(question, share):
            said = as_typed(question, draw)
            if normalize(said) not in made:
                made.add(normalize(said))
                yield origin, said


def filled(template: str, draw: random.Random) -> str:
    """Return a template with its slots filled."""
    return template.format_map({slot: draw.choice(values) for slot, values in SLOTS.items()})


def of_something_else(question: str, sentences: Sentences, vocabulary: Vocabulary, draw: random.Random) -> str:
    """Return a question of the collection, asked of what it does not have; empty if nothing in it can be exchanged.

    Names of products and their numbers go first. A question without any asks about a thing of another world.
    """
    others: dict[str, str] = {}
    for name in _names(question, vocabulary):
        model = _MODEL.fullmatch(name)
        others[name] = (
            _other_model(model[1], model[2], sentences, draw) if model else _other_name(name, sentences, draw)
        )
    if not others:
        return _of_a_foreign_thing(question, sentences, vocabulary, draw)
    return _exchanged(question, others)


def _names(question: str, vocabulary: Vocabulary) -> list[str]:
    """Return the names in a question; one with a number, such as "Tarn 200", is one name."""
    models = [found for found in _MODEL.finditer(question) if vocabulary.is_name(found[1])]
    within = [model.span() for model in models]
    words = [
        token.group()
        for token in TOKEN.finditer(question)
        if token.start() and not any(start <= token.start() < end for start, end in within)
    ]
    return [*(model[0] for model in models), *(w for w in words if vocabulary.is_name(w) and vocabulary.rarity(w) > 0)]


def _refused(question: str, split: Split) -> ChatExample:
    return example([question, NOT_IN_DOCUMENTS], ExampleKind.REFUSAL, split)


def _exchanged(question: str, others: Mapping[str, str]) -> str:
    longest_first = sorted(others, key=len, reverse=True)
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in longest_first))
    return pattern.sub(lambda found: others[found[0]], question)


def _other_model(name: str, number: str, sentences: Sentences, draw: random.Random) -> str:
    """Return a number that the collection does not have after its name, or another name with the number."""
    if draw.random() < 0.5:
        return f"{_other_name(name, sentences, draw)} {number}"
    free = [str(n) for n in range(2, 1000) if str(n) not in sentences]
    return f"{name} {draw.choice(free)}" if free else f"{_other_name(name, sentences, draw)} {number}"


def _other_name(word: str, sentences: Sentences, draw: random.Random) -> str:
    """Return a name that no document has: other digits for one with digits, such as a code, or else an invented one."""
    for attempt in count():
        if any(char.isdigit() for char in word):
            other = re.sub(r"\d", lambda _: str(draw.randrange(10)), word)
            # More and more digits, since large collections may have all short numbers.
            other = other if draw.random() < 0.8 else f"{other}{draw.randrange(10 ** (1 + attempt // _ATTEMPTS))}"
        else:
            syllables = [draw.choice(_ONSETS) + draw.choice(_VOWELS) for _ in range(draw.randint(1, 2))]
            other = "".join(syllables).capitalize() + draw.choice(_CODAS)
            other = other.lower() if word.islower() else other
        if other not in sentences:
            break
    return other


def _of_a_foreign_thing(question: str, sentences: Sentences, vocabulary: Vocabulary, draw: random.Random) -> str:
    verbs = {word for word in words(question) if finite_verb(word) or is_participle(word)}
    phrases = [phrase for phrase in vocabulary.phrases(question, verbs) if sum(vocabulary.informative(phrase)) > 0]
    things = [thing for thing in FOREIGN_THINGS if not all(word in sentences for word in thing.split())]
    if not phrases or not things:
        return ""
    phrase = max(phrases, key=lambda each: sum(vocabulary.informative(each)[:3]))
    thing = draw.choice(things)
    return question.replace(phrase, thing, 1).replace(f" an {thing}", f" a {thing}")
