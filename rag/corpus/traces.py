"""Where in the artifact store a document lies: as it came, as text, and in all that was made of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any

from sqlmodel import col, select

from rag.corpus.artifact import MADE_OF
from rag.pairs.mined import LEARNED_FROM
from storage.artifacts import ArtifactRef, ArtifactStore, Manifest
from storage.database import Database
from storage.errors import ArtifactMissing
from storage.tables import DocumentRow, UploadRow
from storage.upload import UNREAD

_UPLOAD, _DOCUMENT, _SPLIT = "upload", "document", "split"
_TELLS = {
    **dict.fromkeys(("vectors", "token_vectors", "negatives"), MADE_OF),
    **dict.fromkeys(("chatdata", "chatmodel"), LEARNED_FROM),
}
"""Kinds whose digests do not tell whose text they hold, with the fact that does."""


def derived(store: ArtifactStore, doc_ids: Set[str], known: Set[str]) -> list[ArtifactRef]:
    """Return what was made of any of these documents: corpora, pairs, negatives, vectors, indexes, reports.

    Models that search are not among them: a training saw the text, but their weights do not hold it. A chat model,
    which says it again, is. `known` are digests that are known to be made of them, since what told it may be gone. A
    split, which holds the names of documents, is made of them if nothing else needs it.
    """
    manifests = {ref: manifest for ref, manifest in _manifests(store) if ref.kind not in (_UPLOAD, _DOCUMENT)}
    found: dict[ArtifactRef, Manifest] = {}
    seeds, n_before = {*doc_ids, *known}, -1
    while n_before != len(found):
        n_before = len(found)
        for ref, manifest in manifests.items():
            if ref not in found and (ref.digest in known or _is_made_of(manifest, seeds)):
                found[ref] = manifest
                seeds.add(ref.digest)
    split_of = {ref: manifest.inputs.get(_SPLIT) for ref, manifest in manifests.items()}
    splits = {split_of[ref] for ref in found} - {split for ref, split in split_of.items() if ref not in found}
    return [ref for ref in manifests if ref in found or (ref.kind == _SPLIT and ref.digest in splits)]


def unneeded_files(store: ArtifactStore, database: Database, uploads: Iterable[ArtifactRef]) -> list[ArtifactRef]:
    """Return those of these files, and of the text read from them, that no document and no waiting upload needs."""
    digests = {upload.digest for upload in uploads}
    texts = {ref: manifest.inputs[_UPLOAD] for ref, manifest in _manifests(store) if ref.kind == _DOCUMENT}
    own = {ref: digest for ref, digest in texts.items() if digest in digests}
    uris = [ref.uri for ref in own]
    waiting = select(UploadRow.artifact_uri).where(col(UploadRow.state).in_(UNREAD))
    with database.reading() as session:
        in_use = session.exec(select(DocumentRow.artifact_uri).where(col(DocumentRow.artifact_uri).in_(uris))).all()
        awaited = {ArtifactRef.parse(uri).digest for uri in session.exec(waiting)}
    kept = awaited | {digest for ref, digest in own.items() if ref.uri in in_use}
    free = [ref for ref in own if ref.uri not in in_use]
    return free + [ArtifactRef.of(_UPLOAD, digest) for digest in sorted(digests - kept) if store.find(_UPLOAD, digest)]


def remove_unneeded_files(store: ArtifactStore, database: Database, uploads: Sequence[ArtifactRef]) -> None:
    """Remove files as they came, and their text, unless something else needs them."""
    for ref in unneeded_files(store, database, uploads):
        store.remove(ref)


def model_facts(store: ArtifactStore, models: Iterable[ArtifactRef | None]) -> list[Mapping[str, Any]]:
    """Return the facts of those models that are there and were trained."""
    present = [ref for ref in models if ref is not None and store.find(ref.kind, ref.digest) is not None]
    manifests = [store.manifest(ref) for ref in present]
    return [manifest.facts for manifest in manifests if "training_set" in manifest.inputs]


def _manifests(store: ArtifactStore) -> Iterator[tuple[ArtifactRef, Manifest]]:
    for ref in store.refs():
        with suppress(ArtifactMissing):  # another deletion is at work
            yield ref, store.manifest(ref)


def _is_made_of(manifest: Manifest, seeds: Set[str]) -> bool:
    if (fact := _TELLS.get(manifest.kind)) is not None:
        # One that does not tell, from an earlier version, may be made of it; it is made again where it is needed.
        return fact not in manifest.facts or not seeds.isdisjoint(manifest.facts[fact])
    if manifest.kind in ("embedder", "encoder", _SPLIT) or "base" in manifest.inputs:
        return False
    return not seeds.isdisjoint(value.partition(":")[0] for value in manifest.inputs.values())
