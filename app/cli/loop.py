"""Train and judge."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import AsJson, Collection, ProfileName, chosen_profile, open_workspace
from app.cli.releases import show_verdict
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.workspace import Workspace

commands = typer.Typer()

RETRAIN_MB = 1500
"""What a retraining needs on the disk."""


@commands.command()
def retrain(
    collection: Collection = "default",
    profile: ProfileName = None,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="A drill: learn nonsense, and see the gate keep it out.")
    ] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="Have the workers of the Prefect server do it: see `ragloop up`.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="With --remote: show it until it has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train on documents and questions; promote the result only if it is proven better."""
    if follow and not remote:
        raise RagloopError("--follow goes with --remote: a retraining in this process is always followed")
    if remote:
        _retrain_remotely(collection, profile, shuffle_labels, follow, as_json)
        return
    from app.cli.ephemeral import start_server
    from app.output import say_steps, show_facts

    space = open_workspace(RETRAIN_MB)
    chosen = chosen_profile(space, profile)
    say_steps()
    start_server(space.home)
    from flows.retrain import retrain as retrain_flow

    outcome = retrain_flow(collection, chosen, shuffle_labels=shuffle_labels)
    if as_json:
        print(outcome.model_dump_json(indent=2))
    elif outcome.release_id is None or outcome.verdict is None:
        facts = {"result": outcome.nothing_new, "production": f"release {_production_id(space, collection)}, unchanged"}
        show_facts(facts, as_json=False)
    else:
        show_verdict(outcome.verdict, outcome.release_id)


def _retrain_remotely(collection: str, profile: str | None, shuffle_labels: bool, follow: bool, as_json: bool) -> None:
    from app.cli.ephemeral import use_running_server
    from app.output import show_facts
    from rag.settings import Settings

    if profile is not None:
        Settings().stages(profile)
    use_running_server(Settings().home.expanduser().absolute())
    from deployments.runs import follow_run, run_url, start_run
    from deployments.server import connect

    parameters = {"collection": collection, "profile": profile, "reason": "api", "shuffle_labels": shuffle_labels}
    with connect() as client:
        run = start_run(client, "retrain/retrain", f"retrain-{parameters['reason']}", parameters)
        facts = {"run": run.name, "id": str(run.id), "see": run_url(client, run)}
        if not (follow and as_json):
            show_facts(facts, as_json)
        if not follow:
            return
        for now, state in follow_run(client, run):
            line = f"{state.timestamp.astimezone():%H:%M:%S}  {now.name}  {state.name}  {state.message or ''}"
            typer.echo(line.rstrip(), err=as_json)
        if as_json:
            show_facts(facts | {"state": state.name, "reason": state.message or None}, as_json)
        if not state.is_completed():
            raise typer.Exit(1)


def _production_id(space: "Workspace", collection: str) -> int:
    from rag.releases import serving_release

    return serving_release(space, collection).id
