"""Real and synthetic questions -> the pairs of a run: each with its split and its passage, none twice, none leaking."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rag.config import Config, PairsConfig
from rag.corpus.chunking import Chunker
from rag.corpus.cleaning import clean_text
from rag.corpus.document import DocumentText
from rag.pairs.alignment import Evidence, align
from rag.pairs.collection import alignable
from rag.pairs.filters import assert_no_leak, deduplicate, drop_leaks
from rag.pairs.pair import Origin, QueryPair, QuestionType, Split
from rag.pairs.positives import training_passage
from rag.pairs.questions_file import RealQuestion
from rag.pairs.writer import SyntheticQuestion
from storage.tables import QueryPairRow

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


def assemble(
    real: Sequence[QueryPairRow],
    synthetic: Sequence[SyntheticQuestion],
    texts: Mapping[str, DocumentText],
    splits: Mapping[str, tuple[str, Split]],
    config: Config,
) -> tuple[SplitPairs, dict[str, Any]]:
    """Return the pairs and the counts of what was kept and dropped. `texts` is by document id, `splits` by name.

    :raises LeakFound: if a training or validation pair touches the evaluation set all the same.
    """
    found, n_lost = _real_pairs(real, texts, splits)
    kept, doubles = deduplicate([*found, *_synthetic_pairs(synthetic, splits)])
    parts = {split: [p for p in kept if p.split is split] for split in Split}
    evaluation = _limited(parts[Split.EVALUATION], config.pairs.max_synthetic_questions, config.pairs.seed)
    train, train_leaks = drop_leaks(parts[Split.TRAIN], evaluation)
    validation, validation_leaks = drop_leaks(parts[Split.VALIDATION], evaluation)
    validation = _limited(validation, config.pairs.max_synthetic_questions, config.pairs.seed)
    train = _limited(train, _synthetic_room(train, config.pairs), config.pairs.seed)
    assert_no_leak([*train, *validation], evaluation)
    chunker = Chunker(config.chunking)
    pairs = SplitPairs(*(_with_passages(p, texts, chunker, config.pairs) for p in (train, validation, evaluation)))
    counts = {
        "pairs": {split: dict(Counter(p.origin for p in pairs.of(split))) for split in Split},
        "by_type": dict(Counter(p.question_type for part in pairs for p in part)),
        "dropped": {
            "duplicates": len(doubles),
            "leaks": train_leaks + validation_leaks,
            "no_longer_in_documents": n_lost,
        },
    }
    return pairs, counts


def _real_pairs(
    rows: Sequence[QueryPairRow], texts: Mapping[str, DocumentText], splits: Mapping[str, tuple[str, Split]]
) -> tuple[list[QueryPair], int]:
    """Return the pairs of real questions; one whose document has a new version is looked up in that by its answer."""
    documents = {doc_id: alignable(doc_id, text) for doc_id, text in texts.items()}
    pairs: list[QueryPair] = []
    for row in rows:
        document, place = row.document, (row.doc_id, row.answer_start, row.answer_end)
        if row.doc_id not in texts:
            question = RealQuestion(question=row.anchor, answer=row.answer, document=row.document, line=0)
            moved = align(question, documents)
            if not isinstance(moved, Evidence):
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
    return pairs, len(rows) - len(pairs)


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
            question_type=q.question_type,
            origin=Origin.SYNTHETIC,
            split=splits[q.document][1],
            group=splits[q.document][0],
        )


def _synthetic_room(train: Sequence[QueryPair], config: PairsConfig) -> int:
    """Return how many synthetic pairs training takes: all it may where real ones are few, else in proportion."""
    n_real = sum(p.origin is not Origin.SYNTHETIC for p in train)
    return min(config.max_synthetic, max(int(config.synthetic_per_real * n_real), config.max_synthetic - 20 * n_real))


def _limited(pairs: Sequence[QueryPair], n_synthetic: int, seed: int) -> list[QueryPair]:
    """Return all pairs but the synthetic ones, of which a seeded draw stays, that more of them hardly changes."""
    synthetic = [p.id for p in pairs if p.origin is Origin.SYNTHETIC]
    chosen = set(sorted(synthetic, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())[:n_synthetic])
    return [p for p in pairs if p.origin is not Origin.SYNTHETIC or p.id in chosen]


def _with_passages(
    pairs: Sequence[QueryPair], texts: Mapping[str, DocumentText], chunker: Chunker, config: PairsConfig
) -> list[QueryPair]:
    """Return the pairs with the passage that each is learned from."""
    done = []
    for pair in pairs:
        text = texts[pair.doc_id].text
        start, end = training_passage(
            text, pair.answer_start, pair.answer_end, pair.id, config.passage_tokens, chunker.windows, chunker.count
        )
        done.append(pair.model_copy(update={"positive": clean_text(text, [(start, end)])}))
    return done
