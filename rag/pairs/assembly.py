"""Real and synthetic questions -> the pairs of a run: each with its split and its passage, none twice, none leaking."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rag.config import Config, PairsConfig
from rag.corpus.chunking import Chunker
from rag.corpus.cleaning import clean_text
from rag.corpus.document import Chunk, DocumentText
from rag.pairs.alignment import Evidence, align
from rag.pairs.collection import alignable
from rag.pairs.dropped import DroppedPair, DropReason, Filtered
from rag.pairs.filters import assert_no_leak, deduplicate, drop_leaks
from rag.pairs.groundedness import drop_ungrounded
from rag.pairs.near_duplicates import drop_near_duplicates
from rag.pairs.pair import Origin, QueryPair, QuestionType, Split
from rag.pairs.positives import training_passage
from rag.pairs.questions_file import RealQuestion
from rag.pairs.round_trip import drop_inconsistent
from rag.pairs.writer import SyntheticQuestion
from storage.tables import QueryPairRow

if TYPE_CHECKING:
    from rag.pairs.personal_data import PersonalData

ENOUGH_REAL = 30
"""Real validation questions from which synthetic ones have no say."""


class SplitPairs(NamedTuple):
    """The pairs of each split."""

    train: list[QueryPair]
    validation: list[QueryPair]
    evaluation: list[QueryPair]

    @property
    def tuning(self) -> list[QueryPair]:
        """What to choose by: the real validation questions if there are enough, since synthetic ones favour words."""
        real = [pair for pair in self.validation if pair.origin is not Origin.SYNTHETIC]
        return real if len(real) >= ENOUGH_REAL else self.validation

    def of(self, split: Split) -> list[QueryPair]:
        """Return one split's pairs."""
        return {Split.TRAIN: self.train, Split.VALIDATION: self.validation, Split.EVALUATION: self.evaluation}[split]


class Assembly(NamedTuple):
    """What became of the questions."""

    pairs: SplitPairs
    dropped: list[DroppedPair]
    facts: dict[str, Any]
    """How many were kept, by split and origin and by type, dropped by each filter, and masked."""


def assemble(
    real: Sequence[QueryPairRow],
    synthetic: Sequence[SyntheticQuestion],
    chunks: Sequence[Chunk],
    texts: Mapping[str, DocumentText],
    splits: Mapping[str, tuple[str, Split]],
    config: Config,
) -> Assembly:
    """Make pairs of the questions and filter them. `texts` is by document id, `splits` by name.

    `real` holds what people asked: questions that were imported, and those that feedback gives the evidence for.

    Nothing depends on the pairs' ids, which the home's key decides: two homes with the same content get the same.

    :raises LeakFound: if a training or validation pair touches the evaluation set all the same.
    :raises ConfigError: if personal data is to be masked and what finds it is not installed.
    """
    personal_data = finder_of_personal_data(config.pairs)
    found, lost = real_pairs(real, texts, splits)
    pairs = [*_in_drawn_order(found, config.pairs.seed), *_synthetic_pairs(synthetic, splits)]
    by_split = {split: [chunk for chunk in chunks if splits[chunk.document][1] is split] for split in Split}
    (pairs, ungrounded), n_paraphrased = drop_ungrounded(pairs, texts, config.pairs.min_groundedness)
    pairs, inconsistent = drop_inconsistent(pairs, by_split, config.pairs.round_trip_depth)
    pairs, duplicates = deduplicate(pairs)
    pairs, near_duplicates = drop_near_duplicates(pairs, config.pairs.near_duplicate)
    parts = {split: [pair for pair in pairs if pair.split is split] for split in Split}
    evaluation = _limited(parts[Split.EVALUATION], config.pairs.max_synthetic_questions, config.pairs.seed)
    train, train_leaks = drop_leaks(parts[Split.TRAIN], evaluation)
    validation, validation_leaks = drop_leaks(parts[Split.VALIDATION], evaluation)
    validation = _limited(validation, config.pairs.max_synthetic_questions, config.pairs.seed)
    train = mixed(train, config.pairs)
    assert_no_leak([*train, *validation], evaluation)
    chunker = Chunker(config.chunking)
    train, validation, evaluation = (
        _with_passages(part, texts, chunker, config.pairs) for part in (train, validation, evaluation)
    )
    masked: Counter[str] = Counter()
    if personal_data:
        train, validation = (personal_data.masked_pairs(part, masked) for part in (train, validation))
    split_pairs = SplitPairs(train, validation, evaluation)
    dropped = [*lost, *ungrounded, *inconsistent, *duplicates, *near_duplicates, *train_leaks, *validation_leaks]
    reasons = Counter(pair.reason for pair in dropped)
    facts = {
        **counted(split_pairs),
        "dropped": {reason: reasons[reason] for reason in DropReason},
        "real_answers_in_other_words": n_paraphrased,
        "masked": dict(masked),
    }
    return Assembly(split_pairs, dropped, facts)


def counted(pairs: SplitPairs) -> dict[str, Any]:
    """Return how many there are, by split and origin and by type."""
    return {
        "pairs": {split: dict(Counter(p.origin for p in pairs.of(split))) for split in Split},
        "by_type": dict(Counter(p.question_type for part in pairs for p in part)),
    }


def real_pairs(
    rows: Sequence[QueryPairRow], texts: Mapping[str, DocumentText], splits: Mapping[str, tuple[str, Split]]
) -> Filtered:
    """Return the pairs of real questions; one whose document has a new version is looked up in that by its answer."""
    documents = {doc_id: alignable(doc_id, text) for doc_id, text in texts.items()}
    pairs: list[QueryPair] = []
    lost: list[DroppedPair] = []
    for row in rows:
        document, place = row.document, (row.doc_id, row.answer_start, row.answer_end)
        if row.doc_id not in texts:
            question = RealQuestion(question=row.anchor, answer=row.answer, document=row.document, line=0)
            moved = align(question, documents)
            if not isinstance(moved, Evidence):
                lost.append(DroppedPair.of(row, DropReason.LOST, moved.reason))
                continue
            document, place = moved.document, (moved.doc_id, moved.answer_start, moved.answer_end)
        group, split = splits[document]
        pairs.append(
            QueryPair(
                id=row.id,
                anchor=row.anchor,
                answer=row.answer,
                doc_id=place[0],
                document=document,
                answer_start=place[1],
                answer_end=place[2],
                question_type=QuestionType(row.question_type),
                origin=Origin(row.origin),
                split=split,
                group=group,
            )
        )
    return Filtered(pairs, lost)


def _synthetic_pairs(
    questions: Iterable[SyntheticQuestion], splits: Mapping[str, tuple[str, Split]]
) -> Iterable[QueryPair]:
    for q in questions:
        key = f"{q.doc_id}\x1f{q.answer_start}\x1f{q.question}"
        yield QueryPair(
            id=hashlib.sha256(key.encode()).hexdigest()[:16],
            anchor=q.question,
            answer=q.answer,
            doc_id=q.doc_id,
            document=q.document,
            answer_start=q.answer_start,
            answer_end=q.answer_end,
            second=q.second,
            question_type=q.question_type,
            origin=Origin.SYNTHETIC,
            split=splits[q.document][1],
            group=splits[q.document][0],
        )


def mixed(train: Sequence[QueryPair], config: PairsConfig) -> list[QueryPair]:
    """Return training pairs with no more synthetic ones than the config wants, the same of all pairs and of a mix."""
    return _limited(train, _synthetic_room(train, config), config.seed)


def _synthetic_room(train: Sequence[QueryPair], config: PairsConfig) -> int:
    """Return how many synthetic pairs training takes: all it may where real ones are few, else in proportion."""
    counts = {Origin.REAL: 1.0, Origin.FEEDBACK: config.feedback_weight, Origin.SYNTHETIC: 0.0}
    n_real = sum(counts[pair.origin] for pair in train)
    room = max(config.synthetic_per_real * n_real, config.max_synthetic - 20 * n_real)
    return min(config.max_synthetic, int(room))


def _limited(pairs: Sequence[QueryPair], n_synthetic: int, seed: int) -> list[QueryPair]:
    """Return all pairs but the synthetic ones, of which a seeded draw stays, that more of them hardly changes."""
    synthetic = [pair for pair in pairs if pair.origin is Origin.SYNTHETIC]
    chosen = {pair.id for pair in _in_drawn_order(synthetic, seed)[:n_synthetic]}
    return [p for p in pairs if p.origin is not Origin.SYNTHETIC or p.id in chosen]


def _in_drawn_order(pairs: Iterable[QueryPair], seed: int) -> list[QueryPair]:
    return sorted(pairs, key=lambda pair: _draw(pair, seed))


def _draw(pair: QueryPair, seed: int) -> str:
    """Return a digest of what the pair says, not of its id, which for a real question depends on the home's key."""
    content = f"{seed}\x1f{pair.document}\x1f{pair.answer_start}\x1f{pair.answer_end}\x1f{pair.anchor}"
    return hashlib.sha256(content.encode()).hexdigest()


def _with_passages(
    pairs: Sequence[QueryPair], texts: Mapping[str, DocumentText], chunker: Chunker, config: PairsConfig
) -> list[QueryPair]:
    """Return the pairs with the passage that each is learned from."""
    done = []
    for pair in pairs:
        text, draw = texts[pair.doc_id].text, _draw(pair, config.seed)
        start, end = training_passage(
            text, pair.answer_start, pair.answer_end, draw, config.passage_tokens, chunker.windows, chunker.count
        )
        done.append(pair.model_copy(update={"positive": clean_text(text, [(start, end)])}))
    return done


def finder_of_personal_data(config: PairsConfig) -> "PersonalData | None":
    """Return what finds personal data, or None if it is not to be masked.

    :raises ConfigError: if it is, and what finds it is not installed.
    """
    if not config.mask_personal_data:
        return None
    from rag.pairs.personal_data import PersonalData

    return PersonalData(config.phone_regions)
