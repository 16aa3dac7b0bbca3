"""Answers to some of the questions that measure a release: sealed as they come, so that none is paid for twice."""

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from rag.answering.answer import Answer
from rag.llm.bill import Bill
from storage.artifacts import Draft

if TYPE_CHECKING:
    from rag.answering.opening import ModelPool

_SUFFIX = ".answer"
_BILLS = "bills"
_BY_GENERATOR = TypeAdapter(dict[str, Bill])


class PaidAnswers:
    """In the scratch of the answers that are being made: it goes once they are whole, or with what they are made of."""

    def __init__(self, draft: Draft) -> None:
        """Read what the runs before this one were billed."""
        self._scratch, self._sealer, self._ref = draft.scratch, draft.sealer, draft.ref
        there = (self._scratch / _BILLS).exists()
        self._before = _BY_GENERATOR.validate_json(self._open(_BILLS)) if there else {}

    def answers(self) -> dict[int, Answer]:
        """Return the answers of the runs before this one, by the places of their questions."""
        return {
            int(path.stem): Answer.model_validate_json(self._open(path.name))
            for path in self._scratch.glob(f"*{_SUFFIX}")
        }

    def keep(self, place: int, answer: Answer, pool: "ModelPool") -> None:
        """Seal an answer, and what all so far were billed."""
        self._seal(f"{place}{_SUFFIX}", answer.model_dump_json().encode())
        self._seal(_BILLS, _BY_GENERATOR.dump_json(self.bills(pool)))

    def bills(self, pool: "ModelPool") -> dict[str, Bill]:
        """Return what the language models took, by generator, in this run and those before it."""
        now = {name: model.bill for name, model in pool.models.items()}
        return self._before | {
            name: self._before[name].plus(bill.model_dump()) if name in self._before else bill
            for name, bill in now.items()
        }

    def _seal(self, name: str, data: bytes) -> None:
        self._sealer.write_sealed(self._scratch / name, data, self._place(name))

    def _open(self, name: str) -> bytes:
        return self._sealer.read_sealed(self._scratch / name, self._place(name))

    def _place(self, name: str) -> str:
        return f"{self._ref.name}/scratch/{name}"
