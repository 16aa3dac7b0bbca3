"""Questions written from the chunks -> the conversations that a chat model learns from, and is measured by."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rag.chat.dialogues import dialogues
from rag.chat.example import ChatExample, ExampleKind
from rag.chat.extraction import Asked, Fact, example, extract_facts, real_examples
from rag.chat.grounding import Library, grounded
from rag.chat.refusals import Sentences, refusals
from rag.chat.variations import title_of, variations
from rag.config import ChatDataConfig, PairsConfig
from rag.corpus.document import Chunk, DocumentText
from rag.pairs.assembly import finder_of_personal_data
from rag.pairs.pair import QueryPair, Split
from rag.pairs.vocabulary import Vocabulary
from rag.pairs.words import normalize
from rag.pairs.writer import SyntheticQuestion

if TYPE_CHECKING:
    from rag.pairs.personal_data import PersonalData


def assemble(
    synthetic: Sequence[SyntheticQuestion],
    real: Sequence[QueryPair],
    chunks: Sequence[Chunk],
    texts: Mapping[str, DocumentText],
    config: ChatDataConfig,
    pairs: PairsConfig,
) -> list[ChatExample]:
    """Make conversations of the questions; `texts` is by document id.

    Nobody's own words are trained on, no two training examples ask the same without passages, and nothing that
    measures is asked in the words of one.

    :raises ConfigError: if personal data is to be masked and what finds it is not installed.
    """
    plain = {doc_id: text.text for doc_id, text in texts.items()}
    facts = written = extract_facts(synthetic, plain, config.kept_out, config.seed)
    if (personal_data := finder_of_personal_data(pairs)) is not None:
        facts, real = _masked(written, personal_data), personal_data.masked_pairs(real, Counter())
    passages = [chunk.text for chunk in chunks]
    vocabulary, sentences = Vocabulary(passages), Sentences(passages)
    titles = {doc_id: title_of(text) for doc_id, text in texts.items()}
    examples = [made for fact in facts for made in _of_fact(fact, titles[fact.source.doc_id], config)]
    examples += dialogues(facts, titles, vocabulary, config.dialogue_share, config.seed)
    n_training = sum(made.split is Split.TRAIN for made in examples)
    n_refusals = round(n_training * config.refusal_share / (1 - config.refusal_share))
    examples += refusals(facts, sentences, vocabulary, n_refusals, config.seed)
    examples = _apart([*real_examples(real, facts), *examples])
    beside = grounded(examples, written, Library(chunks, texts), config) if config.grounded_share else []
    if personal_data is not None:
        beside = _with_masked_passages(beside, written, personal_data)
    return [*examples, *beside]


def _of_fact(fact: Fact, title: str, config: ChatDataConfig) -> Iterator[ChatExample]:
    """Yield a fact's questions and their variations.

    Variations that only measure are made without augmentation too. Of the facts that are not taught, one half is asked
    for where answers are calibrated, the other where they are evaluated; none in both.
    """
    n_held_out = config.held_out_variations
    n_trained = max(0, config.variations - n_held_out) if config.augment else 0
    taken: list[str] = [asked.question for asked in fact.asked]
    measured = Split.EVALUATION if int(fact.id, 16) % 2 else Split.VALIDATION
    split = Split.TRAIN if fact.trained else measured
    for place, asked in enumerate(fact.asked):
        yield _example(asked.question, asked.answer, ExampleKind.QUESTION, split, fact)
        key = f"{config.seed}:{fact.id}:{place}"
        varied = variations(asked.question, asked.answer, title, n_held_out + n_trained, key, taken)
        taken += varied
        for number, question in enumerate(varied):
            # Whether the first one evaluates differs from fact to fact, so that one alone serves both.
            measures = Split.EVALUATION if (number + int(fact.id, 16)) % 2 else Split.VALIDATION
            split_of_it = measures if number < n_held_out else Split.TRAIN
            if fact.trained or split_of_it is measured:
                yield _example(question, asked.answer, ExampleKind.VARIATION, split_of_it, fact)


def _example(question: str, answer: str, kind: ExampleKind, split: Split, fact: Fact) -> ChatExample:
    return example([question, answer], kind, split, fact.id, trained=fact.trained, source=fact.source)


def _masked(facts: Sequence[Fact], personal_data: "PersonalData") -> list[Fact]:
    """Return the facts without personal data."""
    masked: list[Fact] = []
    for fact in facts:
        *texts, before = personal_data.masked([*_said(fact), fact.source.before])[0]
        asked = tuple(Asked(*texts[place : place + 2]) for place in range(0, len(texts), 2))
        masked.append(replace(fact, asked=asked, source=fact.source.model_copy(update={"before": before})))
    return masked


def _with_masked_passages(
    examples: Sequence[ChatExample], facts: Sequence[Fact], personal_data: "PersonalData"
) -> list[ChatExample]:
    """Return the examples whose passages are without personal data; what the fact names has the fact's mask."""
    said = {fact.id: _said(fact) for fact in facts}
    masked: list[ChatExample] = []
    for each in examples:
        *earlier, question, answer = each.messages
        own = said.get(each.fact, [question.content])
        texts, _ = personal_data.masked([*own, *question.passages])
        told = question.model_copy(update={"passages": tuple(texts[len(own) :])})
        masked.append(each.model_copy(update={"messages": (*earlier, told, answer)}))
    return masked


def _said(fact: Fact) -> list[str]:
    return [text for asked in fact.asked for text in (asked.question, asked.answer)]


def _apart(examples: Sequence[ChatExample]) -> list[ChatExample]:
    """Return the examples without those that say again what another asks: real ones stay, then training ones."""
    order = {Split.TRAIN: 1, Split.VALIDATION: 2, Split.EVALUATION: 2}
    taken: set[tuple[str, ...]] = set()
    kept: set[int] = set()
    for place in sorted(range(len(examples)), key=lambda at: 0 if examples[at].real else order[examples[at].split]):
        asked = tuple(normalize(turn.content) for turn in examples[place].messages[:-1])
        if asked not in taken or examples[place].real:
            taken.add(asked)
            kept.add(place)
    return [made for place, made in enumerate(examples) if place in kept]


def statistics(examples: Sequence[ChatExample]) -> dict[str, object]:
    """Return how many examples there are, of which kind, split and document, of how many facts, in how many words."""
    taught = {made.fact for made in examples if made.split is Split.TRAIN and made.fact}
    kept_out = {made.fact for made in examples if not made.trained and not made.real}
    by_kind: dict[str, dict[str, int]] = {
        kind: {split: sum(m.kind is kind and m.split is split and not m.real for m in examples) for split in Split}
        for kind in ExampleKind
    }
    real = [made for made in examples if made.real]
    said = [made for made in examples if made.split is Split.TRAIN]
    return {
        "examples": len(examples),
        "by_kind": by_kind,
        "by_split": dict(Counter(made.split.value for made in examples)),
        "facts": {"trained": len(taught), "kept_out": len(kept_out)},
        "real": {"trained": sum(made.trained for made in real), "not_trained": sum(not made.trained for made in real)},
        "training_words": {
            "asked": sum(len(turn.content.split()) for made in said for turn in made.messages[:-1]),
            "beside": sum(len(text.split()) for made in said for turn in made.messages for text in turn.passages),
            "answered": sum(len(made.answer.split()) for made in said),
        },
        "by_document": dict(sorted(Counter(m.source.document for m in examples if m.source).items())),
    }
