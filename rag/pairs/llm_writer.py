"""The question writer with a language model: questions with quoted evidence, checked against the chunk they are from.

A question counts only if the sentence that the model quotes for it stands in the chunk (as in ALCE, Gao et al. 2023,
where a statement counts only with its citation). What is missing is asked for again, what is too much is trimmed.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rag.config import SynthesisConfig
from rag.corpus.document import Chunk
from rag.errors import LanguageModelUnavailable
from rag.llm.language_model import Ask, LanguageModel, Unanswered
from rag.llm.protocol import Prompt
from rag.pairs.assignments import Assignment, assigned, comparison
from rag.pairs.groundedness import Groundedness
from rag.pairs.llm_prompts import (
    Written,
    WrittenQuestion,
    answers_prompt,
    parse_answers,
    parse_questions,
    questions_prompt,
)
from rag.pairs.pair import QuestionType
from rag.pairs.quotations import locate
from rag.pairs.relatedness import related_pairs
from rag.pairs.words import normalize, words
from rag.pairs.writer import SyntheticQuestion

logger = logging.getLogger(__name__)

_PAIRS_TRIED = 3
"""Pairs of chunks that are tried for each comparison wanted."""
_IMPROVING_TEMPERATURE = 0.2
_SHOWN_REFUSALS = 3
_POINTS_AT_TEXT = re.compile(
    r"\b(?:the|this|these|above|given|following) (?:passages?|texts?|excerpts?|paragraphs?|documents?|sentences?)\b|"
    r"\bpassage [12]\b",
    re.IGNORECASE,
)


class LanguageModelWriter:
    """Writes with one language model, and counts."""

    def __init__(self, model: LanguageModel, style: Sequence[str], min_groundedness: float) -> None:
        """Take real questions to write alike, which must come from training documents.

        :param min_groundedness: least share of an answer's words that stand in its evidence or question.
        """
        self._model = model
        self._style = style
        self._min_groundedness = min_groundedness
        self._groundedness = Groundedness()
        self._asked = {normalize(question) for question in style}
        self._wanted: Counter[QuestionType] = Counter()
        self._written: Counter[QuestionType] = Counter()
        self._refused: Counter[str] = Counter()
        self._too_large: list[str] = []
        self._improved = 0

    def write(
        self, chunks: Sequence[Chunk], config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[SyntheticQuestion]:
        """Write `questions_per_chunk` questions a chunk, fewer for short ones, and comparisons over two of them.

        :raises LanguageModelUnavailable: if the model cannot be asked; what it has answered stays in its ledger.
        """
        works = [work for chunk in chunks if (work := assigned(chunk, config)) is not None]
        wanted = sum((work.wanted for work in works), Counter[QuestionType]())
        n_compared = round(wanted.total() * config.comparative_share / (1 - config.comparative_share))
        done = self._carry_out(works, config, texts)
        done += self._compare(chunks, n_compared, config, texts)
        self._wanted += wanted + Counter({QuestionType.COMPARATIVE: n_compared})
        questions = [question for work in done for question in work.written]
        if config.improve_answers:
            questions = self._improve(done, config, texts)
        self._written += Counter(question.question_type for question in questions)
        logger.info("%s wrote %d of %d questions", self._model.provider.model, len(questions), self._wanted.total())
        return questions

    def facts(self) -> dict[str, Any]:
        """Return what was wanted and written by type, what was refused and why, and the bill.

        :raises LanguageModelUnavailable: if no question at all could be used.
        """
        if self._wanted and not self._written:
            why = ", ".join(f"{reason}: {n}" for reason, n in self._refused.most_common(3))
            raise LanguageModelUnavailable(
                f"{self._model.provider.model} wrote no usable question ({why or 'no prompt was answered'}): choose "
                "another model with synthesis.llm.model, or another synthesis.writer"
            )
        bill = self._model.bill.model_dump()
        return {
            "model": self._model.provider.model,
            "wanted": dict(self._wanted),
            "missing": dict(self._wanted - self._written),
            "refused": dict(self._refused),
            "too_large": len(self._too_large),
            "answers_improved": self._improved,
            "style_examples": len(self._style),
            "bill": {**bill, "cost_usd": self._model.cost_usd},
        }

    def _compare(
        self, chunks: Sequence[Chunk], n_wanted: int, config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[Assignment]:
        """Ask for comparisons of related chunks until there are enough, or no more pairs to try."""
        pairs = iter(related_pairs(chunks)[: _PAIRS_TRIED * n_wanted] if n_wanted else ())
        done: list[Assignment] = []
        while (n_missing := n_wanted - sum(len(work.written) for work in done)) > 0:
            works = [comparison(one, other, config) for _, (one, other) in zip(range(n_missing), pairs, strict=False)]
            if not works:
                break
            done += self._carry_out(works, config, texts)
        return done

    def _carry_out(
        self, works: list[Assignment], config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[Assignment]:
        """Ask until each work has what it wants, is given up, or its turns are used; return all, with their parts."""
        done: list[Assignment] = []
        while works:
            asks = [Ask(self._prompt(work, config), parse_questions, _documents(work.chunks)) for work in works]
            outcomes = self._model.ask_all(asks, "writing questions")
            following: list[Assignment] = []
            for work, outcome in zip(works, outcomes, strict=True):
                if isinstance(outcome, Unanswered):
                    parts = work.parts() if outcome.too_large else []
                    if outcome.too_large and not parts:
                        self._refuse_too_large(work, outcome)
                    following += parts
                    done += [] if parts else [work]
                    continue
                self._take(work, outcome, texts)
                if work.missing and work.turn < config.rounds:
                    following.append(replace(work, turn=work.turn + 1))
                else:
                    done.append(work)
            works = following
        return done

    def _prompt(self, work: Assignment, config: SynthesisConfig) -> Prompt:
        return questions_prompt(
            passages=[(chunk.document, text) for chunk, text in zip(work.chunks, work.passages, strict=True)],
            wanted=work.missing,
            style=self._style,
            written=[question.question for question in work.written],
            refused=work.refused[-_SHOWN_REFUSALS:],
            max_tokens=config.llm.max_tokens,
            temperature=config.llm.temperature,
            turn=work.turn,
        )

    def _take(self, work: Assignment, outcome: Written, texts: Mapping[str, str]) -> None:
        """Add what can be used of an answer to a work, of each type as much as is missing."""
        self._refused["malformed"] += outcome.malformed
        for asked in outcome.questions:
            found = self._checked(work, asked, texts)
            if isinstance(found, SyntheticQuestion):
                self._asked.add(normalize(found.question))
                work.written.append(found)
            else:
                self._refused[found] += 1
                work.refused.append(f"{asked.question} ({found})")
        self._refused = +self._refused

    def _checked(self, work: Assignment, asked: WrittenQuestion, texts: Mapping[str, str]) -> SyntheticQuestion | str:
        """Return a question with its evidence, or why it cannot be used."""
        if not work.missing[asked.type]:
            return "more than was asked for"
        question = " ".join(asked.question.split())
        if not 3 <= len(words(question)) <= 45:
            return "too short or too long"
        if _POINTS_AT_TEXT.search(question):
            return "points at the text"
        if normalize(question) in self._asked:
            return "asked already"
        quotes = (asked.quote, asked.other_quote)[: len(work.chunks)]
        spans = []
        for chunk, quote in zip(work.chunks, quotes, strict=True):
            span = locate(quote, texts[chunk.doc_id], chunk.char_start, chunk.char_end)
            if span is None:
                return "its quote is not in the passage"
            spans.append((chunk.doc_id, *span))
        evidence = " ".join(" ".join(texts[doc_id][start:end].split()) for doc_id, start, end in spans)
        if normalize(question) in normalize(evidence):
            return "repeats its evidence"
        first = work.chunks[0]
        return SyntheticQuestion(
            question=question,
            answer=self._grounded(asked.answer, evidence, question) or evidence,
            doc_id=first.doc_id,
            document=first.document,
            chunk_ids=tuple(chunk.chunk_id for chunk in work.chunks),
            answer_start=spans[0][1],
            answer_end=spans[0][2],
            question_type=asked.type,
            form=self._model.provider.name,
            second=spans[1] if len(spans) > 1 else None,
        )

    def _grounded(self, answer: str, evidence: str, question: str) -> str | None:
        """Return an answer on one line, or None if it says what its evidence does not."""
        grounding = self._groundedness.of(answer, evidence, question)
        if grounding.share < self._min_groundedness or grounding.foreign_numbers:
            return None
        return " ".join(answer.split())

    def _improve(
        self, works: Iterable[Assignment], config: SynthesisConfig, texts: Mapping[str, str]
    ) -> list[SyntheticQuestion]:
        """Return the works' questions with better answers; where none comes, or it is not grounded, the first stays."""
        groups = [work.written for work in works if work.written]
        asks = []
        for group in groups:
            drafts = [(question.question, _evidence(question, texts), question.answer) for question in group]
            prompt = answers_prompt(drafts, config.llm.max_tokens, min(config.llm.temperature, _IMPROVING_TEMPERATURE))
            about = tuple({span[0] for question in group for span in _spans(question)})
            asks.append(Ask(prompt, partial(parse_answers, n_answers=len(group)), about))
        outcomes = self._model.ask_all(asks, "improving answers")
        questions: list[SyntheticQuestion] = []
        for group, outcome in zip(groups, outcomes, strict=True):
            answers = [None] * len(group) if isinstance(outcome, Unanswered) else outcome
            for question, answer in zip(group, answers, strict=True):
                better = answer and self._grounded(answer, _evidence(question, texts), question.question)
                self._improved += bool(better)
                questions.append(replace(question, answer=better) if better else question)
        return questions

    def _refuse_too_large(self, work: Assignment, outcome: Unanswered) -> None:
        names = " and ".join(chunk.chunk_id for chunk in work.chunks)
        logger.warning("not asked about %s: %s", names, outcome.reason)
        self._too_large.append(names)


def _evidence(question: SyntheticQuestion, texts: Mapping[str, str]) -> str:
    return " ".join(" ".join(texts[doc_id][start:end].split()) for doc_id, start, end in _spans(question))


def _spans(question: SyntheticQuestion) -> list[tuple[str, int, int]]:
    first = (question.doc_id, question.answer_start, question.answer_end)
    return [first, question.second] if question.second else [first]


def _documents(chunks: Sequence[Chunk]) -> tuple[str, ...]:
    return tuple({chunk.doc_id for chunk in chunks})
