"""Files that came through the API: sealed at once, then read one after the other by a thread of its own.

The rows remember: what waited or was being read when the server stopped is taken up again by the next one. Should two
servers share a home and read the same file, the second finds it unchanged.
"""

import hashlib
import logging
from collections.abc import Sequence
from threading import Event, Thread
from uuid import uuid4

from sqlmodel import col, func, select

from rag.config import Config
from rag.corpus.artifact import upload_artifact
from rag.corpus.ingestion import Upload, ingest_uploads
from rag.releases import refresh_release
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.columns import utc_now
from storage.errors import RagloopError
from storage.tables import UploadRow
from storage.upload import UNREAD, UploadState

logger = logging.getLogger(__name__)

_BATCH = 16
"""Files of one collection that are indexed together."""
_LOOK_S = 5.0
"""Between looks for files that another server took in, and did not live to read."""


class Uploads:
    """The queue, and the thread that works it off."""

    def __init__(self, space: Workspace, config: Config) -> None:
        self._space, self._config = space, config
        self._new, self._closing = Event(), Event()
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
                batch = self._next_batch()
                if batch:
                    self._read(batch)
                    continue
            except Exception:  # the queue outlives whatever happens to one batch
                logger.exception("uploads wait")
            self._new.wait(_LOOK_S)

    def _next_batch(self) -> Sequence[UploadRow]:
        """Return the oldest uploads that wait, of one collection; those left in the middle of being read among them."""
        with self._space.database.reading() as session:
            waiting = select(UploadRow).where(col(UploadRow.state).in_(UNREAD))
            oldest = session.exec(waiting.order_by(col(UploadRow.created_at)).limit(1)).first()
            if oldest is None:
                return ()
            same = waiting.where(UploadRow.collection == oldest.collection)
            rows = session.exec(same.order_by(col(UploadRow.created_at)).limit(_BATCH)).all()
            return list({row.name: row for row in reversed(rows)}.values())[::-1]  # versions of one file, one by one

    def _read(self, batch: Sequence[UploadRow]) -> None:
        self._mark(batch, UploadState.READING)
        refused: dict[str, str] = {}
        try:
            uploads = [_upload(row) for row in batch]
            space, collection = self._space, batch[0].collection
            summary = ingest_uploads(space.artifacts, space.database, collection, uploads, self._config.chunking)
            refused = summary.refused
            if not summary.nothing_read:
                refresh_release(space, collection, self._config)
        except RagloopError as error:
            refused = dict.fromkeys((row.name for row in batch), str(error))
        except Exception as error:
            logger.exception("uploads cannot be read")
            why = f"it could not be read ({type(error).__name__}): see the server's log, then send it again"
            refused = dict.fromkeys((row.name for row in batch), why)
        for row in batch:
            self._mark([row], UploadState.REFUSED if row.name in refused else UploadState.DONE, refused.get(row.name))

    def _mark(self, rows: Sequence[UploadRow], state: UploadState, reason: str | None = None) -> None:
        with self._space.database.session() as session:
            for row in rows:
                now = session.get(UploadRow, row.id)
                if now is None or now.finished_at is not None:
                    continue  # its document was deleted meanwhile
                now.state, now.reason = state, reason
                now.finished_at = utc_now() if state not in UNREAD else None


def _upload(row: UploadRow) -> Upload:
    ref = ArtifactRef.parse(row.artifact_uri)
    return Upload(name=row.name, sha256=row.content_sha256, n_bytes=row.size_bytes, ref=ref, sealed_at=row.created_at)
