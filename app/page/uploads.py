"""Files on their way to the API: held from the click on, and sent and followed by a thread, whatever page is open."""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic

from app.page.client import Api, ApiError

_LOOK_S, _MOST_LOOK_S = 1.0, 5.0
"""Between two looks at a file that is being read: at first, and at most, for it grows with each look in vain."""
_SLOWER = 1.5
_AGAIN_S = 5.0
"""Before a file is tried again that could not be sent or looked at."""
_FOR_NOW = (None, 401, 429, 502, 503, 504)
"""What the API answers, if it does, to a file that it may take later."""
_GONE = "the server does not know it any more: see whether it is among the documents, else add it again"


@dataclass
class File:
    """A file that was added."""

    name: str
    data: bytes | None
    """None once it is sent."""
    id: str | None = None
    """Of the upload, once it is sent."""
    refused: str | None = None
    """Why it was not taken."""
    done: bool = False
    """It is searched."""

    @property
    def open(self) -> bool:
        """Whether it is not known yet what becomes of it."""
        return not self.done and self.refused is None


class Uploads:
    """The files that a person added to one collection. For several threads."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self.files: list[File] = []
        self.wrong: str | None = None
        """Why nothing goes on just now."""
        self._lock, self._added = Lock(), Event()
        self._thread: Thread | None = None
        self._again_at = 0.0

    @property
    def open(self) -> list[File]:
        """Those of which it is not known yet what becomes of them."""
        return [each for each in self.files if each.open]

    def add(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Hold files, each a name and its bytes; those before them that are done, or are replaced, are forgotten."""
        new = [File(name, data) for name, data in files]
        names = {each.name for each in new}
        with self._lock:
            self.files = [each for each in self.files if each.open or (each.refused and each.name not in names)] + new
        self._added.set()

    def dismiss(self) -> None:
        """Forget what is known of all that are not open."""
        with self._lock:
            self.files = self.open

    def go_on(self, api: Api) -> None:
        """Send and follow what is open, in a thread that ends with it, or once the API does not take it."""
        with self._lock:
            at_work = self._thread is not None and self._thread.is_alive()
            if self.open and not at_work and monotonic() >= self._again_at:
                self._thread = Thread(target=self._work, args=(api,), name="upload", daemon=True)
                self._thread.start()

    def _work(self, api: Api) -> None:
        wait_s = _LOOK_S
        try:
            while files := self.open:
                unsent = next((each for each in files if each.id is None), None)
                if unsent:
                    self._send(api, unsent)
                elif self._look(api, files[0]):  # they are read in turn: those behind it need not be asked for
                    wait_s = _LOOK_S
                else:
                    self._added.wait(wait_s)
                    self._added.clear()
                    wait_s = min(wait_s * _SLOWER, _MOST_LOOK_S)
                self.wrong = None
        except ApiError as error:
            self.wrong, self._again_at = str(error), monotonic() + _AGAIN_S

    def _send(self, api: Api, file: File) -> None:
        assert file.data is not None
        try:
            file.id = api.upload(self._collection, file.name, file.data)["id"]
        except ApiError as error:
            if error.status in _FOR_NOW:
                raise
            file.refused = str(error)
        file.data = None

    def _look(self, api: Api, file: File) -> bool:
        """Say whether it is known by now what became of a file."""
        assert file.id is not None
        try:
            found = api.uploaded(file.id)
        except ApiError as error:
            if error.status != 404:
                raise
            found = {"state": "refused", "reason": _GONE}
        if found["state"] == "refused":
            file.refused = found["reason"]
        file.done = found["state"] == "done"
        return not file.open
