"""Questions with sentences of the documents beside them, as in retrieval-augmented fine-tuning (Zhang et al. 2024).

Beside a taught fact's own sentence stand others that are like it and distract. In some examples the own one is missing,
so that the model also learns to remember; refusals have nothing but others. What is kept out of the training is never
among them.
"""

import hashlib
import math
import random
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from rag.answering.spans import is_heading, sentences
from rag.answering.support import figures
from rag.chat.example import ChatExample, ExampleKind
from rag.chat.extraction import Fact, share_of
from rag.config import ChatDataConfig
from rag.corpus.document import Chunk, DocumentText
from rag.pairs.folding import FoldedText
from rag.pairs.pair import Split
from rag.retrieval.lexical import Analyzer, Bm25s

Span = tuple[str, int, int]
"""Document id and offsets in the document's extracted text; the end is exclusive."""

_ASKED = frozenset({ExampleKind.QUESTION, ExampleKind.VARIATION})
_SAME = 0.9
"""Share of a statement's words, and all of its figures, from which another sentence says the same."""


class Library:
    """The sentences of a collection as they are given with a question, each text once."""

    def __init__(self, chunks: Sequence[Chunk], texts: Mapping[str, DocumentText]) -> None:
        """Cut the chunks into sentences; `texts` is by document id.

        Headings are left out, and what cannot be found in its document, since nobody knows which fact it belongs to.
        """
        found: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for chunk in chunks:
            found[chunk.doc_id] += _placed(chunk, texts[chunk.doc_id].text)
        numbers: dict[str, int] = {}
        self._places: dict[str, list[tuple[int, int, int]]] = {}
        for doc_id, placed in found.items():
            whole = _whole(placed)
            self._places[doc_id] = [(start, end, numbers.setdefault(text, len(numbers))) for start, end, text in whole]
        self._longest = max((end - start for places in self._places.values() for start, end, _ in places), default=0)
        self.texts = list(numbers)
        self._analyze = Analyzer()
        self._stems = [frozenset(self._analyze(text)) for text in self.texts]
        self._lexical = Bm25s.build(self.texts)
        self._holding: defaultdict[str, list[int]] = defaultdict(list)
        for number, stems in enumerate(self._stems):
            for stem in stems:
                self._holding[stem].append(number)

    def touching(self, spans: Iterable[Span]) -> list[int]:
        """Return the sentences that share characters with one of the spans, in their order."""
        found: dict[int, None] = {}
        for doc_id, first, last in spans:
            places = self._places.get(doc_id, [])
            near = places[bisect_left(places, (first - self._longest,)) : bisect_left(places, (last,))]
            found |= {number: None for _, end, number in near if end > first}
        return list(found)

    def saying(self, statements: Iterable[str]) -> set[int]:
        """Return the sentences that say what one of the statements says, as far as words tell."""
        found: set[int] = set()
        for statement in statements:
            wanted, needed_figures = set(self._analyze(statement)), figures(statement)
            needed = math.ceil(_SAME * len(wanted))
            # Who holds so many of the words holds one of these.
            rarest = self._rarest_first(wanted)[: len(wanted) - needed + 1] if wanted else []
            found |= {
                number
                for number in set(chain.from_iterable(self._holding.get(stem, ()) for stem in rarest))
                if len(wanted & self._stems[number]) >= needed and needed_figures <= figures(self.texts[number])
            }
        return found

    def alike(self, text: str, without: Collection[int], n: int) -> list[int]:
        """Return up to `n` sentences that share words with a text, the most alike by BM25 first."""
        scores = self._lexical.scores(text)
        scores[list(without)] = 0
        (sharing,) = np.nonzero(scores)
        if len(sharing) > n > 0:
            sharing = sharing[scores[sharing] >= np.partition(scores[sharing], -n)[-n]]
        order = np.lexsort((sharing, -scores[sharing]))
        return [int(number) for number in sharing[order][:n]]

    def _rarest_first(self, stems: Iterable[str]) -> list[str]:
        return sorted(stems, key=lambda stem: (len(self._holding.get(stem, ())), stem))


def grounded(
    examples: Sequence[ChatExample], facts: Sequence[Fact], library: Library, config: ChatDataConfig
) -> list[ChatExample]:
    """Return training questions of the examples, each once more with passages beside it.

    They are `config.grounded_share` of the training conversations with them, and refusals have their share. Facts take
    turns, so that all come before one comes twice. A fact whose own sentences are not found, or more than there is
    room for, has none.

    :param facts: those of the examples, as the documents say them.
    """
    training = [each for each in examples if each.split is Split.TRAIN]
    n_wanted = round(len(training) * config.grounded_share / (1 - config.grounded_share))
    n_refused = round(n_wanted * config.refusal_share)
    hidden = _kept_out(examples, facts, library)
    own = {fact.id: library.touching(fact.spans) for fact in facts if fact.trained}
    allowed = {
        id_
        for id_, found in own.items()
        if found and hidden.isdisjoint(found) and len(found) <= config.grounded_passages
    }
    asked = [each for each in training if each.kind in _ASKED and each.fact in allowed]
    refused = [each for each in training if each.kind is ExampleKind.REFUSAL]
    chosen = [*_drawn(asked, n_wanted - n_refused, config.seed), *_drawn(refused, n_refused, config.seed)]
    made = [_grounded(each, own.get(each.fact, []), hidden, library, config) for each in chosen]
    return [each for each in made if each.messages[-2].passages]


def with_passages(asked: ChatExample, passages: Sequence[str]) -> ChatExample:
    """Return the example whose last question is asked with passages beside it."""
    *earlier, question, answer = asked.messages
    key = "\x1f".join((asked.id, *passages))
    told = {
        "id": hashlib.sha256(key.encode()).hexdigest()[:16],
        "messages": (*earlier, question.model_copy(update={"passages": tuple(passages)}), answer),
        "kind": ExampleKind.GROUNDED,
    }
    return asked.model_copy(update=told)


def _placed(chunk: Chunk, document_text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the sentences of a chunk that are no headings, behind their offsets in the document's text."""
    raw = FoldedText(document_text[chunk.char_start : chunk.char_end])
    cursor = 0
    for sentence in sentences(chunk.text):
        written = chunk.text[sentence.start : sentence.end]
        span = next((span for span in raw.find(written) if span[0] >= cursor), None)
        if span is not None:
            cursor = span[1]
            if sentence.text and not is_heading(written):
                yield chunk.char_start + span[0], chunk.char_start + span[1], sentence.text


def _whole(placed: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Yield the sentences of a document in order, without what the edge of a chunk has cut off one of them."""
    reached = -1
    for start, end, text in sorted(placed, key=lambda place: (place[0], -place[1])):
        if end > reached:
            reached = end
            yield start, end, text


def _kept_out(examples: Sequence[ChatExample], facts: Sequence[Fact], library: Library) -> set[int]:
    """Return the sentences of what is not taught, and of what people asked for that is not, wherever they stand."""
    untaught = [each for each in examples if not each.trained]
    spans = [span for fact in facts if not fact.trained for span in fact.spans]
    spans += [(each.source.doc_id, each.source.char_start, each.source.char_end) for each in untaught if each.source]
    touching = library.touching(spans)
    return {*touching, *library.saying(library.texts[number] for number in touching)}


def _drawn(examples: Sequence[ChatExample], n: int, seed: int) -> list[ChatExample]:
    """Return so many of the examples, or all; those of each fact are drawn, and facts take turns."""
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, int, ChatExample]] = []
    drawn = sorted(examples, key=lambda each: share_of(f"{seed}:grounded:{each.id}"))
    for place, each in enumerate(drawn):
        ranked.append((turns[each.fact], place, each))
        turns[each.fact] += 1
    return [each for *_, each in sorted(ranked, key=lambda entry: entry[:2])[:n]]


def _grounded(
    asked: ChatExample, own: Sequence[int], hidden: Collection[int], library: Library, config: ChatDataConfig
) -> ChatExample:
    """Return the example with its own sentences, or without, among others that do not say the same.

    Where too few are like it, any others fill up: whoever answers has as many.
    """
    draw = random.Random(f"{config.seed}:grounded:{asked.id}")
    given = [] if draw.random() < config.grounded_without else list(own)
    about, same = asked.messages[-2].content, set[int]()
    if own:
        about = f"{about} {asked.answer}"
        same = library.saying([asked.answer, *(library.texts[number] for number in own)])
    without = {*hidden, *same}
    given += library.alike(about, without, config.grounded_passages - len(given))
    if (n_missing := config.grounded_passages - len(given)) > 0:
        without.update(given)
        n_texts = len(library.texts)
        others = draw.sample(range(n_texts), min(n_texts, n_missing + len(without)))
        given += [number for number in others if number not in without][:n_missing]
    draw.shuffle(given)
    return with_passages(asked, [library.texts[number] for number in given])
