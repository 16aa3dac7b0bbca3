"""What is asked where the public data is not, and who must not hear of each other."""

import json
from pathlib import Path

from quality.data import Dataset, Question

from tests.company import write_company, write_questions

TINY = Dataset(
    "tiny", {f"{name}.txt": f"The {name} is kept in the shed behind the mill." for name in ("rake", "saw", "axe")}, []
)


def company(folder: Path) -> Dataset:
    """Return the small company of the tests, for a run that needs no data."""
    documents = {path.name: path.read_text(encoding="utf-8") for path in sorted(write_company(folder / "c").iterdir())}
    lines = write_questions(folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    questions = [Question(one["id"], one["question"], one["answer"], one["document"], ()) for one in asked]
    return Dataset("company", documents, questions)


def halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return a dataset's documents as two collections, each with the questions about its own."""
    names = sorted(data.documents)
    both = []
    for place in range(2):
        own = {name: data.documents[name] for name in names[place::2]}
        both.append(Dataset(f"{data.name}-{place}", own, [q for q in data.questions if q.document in own]))
    return both[0], both[1]
