"""What was asked and answered, sealed, written as soon as it is answered: so that no prompt is paid twice."""

from collections.abc import Mapping, Set
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.folders import check_name
from storage.sealing import Sealer


class Record(BaseModel):
    """One prompt's answer, if it has one, and all that it took so far."""

    model_config = ConfigDict(frozen=True)

    text: str | None = None
    about: tuple[str, ...] = ()
    """Ids of the documents whose text was shown to the model."""
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    garbled: int = 0
    """Answers that could not be used: malformed or cut short."""
    unmetered: int = 0

    def plus(self, counts: Mapping[str, int], text: str | None = None, about: tuple[str, ...] = ()) -> "Record":
        """Return the record with more counted, by field, and with the answer if there is one now."""
        added = {name: getattr(self, name) + n for name, n in counts.items()}
        said = {"text": self.text if text is None else text, "about": about or self.about}
        return self.model_copy(update={**added, **said})


class Ledger:
    """Records by the digest of their prompt, one sealed file each, in a folder that outlives runs and configs."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder = folder
        self._sealer = sealer

    def read(self, digest: str) -> Record:
        """Return a prompt's record, an empty one if it was never asked.

        :raises SealBroken: if it was altered.
        """
        path = self._path(digest)
        if not path.exists():
            return Record()
        try:
            return Record.model_validate_json(self._sealer.read_sealed(path, _place(digest)))
        except ValidationError:  # written by another version: what it says of the answer cannot be trusted
            return Record()

    def write(self, digest: str, record: Record) -> None:
        """Keep a prompt's record; it is on the disk when this returns.

        :raises StorageError: if it cannot be written.
        """
        self._sealer.write_sealed(self._path(digest), record.model_dump_json().encode(), _place(digest))

    def forget(self, doc_ids: Set[str]) -> int:
        """Remove the answers about any of these documents, and those that do not say what they are about.

        The latter are of little worth: they reword questions, or come from a version that noted no documents. Returns
        how many there were.
        """
        n_removed = 0
        for path in self._folder.glob("*/*.encrypted"):
            record = self.read(path.stem)
            if record.text is not None and (not record.about or not doc_ids.isdisjoint(record.about)):
                path.unlink(missing_ok=True)
                n_removed += 1
        return n_removed

    def _path(self, digest: str) -> Path:
        return self._folder / check_name(digest)[:2] / f"{digest}.encrypted"


def _place(digest: str) -> str:
    return f"ledger/{digest}"
