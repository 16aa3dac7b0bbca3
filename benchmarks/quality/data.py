"""The public data: documents, and questions with the spans that answer them. Read where it lies, never copied."""

import csv
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SEED = 13
FOLDS = "BCD"
"""Splits made of the articles of covidqa's `train.jsonl`, about 280 questions each; A is `dev.jsonl`."""
QUICK_ARTICLES, QUICK_PARAGRAPHS, QUICK_QUESTIONS = 4, 20, 20


class Question(NamedTuple):
    """A question and where its answer stands."""

    id: str
    text: str
    answer: str
    document: str
    spans: tuple[tuple[int, int], ...]
    """Characters of the document that answer it, each enough; none: any passage of the document does."""


class Dataset(NamedTuple):
    """Documents by name, and the questions about them."""

    name: str
    documents: dict[str, str]
    questions: list[Question]


def data_root() -> Path:
    """Return the folder of the data; without it, end with one line and status 2."""
    given = os.environ.get("RAGLOOP_BENCH_DATA", "")
    if not given or not Path(given, "covidqa", "train.jsonl").is_file():
        print(
            f"no data in RAGLOOP_BENCH_DATA ({given or 'not set'}): name a folder with covidqa in it", file=sys.stderr
        )
        raise SystemExit(2)
    return Path(given)


def covidqa(root: Path, quick: bool = False) -> Dataset:
    """Load 98 scientific articles and experts' questions; `quick` takes the shortest of the asked ones."""
    folder = root / "covidqa"
    texts = {path.name: path.read_bytes().decode() for path in sorted(folder.glob("documents/*.txt"))}
    dev, train = ([_span(line) for line in _lines(folder / f"{part}.jsonl")] for part in ("dev", "train"))
    if quick:
        names = {n for part in (dev, train) for n in _shortest(texts, {q.document for q in part}, QUICK_ARTICLES)}
        texts = {name: text for name, text in texts.items() if name in names}
    return Dataset("covidqa", texts, [question for question in [*dev, *train] if question.document in texts])


def covidqa_splits(root: Path, dataset: Dataset) -> dict[str, frozenset[str]]:
    """Return the held-out articles of each split: A, those of `dev.jsonl`; B, C and D, folds of the others."""
    asked = Counter(question.document for question in dataset.questions)
    dev = {_span(line).document for line in _lines(root / "covidqa" / "dev.jsonl")}
    articles = sorted(asked.keys() - dev)
    random.Random(SEED).shuffle(articles)
    folds: dict[str, set[str]] = {name: set() for name in FOLDS}
    for article in articles:
        least = min(FOLDS, key=lambda name: sum(asked[other] for other in folds[name]))
        folds[least].add(article)
    return {"A": frozenset(asked.keys() & dev)} | {name: frozenset(fold) for name, fold in folds.items()}


def xquad(root: Path, quick: bool = False) -> Dataset:
    """Load 240 paragraphs of an encyclopaedia, each a document, and 1,190 questions about them."""
    content = json.loads((root / "xquad" / "xquad.en.json").read_bytes())
    paragraphs = [paragraph for article in content["data"] for paragraph in article["paragraphs"]]
    paragraphs = paragraphs[:QUICK_PARAGRAPHS] if quick else paragraphs
    names = [f"{place:03d}.txt" for place in range(len(paragraphs))]
    questions = [
        Question(asked["id"], asked["question"], asked["answers"][0]["text"], name, ())
        for name, paragraph in zip(names, paragraphs, strict=True)
        for asked in paragraph["qas"]
    ]
    texts = {name: paragraph["context"] for name, paragraph in zip(names, paragraphs, strict=True)}
    return Dataset("xquad", texts, questions[:QUICK_QUESTIONS] if quick else questions)


def chunkeval(root: Path, quick: bool = False) -> list[Dataset]:
    """Load five corpora of one long document each, with questions whose answers may stand in several places."""
    folder = root / "chunkeval"
    csv.field_size_limit(2**30)
    with (folder / "questions_df.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    datasets = []
    for corpus in ["chatlogs"] if quick else sorted({row["corpus_id"] for row in rows}):
        name = f"{corpus}.md"
        own = [row for row in rows if row["corpus_id"] == corpus][: QUICK_QUESTIONS if quick else None]
        questions = [_referenced(f"{corpus}-{i}", row, name) for i, row in enumerate(own)]
        datasets.append(Dataset(f"chunkeval-{corpus}", {name: (folder / name).read_bytes().decode()}, questions))
    return datasets


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _span(line: dict[str, str]) -> Question:
    span = (int(line["answer_start"]), int(line["answer_end"]))
    return Question(line["id"], line["question"], line["answer"], line["document"], (span,))


def _referenced(id_: str, row: dict[str, str], document: str) -> Question:
    references = json.loads(row["references"])
    spans = tuple((reference["start_index"], reference["end_index"]) for reference in references)
    return Question(id_, row["question"], references[0]["content"], document, spans)


def _shortest(texts: dict[str, str], names: Iterable[str], n: int) -> list[str]:
    return sorted(names, key=lambda name: (len(texts[name]), name))[:n]
