"""The question writer that needs no language model: it asks for what the sentences of a chunk say.

Training on such pairs teaches an encoder a collection's own words. So a question uses the rare words of its sentence,
leaves its answer out, and comes in the many forms in which people ask: whole questions, short ones, and bare keywords.
"""

import hashlib
import logging
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from rag.config import SynthesisConfig
from rag.corpus.document import Chunk
from rag.pairs.clauses import leading, parse
from rag.pairs.comparisons import across_documents, comparisons
from rag.pairs.loose_forms import lead_questions, phrase_questions
from rag.pairs.pair import QuestionType
from rag.pairs.paraphrases import reworded
from rag.pairs.question_forms import Draft, clause_questions
from rag.pairs.sentences import Sentence, chunk_sentences
from rag.pairs.verbs import finite_verb, is_participle
from rag.pairs.vocabulary import TOKEN, Vocabulary
from rag.pairs.words import normalize, words

logger = logging.getLogger(__name__)

_MIN_RARITY, _MIN_TERM_RARITY = 1.2, 0.6
"""Least sum of the rarities of a question's three rarest words; that of a term which is asked to be defined."""
_MAX_COPIED = 0.9
"""Largest share of the sentence's words that a question may repeat."""
_FORM_WEIGHTS = {"keywords": 0.35, "known": 0.25, "relation": 0.35, "role": 0.5, "object": 0.5, "subject": 0.9}
_ACRONYM_SWAPS, _SHORTENED, _TYPED = 0.3, 0.5, 0.15
"""Shares of questions with an abbreviation written out (or the reverse), cut short, and typed without care."""
_WHOLE_FORMS = frozenset({"keywords", "known", "relation", "role", "definition", "complement", "object"})
"""Forms with nothing at their end that could be left out."""
_LAST_PHRASE = re.compile(
    r"^(.+) (?:in|for|with|during|from|through|at|by|on|after|among|as|within|over|between|under|since) [^,]*$"
)


@dataclass(frozen=True)
class SyntheticQuestion:
    """A question and the sentence, or the two or more in a row, that answer it."""

    question: str
    answer: str
    """The sentences, on one line."""
    doc_id: str
    document: str
    chunk_ids: tuple[str, ...]
    """The chunks that the answer was taken from; for a comparison over two documents the last is the other one's."""
    answer_start: int
    answer_end: int
    """Character offsets in the document's text; `answer_end` is exclusive."""
    question_type: QuestionType
    form: str
    """The pattern it was made by, or the provider of the language model that wrote it."""
    second: tuple[str, int, int] | None = None
    """Document id and offsets of the other evidence of a comparison, where the answer rests on both."""


@dataclass(frozen=True)
class _Candidate:
    draft: Draft
    sentence: Sentence
    weight: float


def write_questions(
    chunks: Sequence[Chunk], config: SynthesisConfig, texts: Mapping[str, str]
) -> list[SyntheticQuestion]:
    """Write about `questions_per_chunk` questions a chunk; `texts` holds the documents' extracted text by document id.

    The same chunks and config give the same questions. Chunks with little to ask give fewer, boilerplate none.
    """
    if not config.questions_per_chunk:
        return []
    vocabulary = Vocabulary([chunk.text for chunk in chunks])
    asked: set[str] = set()
    used_spans: set[tuple[str, int]] = set()
    by_document: dict[str, list[Sentence]] = {}
    written: list[SyntheticQuestion] = []
    for chunk in tqdm(chunks, desc="writing questions", delay=2, disable=None):
        sentences = [s for s in chunk_sentences(chunk, texts[chunk.doc_id]) if (s.doc_id, s.start) not in used_spans]
        used_spans.update((s.doc_id, s.start) for s in sentences)
        by_document.setdefault(chunk.doc_id, []).extend(sentences)
        draw = random.Random(f"{config.seed}:{chunk.doc_id}:{chunk.chunk_index}")
        candidates = [c for sentence in sentences for c in _candidates(sentence, vocabulary, draw)]
        for candidate in _choose(candidates, config.questions_per_chunk, asked, draw):
            question = _as_typed(candidate.draft, vocabulary, draw)
            one = candidate.sentence
            written.append(_question(question, one, one, candidate.draft.question_type, candidate.draft.form, texts))
    written += _comparative(by_document, vocabulary, asked, config, len(written), texts)
    counts = Counter(question.question_type.value for question in written)
    by_type = ", ".join(f"{count} {question_type}" for question_type, count in sorted(counts.items()))
    logger.info("wrote %d questions from %d chunks: %s", len(written), len(chunks), by_type or "none")
    return written


def _candidates(sentence: Sentence, vocabulary: Vocabulary, draw: random.Random) -> list[_Candidate]:
    """Return the questions that a sentence allows, weighed by how rare their words are."""
    drafts: list[Draft] = []
    clause = parse(sentence.text, vocabulary)
    if clause is not None:
        drafts += clause_questions(clause)
    drafts += lead_questions(*leading(sentence.text))
    pair = _two_phrases(sentence, vocabulary, draw)
    if pair:
        drafts += phrase_questions(*pair, sentence.text)
    said = Counter(words(sentence.text))
    candidates: list[_Candidate] = []
    for draft in drafts:
        question = _tidy(draft.question)
        rarities = vocabulary.informative(question)
        n_words = len(question.split())
        copied = sum((said & Counter(words(question))).values()) / said.total()
        least = _MIN_TERM_RARITY if draft.form == "definition" else _MIN_RARITY
        if sum(rarities[:3]) < least or not 3 <= n_words <= 26 or copied > _MAX_COPIED or _is_broken(question):
            continue
        length = 1.0 if n_words <= 14 else 14 / n_words
        weight = sum(rarities[:4]) * length * _FORM_WEIGHTS.get(draft.form, 1.2)
        candidates.append(_Candidate(draft._replace(question=question), sentence, weight))
    return candidates


def _two_phrases(sentence: Sentence, vocabulary: Vocabulary, draw: random.Random) -> tuple[str, str] | None:
    """Return two informative phrases of a sentence in its order; now and then the heading stands for the first."""
    verbs = {w for w in words(sentence.text) if (finite_verb(w) and w not in {"form", "forms"}) or is_participle(w)}
    plain = ", ".join(part for part in leading(sentence.text) if part)
    phrases = [
        p for p in vocabulary.phrases(vocabulary.uncapitalized(plain), verbs) if sum(vocabulary.informative(p)) > 0.4
    ]
    ranked = sorted(phrases, key=lambda p: -sum(vocabulary.informative(p)[:3]) - draw.random() * 0.3)[:2]
    if len(ranked) < 2:
        return None
    first, second = sorted(ranked, key=phrases.index)
    if 2 <= len(sentence.heading.split()) <= 6 and ":" not in sentence.heading and draw.random() < 0.3:
        return sentence.heading.lower(), ranked[0]
    return first, second


def _choose(
    candidates: Sequence[_Candidate], n_questions: int, asked: set[str], draw: random.Random
) -> list[_Candidate]:
    """Draw questions by weight: first of different sentences and forms, then of what is left."""
    left = sorted(candidates, key=lambda c: -c.weight * (0.5 + draw.random()))
    chosen: list[_Candidate] = []
    for only_new in (True, False):
        for candidate in left:
            starts, forms = {c.sentence.start for c in chosen}, Counter(c.draft.form for c in chosen)
            form = candidate.draft.form
            repeats = candidate.sentence.start in starts or forms[form] > (0 if only_new else 1)
            key = normalize(candidate.draft.question)
            if len(chosen) < n_questions and key not in asked and not (only_new and repeats) and forms[form] < 2:
                asked.add(key)
                chosen.append(candidate)
    return chosen


def _as_typed(draft: Draft, vocabulary: Vocabulary, draw: random.Random) -> str:
    """Return the question as somebody may type it: abbreviations swapped, adverbs dropped, in lower case at times."""
    question = draft.question
    if draw.random() < _ACRONYM_SWAPS:
        question = vocabulary.reabbreviated(question)
    if draw.random() < _SHORTENED and draft.form not in _WHOLE_FORMS:
        question = _shortened(question, vocabulary)
    question = reworded(question, draw)
    if draw.random() < 0.5:
        question = re.sub(
            r" (?:also|often|usually|mainly|primarily|\w{4,}ally|highly|significantly|commonly)(?= )", "", question
        )
    if draft.form == "keywords":
        return question.lower() if draw.random() < 0.7 else question
    question = question[0].upper() + question[1:] + "?"
    return question.rstrip("?").lower() if draw.random() < _TYPED else question


def _comparative(
    by_document: Mapping[str, Sequence[Sentence]],
    vocabulary: Vocabulary,
    asked: set[str],
    config: SynthesisConfig,
    n_others: int,
    texts: Mapping[str, str],
) -> list[SyntheticQuestion]:
    """Return the best comparisons, so many that they make up at most their share of all questions."""
    wanted = round(n_others * config.comparative_share / (1 - config.comparative_share))
    found = [c for sentences in by_document.values() for c in comparisons(sentences, vocabulary)]
    found += across_documents(by_document, vocabulary)

    def order(question: str) -> str:
        return hashlib.sha256(f"{config.seed}:{question}".encode()).hexdigest()

    written: list[SyntheticQuestion] = []
    used: set[tuple[str, int]] = set()
    for comparison in sorted(found, key=lambda c: (-round(c.weight, 1), order(c.question))):
        place = comparison.first.doc_id, comparison.first.start
        key = normalize(comparison.question)
        if len(written) < wanted and place not in used and key not in asked:
            used.add(place)
            asked.add(key)
            one, last, kind = comparison.first, comparison.last, QuestionType.COMPARATIVE
            asks = _question(comparison.question, one, last, kind, "comparison", texts)
            if comparison.elsewhere:
                asks = replace(asks, chunk_ids=(*asks.chunk_ids, comparison.elsewhere.chunk_id))
            written.append(asks)
    return written


def _question(
    question: str, first: Sentence, last: Sentence, kind: QuestionType, form: str, texts: Mapping[str, str]
) -> SyntheticQuestion:
    return SyntheticQuestion(
        question=question,
        answer=" ".join(texts[first.doc_id][first.start : last.end].split()),
        doc_id=first.doc_id,
        document=first.document,
        chunk_ids=tuple(dict.fromkeys((first.chunk_id, last.chunk_id))),
        answer_start=first.start,
        answer_end=last.end,
        question_type=kind,
        form=form,
    )


def _shortened(question: str, vocabulary: Vocabulary) -> str:
    """Return the question without its last prepositional phrase, if that leaves enough to go by."""
    shorter = _LAST_PHRASE.sub(r"\1", question)
    enough = len(shorter.split()) >= 5 and sum(vocabulary.informative(shorter)[:3]) >= _MIN_RARITY
    return shorter if enough else question


def _tidy(question: str) -> str:
    """Return the question on one line without asides in parentheses and loose punctuation."""
    question = re.sub(r"\s*\([^()]*\)", "", question)
    return " ".join(question.split()).strip(" ,;:-.?")


def _is_broken(question: str) -> bool:
    return bool(re.search(r"[()\[\]\"“”×]|(?:^| )['‘`]|\b(\w+) \1\b|, ?$", question)) or not TOKEN.search(question)
