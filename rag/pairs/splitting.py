"""The split of a collection's documents, drawn once for each document and kept in its row."""

from collections import Counter
from typing import Any

from sqlmodel import col, select

from rag.config import SplitConfig
from rag.corpus.artifact import active_documents, load_texts
from rag.pairs.collection import real_questions
from rag.pairs.groups import near_duplicate_groups
from rag.pairs.pair import Split
from rag.pairs.split import GroupFacts, assign_splits
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.database import Database
from storage.tables import DocumentRow


def split_artifact(
    store: ArtifactStore, database: Database, collection: str, corpus: ArtifactRef, config: SplitConfig, keep: bool
) -> ArtifactRef:
    """Return each document's group and split, by name. A document that has a split keeps it; new ones are drawn.

    What is drawn is kept for good with `keep`, as a training must; a mere look leaves it open for questions to come.
    """
    groups = _groups(store, corpus, config)
    frozen = {d.name: Split(d.split) for d in active_documents(database, collection) if d.split}
    asked = Counter(row.document for row in real_questions(database, collection))
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    facts = {
        group: GroupFacts(n_questions=sum(asked[n] for n in names), n_documents=len(names), members=tuple(names))
        for group, names in members.items()
    }
    by_group = assign_splits(facts, config, frozen)
    splits = {name: frozen.get(name, by_group[group]) for name, group in groups.items()}
    if keep:
        _keep(database, collection, splits)

    def write(_: Draft) -> dict[str, Any]:
        return {"documents": {name: {"group": group, "split": splits[name]} for name, group in groups.items()}}

    inputs = {name: f"{group}:{splits[name]}" for name, group in groups.items()}
    return store.build("split", inputs=inputs, config=None, recipe=[], write=write)


def load_split(store: ArtifactStore, ref: ArtifactRef) -> dict[str, tuple[str, Split]]:
    """Return (group, split) of each document by name."""
    return {name: (d["group"], Split(d["split"])) for name, d in store.facts(ref)["documents"].items()}


def _groups(store: ArtifactStore, corpus: ArtifactRef, config: SplitConfig) -> dict[str, str]:
    """Return the near-duplicate group of each document, by name."""

    def write(_: Draft) -> dict[str, Any]:
        texts = {text.name: text.text for text in load_texts(store, corpus).values()}
        return {"groups": near_duplicate_groups(texts, config.near_duplicate)}

    built = store.build(
        "groups",
        inputs={"corpus": corpus.digest},
        config={"near_duplicate": config.near_duplicate},
        recipe=["rag.pairs.groups"],
        write=write,
        reads=[corpus],
    )
    groups: dict[str, str] = store.facts(built)["groups"]
    return groups


def _keep(database: Database, collection: str, splits: dict[str, Split]) -> None:
    with database.session() as session:
        query = select(DocumentRow).where(DocumentRow.collection == collection, col(DocumentRow.name).in_(splits))
        for row in session.exec(query).all():
            if row.split != splits[row.name]:
                row.split = splits[row.name]
