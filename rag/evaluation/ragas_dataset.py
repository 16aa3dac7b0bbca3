"""Evaluation sets as ragas' evaluation datasets: JSON lines of questions with what was retrieved and answered."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from rag.evaluation.sample import EvaluationSample
from rag.pairs.json_lines import JsonLines, file_lines
from storage.plain_files import write_plain_files

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Row(BaseModel):
    """One line; other fields of it are passed over."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: _Text | None = None
    user_input: _Text
    response: str | None = None
    retrieved_contexts: tuple[str, ...] | None = None
    reference: str | None = None
    reference_contexts: tuple[str, ...] | None = None


def export_ragas(file: Path, samples: Sequence[EvaluationSample]) -> Path:
    """Write a plain file of mode 0600 that `ragas.EvaluationDataset.from_jsonl` reads; return its path.

    :raises StorageError: if it cannot be written.
    """
    return write_plain_files(file.parent, {file.name: map(_line, samples)})[file.name]


def import_ragas(file: Path) -> list[EvaluationSample]:
    """Read an evaluation dataset of single questions; one without an id is called by its line.

    :raises BadQuestions: with the number of the line that cannot be used.
    """
    read = JsonLines(str(file), file_lines(file), "nothing was imported")
    samples: dict[str, EvaluationSample] = {}
    for line, fields in read:
        if isinstance(fields.get("user_input"), list):
            raise read.broken(line, "is a conversation of several turns", "give single questions")
        given = read.parse(_Row, fields, line)
        id_ = given.id or str(line)
        if id_ in samples:
            raise read.broken(line, f'id "{id_}" is that of an earlier line', "give each its own id")
        samples[id_] = EvaluationSample(
            id=id_,
            question=given.user_input,
            answer=given.response,
            contexts=given.retrieved_contexts,
            reference=given.reference or "",
            reference_contexts=given.reference_contexts or (),
        )
    return list(samples.values())


def _line(sample: EvaluationSample) -> str:
    fields = {
        "id": sample.id,
        "user_input": sample.question,
        "retrieved_contexts": sample.contexts,
        "response": sample.answer,
        "reference": sample.reference or None,
        "reference_contexts": sample.reference_contexts or None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False) + "\n"
