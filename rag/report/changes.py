"""What two releases differ in."""

from collections.abc import Iterator, Mapping
from typing import Any

from storage.artifacts import ArtifactRef, ArtifactStore, Manifest
from storage.errors import ArtifactMissing
from storage.release import CHAT_ROUTER, MANNER, Release

Row = dict[str, Any]

SHORT = 12
"""Hex digits of a digest that are shown."""
_PARTS = ("embedder", "reranker", "index", "chat_model")
_NAMED = 30
"""Documents that are named at most."""


def manifest_of(store: ArtifactStore, ref: ArtifactRef | None) -> Manifest | None:
    """Return the manifest of an artifact; None if there is none, or it went with a deleted document."""
    try:
        return store.manifest(ref) if ref else None
    except ArtifactMissing:
        return None


def lineage_ref(release: Release, name: str) -> ArtifactRef | None:
    """Return an artifact that a release's lineage names."""
    known = release.lineage.get(name)
    return ArtifactRef.model_validate(known) if known else None


def part_rows(store: ArtifactStore, before: Release | None, after: Release) -> list[Row]:
    """Return a row for each part, with what is known of it."""
    rows = []
    for name in _PARTS:
        old, new = (getattr(release, name) if release else None for release in (before, after))
        row: Row = {"part": name.replace("_", " ")}
        if before:
            row |= {"before": _part(store, old), "after": _part(store, new), "changed": old != new}
        else:
            row["what"] = _part(store, new)
        rows.append(row)
    return rows


def _part(store: ArtifactStore, ref: ArtifactRef | None) -> str:
    if ref is None:
        return "none"
    manifest = manifest_of(store, ref)
    return f"{ref.digest[:SHORT]}: {', '.join(_said(manifest)) if manifest else 'removed since'}"


def _said(manifest: Manifest) -> Iterator[str]:
    """Yield what a part's facts say of it."""
    facts = manifest.facts
    yield from (str(facts[name]) for name in ("method", "base") if name in facts)
    if "chunks" in facts:
        yield f"{facts['chunks']:,} passages"
    if manifest.kind == "embedder" or "training" in facts:
        training = facts.get("training", {})
        n = training.get("pairs")
        yield (f"tuned on {n:,} pairs" if n else "tuned") if training else "untuned"
    yield f"{manifest.n_bytes / 2**20:,.1f} MB"


def setting_rows(before: Release, after: Release) -> list[Row]:
    """Return the settings that differ: how it answers, and what it was trained and judged with."""
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, release in (("answering", "answering"), ("config", "config")):
        old, new = (dict(_flat(getattr(each, release), name)) for each in (before, after))
        pairs |= {key: (old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys())}
    old, new = (_learned(release) for release in (before, after))
    pairs |= {key: (old.get(key), new.get(key)) for key in old}
    return [
        {"setting": key, "before": _value(old), "after": _value(new)} for key, (old, new) in pairs.items() if old != new
    ]


def _learned(release: Release) -> dict[str, Any]:
    router, manner = (release.lineage.get(name) or {} for name in (CHAT_ROUTER, MANNER))
    return {
        "prompt template": manner.get("template"),
        "way to answer": manner.get("way"),
        "evidence threshold": release.lineage.get("evidence_threshold"),
        "chat model trusted from token F1": router.get("threshold"),
    }


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _value(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def document_rows(store: ArtifactStore, before: Release, after: Release) -> list[Row]:
    """Return which documents were added, changed and removed; none if one of the corpora is gone."""
    manifests = [manifest_of(store, lineage_ref(release, "corpus")) for release in (before, after)]
    old, new = (manifest.inputs if manifest else None for manifest in manifests)
    if old is None or new is None:
        return []
    found = {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        "removed": sorted(old.keys() - new.keys()),
    }
    rows: list[Row] = [
        {"documents": what, "n": len(names), "which": _names(names)} for what, names in found.items() if names
    ]
    return [*rows, {"documents": "in all", "n": len(new), "which": f"{len(old):,} before"}]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def pair_count_rows(store: ArtifactStore, before: Release | None, after: Release) -> list[Row]:
    """Return the pairs by split and origin, before and after; none if those of the release are not known."""
    old, new = (_pair_counts(store, release) for release in (before, after))
    if not new:
        return []
    rows = []
    for split, origin in {**new, **old}:
        row: Row = {"split": split, "origin": origin}
        n = new.get((split, origin), 0)
        rows.append(row | ({"before": old.get((split, origin), 0), "after": n} if old else {"pairs": n}))
    return rows


def _pair_counts(store: ArtifactStore, release: Release | None) -> dict[tuple[str, str], int]:
    manifest = manifest_of(store, lineage_ref(release, "pairs")) if release else None
    by_split = manifest.facts["pairs"] if manifest else {}
    return {(split, origin): n for split, by_origin in by_split.items() for origin, n in by_origin.items()}
