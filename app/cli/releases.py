"""What serves, what did, and what was kept out."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import completion
from app.cli.options import AsJson, Collection, chosen_config, open_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rag.evaluation.gate import Verdict
    from storage.release import Release

commands = typer.Typer(help="What serves, what did, and what was kept out.", no_args_is_help=True)


@commands.command("list")
def list_releases(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the releases of a collection, newest first."""
    from app.output import show_rows

    rows = [_row(release) for release in reversed(open_workspace().registry.list(collection))]
    show_rows(rows, f"releases of {collection}", as_json, empty="none; add documents with `ragloop ingest PATH`")


@commands.command("show")
def show_release(
    release: Annotated[
        str, typer.Argument(help="A release's id, or production.", autocompletion=completion.release_names)
    ],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Show what a release is made of and the verdict on it."""
    from app.output import show_facts
    from rag.chat.serving import trusted_from
    from rag.evaluation.gate import Verdict
    from rag.releases import CHAT_ROUTER, MANNER, last_judgement, named_release

    space = open_workspace()
    found = named_release(space, collection, release)
    judgement = last_judgement(space, found)
    trained_on: dict[str, int] | None = space.artifacts.facts(found.embedder).get("trained_on")
    if as_json:
        verdict = judgement.model_dump(exclude={"id", "release_id"}) if judgement else None
        show_facts(found.model_dump() | {"trained_on": trained_on, "verdict": verdict}, as_json)
        return
    parts = {
        "embedder": found.embedder,
        "index": found.index,
        "reranker": found.reranker,
        "chat_model": found.chat_model,
    }
    facts = found.model_dump(mode="json", exclude={"config", "lineage", *parts})
    facts["answering"] = _in_words(found.answering)
    facts |= {name.replace("_", " "): part.uri for name, part in parts.items() if part}
    facts |= {
        f"from {name}": ref["uri"]
        for name, ref in found.lineage.items()
        if name not in (CHAT_ROUTER, MANNER) and isinstance(ref, dict)
    }
    facts |= found.lineage.get(MANNER, {})
    facts["evidence threshold"] = found.lineage.get("evidence_threshold")
    if found.chat_model:
        facts["chat model trusted"] = trusted_from(found.lineage.get(CHAT_ROUTER))
    if trained_on is not None:
        facts["trained on"] = ", ".join(f"{n} {origin}" for origin, n in trained_on.items()) + " pairs"
    show_facts({name: value for name, value in facts.items() if value is not None}, as_json=False)
    if judgement:
        show_verdict(Verdict.model_validate(judgement.metrics), found.id, f"release {judgement.against_id}")


@commands.command()
def promote(
    release: Annotated[
        int, typer.Argument(min=1, max=2**31 - 1, help="A release's id.", autocompletion=completion.release_ids)
    ],
    collection: Collection = "default",
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "promoted by hand",
    as_json: AsJson = False,
) -> None:
    """Put a release into production, gate or no gate; its models answer from the documents as they stand."""
    from app.output import say_steps, show_done
    from rag.releases import promote_release

    space = open_workspace()
    say_steps()
    now = promote_release(space, collection, release, reason, chosen_config(space, None))
    of_now = "" if now.id == release else f": the models of release {release}, and the documents as they stand"
    show_done(f"release {now.id} serves {collection}{of_now}", _row(now) | {"models_of": release}, as_json)


@commands.command()
def rollback(
    collection: Collection = "default",
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "rolled back by hand",
    as_json: AsJson = False,
) -> None:
    """Put the models that served before back into production, at once; then over the documents as they stand."""
    from app.output import say_steps, show_facts
    from rag.releases import holds_all_documents, refresh_release

    space = open_workspace()
    back = now = space.registry.rollback(collection, reason)
    if not as_json:
        print(f"release {back.id} serves {collection} again", flush=True)
    if not holds_all_documents(space, back):
        say_steps()
        now = refresh_release(space, collection, chosen_config(space, None))
        said = f"release {now.id} serves {collection}: the models of release {back.id}, and the documents as they stand"
        if not as_json:
            print(said)
    if as_json:
        show_facts(_row(now) | {"models_of": back.id}, as_json)


def _in_words(settings: "Mapping[str, Any]") -> str:
    """Return the settings that are given, with those within others in brackets."""
    said = []
    for name, value in settings.items():
        if isinstance(value, dict):
            value = f"({_in_words(value)})"
        elif isinstance(value, list | tuple):
            value = " + ".join(map(str, value)) or "none"
        if value is not None:
            said.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(said)


def _row(release: "Release") -> dict[str, Any]:
    return {field: getattr(release, field) for field in ("id", "state", "parent_id", "reason", "created_at")}


def show_verdict(verdict: "Verdict", release_id: int, against: str = "production") -> None:
    """Print the comparison and the decision."""
    from app.output import show_rows
    from rag.evaluation.tables import comparison_rows

    show_rows(comparison_rows(verdict), f"release {release_id} against {against}", as_json=False)
    print(f"verdict: {verdict.decision.upper()} release {release_id}: {verdict.reason}")
