"""Files that came through the API: sealed at once, then read one after the other by a thread of its own.

The rows remember: what waited or was being read when the server stopped is taken up again by the next one. Should two
servers share a home and read the same file, the second finds it unchanged.
"""

import hashlib
import logging
from collections.abc import Sequence, Set
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from uuid import uuid4

from sqlmodel import col, func, select

from rag.config import Config
from rag.corpus.artifact import upload_artifact
from rag.corpus.ingestion import Upload, ingest_uploads, remove_refused
from rag.errors import EmptyCorpus
from rag.releases import refresh_release
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.columns import utc_now
from storage.errors import ArtifactMissing, RagloopError, SealBroken, StorageError
from storage.tables import UploadRow
from storage.upload import UNREAD, UploadState

logger = logging.getLogger(__name__)

_BATCH = 16
"""Files of one collection that are indexed together."""
_LOOK_S = 5.0
"""Between looks for files that another server took in, and did not live to read."""
_AGAIN_S = 10.0
"""Before a collection is tried again whose files could not be read or indexed, as for want of room."""


class Uploads:
    """The queue, and the thread that works it off."""

    def __init__(self, space: Workspace, config: Config) -> None:
        self._space, self._config = space, config
        self._new, self._closing = Event(), Event()
        self._changed: set[str] = set()
        """Collections whose production was changed, and may not hold all documents."""
        self._again_at: dict[str, float] = {}
        """When what could not be done with a collection is tried again."""
        self._thread = Thread(target=self._work, name="uploads", daemon=True)

    def start(self) -> None:
        """Begin with what waits."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the batch at hand."""
        self._closing.set()
        self._new.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def accept(self, collection: str, name: str, data: bytes) -> UploadRow:
        """Seal a file and have it read.

        :raises StorageError: if it cannot be kept.
        """
        row = UploadRow(
            id=uuid4().hex,
            collection=collection,
            name=name,
            state=UploadState.WAITING,
            content_sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            artifact_uri=upload_artifact(self._space.artifacts, data).uri,
        )
        with self._space.database.session() as session:
            session.add(row)
        self._new.set()
        return row

    def index(self, collection: str) -> None:
        """Have the documents as they stand brought in under the models that serve, after the files that wait."""
        self._changed.add(collection)
        self._new.set()

    def find(self, upload_id: str) -> UploadRow | None:
        """Return an upload as it stands."""
        with self._space.database.reading() as session:
            return session.get(UploadRow, upload_id)

    def n_waiting(self) -> int:
        """Return how many are not read yet."""
        with self._space.database.reading() as session:
            query = select(func.count()).select_from(UploadRow)
            return session.exec(query.where(col(UploadRow.state).in_(UNREAD))).one()

    def _work(self) -> None:
        while not self._closing.is_set():
            self._new.clear()
            try:
                if self._do_next():
                    continue
            except Exception:  # the queue outlives whatever happens to one batch
                logger.exception("uploads wait")
            self._new.wait(_LOOK_S)

    def _do_next(self) -> bool:
        """Read a batch, or index where production was changed; return whether there was anything to do."""
        now = monotonic()
        put_off = {collection for collection, again_at in self._again_at.items() if again_at > now}
        batch = self._next_batch(put_off)
        collection = batch[0].collection if batch else next(iter(self._changed - put_off), None)
        if collection is None:
            return False
        try:
            if batch:
                self._read(batch)
            else:
                self._changed.discard(collection)  # first: it may be changed again meanwhile
                with suppress(EmptyCorpus):  # all were deleted
                    refresh_release(self._space, collection, self._config)
        except Exception as error:
            self._put_off(collection, batch, error)
        return True

    def _next_batch(self, put_off: Set[str]) -> Sequence[UploadRow]:
        """Return the oldest uploads that wait, of one collection; those left in the middle of being read among them."""
        with self._space.database.reading() as session:
            waiting = select(UploadRow).where(col(UploadRow.state).in_(UNREAD))
            waiting = waiting.where(col(UploadRow.collection).not_in(put_off))
            oldest = session.exec(waiting.order_by(col(UploadRow.created_at)).limit(1)).first()
            if oldest is None:
                return ()
            same = waiting.where(UploadRow.collection == oldest.collection)
            rows = session.exec(same.order_by(col(UploadRow.created_at)).limit(_BATCH)).all()
            return list({row.name: row for row in reversed(rows)}.values())[::-1]  # versions of one file, one by one

    def _read(self, batch: Sequence[UploadRow]) -> None:
        """Read files of one collection and have them searched; one that nothing can be done with is read by itself."""
        space, collection = self._space, batch[0].collection
        self._mark(batch, UploadState.READING)
        uploads = [_upload(row) for row in batch]
        try:
            summary = ingest_uploads(space.artifacts, space.database, collection, uploads, self._config.chunking)
            refused = summary.refused
        except Exception as error:
            if isinstance(error, StorageError) and not isinstance(error, ArtifactMissing | SealBroken):
                raise  # it is not the file's fault
            if len(batch) > 1:
                for row in batch:
                    self._read([row])
                return
            refused = {batch[0].name: f"{_reason(error)}; then send it again"}
        for row in batch:
            if row.name in refused:
                self._mark([row], UploadState.REFUSED, refused[row.name])
        remove_refused(space.artifacts, space.database, uploads, refused)
        taken = [row for row in batch if row.name not in refused]
        if taken:
            refresh_release(space, collection, self._config)
            self._mark(taken, UploadState.DONE)

    def _put_off(self, collection: str, batch: Sequence[UploadRow], error: Exception) -> None:
        """Let a collection wait whose documents cannot be searched yet; the others go on."""
        why = _reason(error)
        logger.warning("the documents of %s wait, and are tried again: %s", collection, why)
        self._again_at[collection] = monotonic() + _AGAIN_S
        if not batch:
            self._changed.add(collection)
        self._mark(batch, UploadState.WAITING, f"it is not searched yet, and tried again: {why}")

    def _mark(self, rows: Sequence[UploadRow], state: UploadState, reason: str | None = None) -> None:
        with self._space.database.session() as session:
            for row in rows:
                now = session.get(UploadRow, row.id)
                if now is None or now.finished_at is not None:
                    continue  # it was refused, or its document deleted meanwhile
                now.state, now.reason = state, reason
                now.finished_at = utc_now() if state not in UNREAD else None


def _upload(row: UploadRow) -> Upload:
    ref = ArtifactRef.parse(row.artifact_uri)
    return Upload(name=row.name, sha256=row.content_sha256, n_bytes=row.size_bytes, ref=ref, sealed_at=row.created_at)


def _reason(error: Exception) -> str:
    """Return what to do about an error, in a line; what is no error of ours goes into the log."""
    if isinstance(error, RagloopError):
        return str(error)
    logger.error("uploads cannot be read", exc_info=error)
    return f"it failed ({type(error).__name__}): see the server's log"
