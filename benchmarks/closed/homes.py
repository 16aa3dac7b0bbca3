"""The homes of the arms: one first release, and a copy of its rows for each arm and each round, over one store."""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from quality.data import Dataset, Question
from serving.processes import ROOT
from sqlmodel import col, select

from rag.pairs.pair import Split
from rag.settings import Settings
from rag.workspace import Workspace
from storage.tables import DocumentRow

from .plan import ASKED, DEV, HELD_OUT, LABELLED, VALIDATION

SPLITS = {
    LABELLED: Split.EVALUATION,
    DEV: Split.TRAIN,
    HELD_OUT: Split.EVALUATION,
    VALIDATION: Split.VALIDATION,
    ASKED: Split.TRAIN,
}
"""Of DEV, as of articles that nobody asks about, questions are written; of what judges or is held out, nothing is."""
_DATABASE, _MARK = "ragloop.db", "home.json"


class Home:
    """A home and its server's config, in a folder as `serving.processes.serving` lays it out."""

    def __init__(self, folder: Path, artifacts: Path, profile: str) -> None:
        self.folder, self.artifacts, self.profile = folder, artifacts, profile
        self.held_by: tuple[int, ...] = ()
        """The file descriptor that whatever is started on this home inherits."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from the home as long as this process or what it has started there lives, were it killed itself.

        :raises SystemExit: if somebody has it.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told = "another run, or what a killed one had started, is at work in"
                raise SystemExit(f"{told} {self.folder}: wait for its end, or end it") from None
            self.held_by = (lock.fileno(),)
            try:
                yield
            finally:
                self.held_by = ()

    @property
    def environment(self) -> dict[str, str]:
        """What a command on this home is started with."""
        return os.environ | {
            "RAGLOOP_HOME": str(self.folder / "home"),
            "RAGLOOP_KEY_FILE": str(self.folder / "keyring.json"),
            "RAGLOOP_ARTIFACT_ROOT": str(self.artifacts),
            "RAGLOOP_PROFILE": self.profile,
        }

    def command(self, *arguments: str) -> str:
        """Run a command of ragloop and return what it prints; what it says goes to this process's own.

        :raises SystemExit: if it fails.
        """
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, check=False, text=True, pass_fds=self.held_by,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"`ragloop {' '.join(arguments)}` ended with status {done.returncode} in {self.folder}")
        return done.stdout

    def open(self) -> Workspace:
        """Open it in this process."""
        return Workspace.open(
            Settings(
                home=self.folder / "home",
                key_file=self.folder / "keyring.json",
                keyring=None,
                database_url=None,
                artifact_root=str(self.artifacts),
            )
        )

    def copy_to(self, other: "Home") -> None:
        """Make another home with the same rows, under the same key."""
        (other.folder / "home").mkdir(parents=True, exist_ok=True)
        for name in (f"home/{_MARK}", "keyring.json"):
            shutil.copy2(self.folder / name, other.folder / name)
        _copy_rows(self.folder / "home" / _DATABASE, other.folder / "home" / _DATABASE)

    def keep(self, round_: int) -> None:
        """Keep the rows as they are before a round; the home may be in use."""
        draft = self._kept(round_).with_suffix(".unfinished")
        _copy_rows(self.folder / "home" / _DATABASE, draft)
        draft.rename(self._kept(round_))

    def go_back(self, round_: int) -> None:
        """Bring back the rows as they were before a round, if it had begun when it was killed; nothing may use it."""
        if self._kept(round_).exists():
            _copy_rows(self._kept(round_), self.folder / "home" / _DATABASE)

    def _kept(self, round_: int) -> Path:
        return self.folder / f"before-round-{round_}.db"


def first_home(home: Home, data: Dataset, labelled: Iterable[Question], parts: Mapping[str, str]) -> None:
    """Ingest the articles, import what is labelled, and say which articles judge, unless that is done."""
    done = home.folder / "done"
    if done.exists():
        return
    shutil.rmtree(home.folder, ignore_errors=True)
    (home.folder / "documents").mkdir(parents=True)
    for name, text in data.documents.items():
        (home.folder / "documents" / name).write_bytes(text.encode())
    home.command("ingest", str(home.folder / "documents"), "-c", data.name)
    lines = [json.dumps(_line(question)) for question in labelled]
    questions = home.folder / "labelled.jsonl"
    questions.write_text("\n".join(lines), encoding="utf-8")
    home.command("pairs", "import", str(questions), "-c", data.name)
    space = home.open()
    with space.database.session() as session:
        for row in session.exec(select(DocumentRow).where(col(DocumentRow.collection) == data.name)).all():
            row.split = SPLITS[parts[row.name]] if row.name in parts else Split.TRAIN
    done.touch()


def _line(question: Question) -> dict[str, str | int]:
    start, end = question.spans[0]
    place = {"document": question.document, "answer_start": start, "answer_end": end}
    return {"id": question.id, "question": question.text, "answer": question.answer, **place}


def _copy_rows(source: Path, target: Path) -> None:
    """Copy a database as it stands, though somebody may have it open."""
    for name in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        name.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as rows, closing(sqlite3.connect(target)) as copy:
        rows.backup(copy)
