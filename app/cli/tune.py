"""Search for better settings of the training."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import AsJson, Collection, ProfileName, chosen_profile, open_workspace, require_place
from storage.errors import RagloopError

commands = typer.Typer()

TUNE_MB = 2000
"""What a search needs on the disk; each trial leaves an embedder."""


@commands.command()
def tune(
    collection: Collection = "default",
    profile: ProfileName = None,
    trials: Annotated[int | None, typer.Option(min=1, max=1000, help="As configured unless given.")] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="No trial begins after so long; as configured unless given.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the best settings into this new file, for RAGLOOP_CONFIG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try learning rates, epochs, negatives and mixes of real and synthetic questions, on validation questions.

    Nothing is released. A search that was stopped passes the trials that are done at once when it is started again.
    """
    from app.cli.ephemeral import start_server
    from app.output import say_steps, show_rows
    from rag.tuning.search import trial_rows
    from storage.folders import replacing

    if write is not None:
        require_place(write, "--write")
        if write.exists():
            raise RagloopError(f"{write} is there already: name a new file, and put its lines into your own")
    space = open_workspace(TUNE_MB)
    chosen = chosen_profile(space, profile)
    say_steps()
    start_server(space.home)
    from flows.tune import tune as tune_flow

    search = tune_flow(collection, chosen, trials, budget_minutes)
    lines, n_questions = search.best.settings.toml(), search.best.score.questions
    if as_json:
        print(search.model_dump_json(indent=2))
    else:
        show_rows(trial_rows(search), f"trials of {collection} on {n_questions} validation questions", as_json=False)
        print(f"{search.conclusion}\n")
        said = "the best, for the file that RAGLOOP_CONFIG names; the next retraining's gate judges what they are worth"
        print(f"{said}:\n\n{lines}", end="")
    if write is not None:
        with replacing(write) as part:
            part.write_text(lines, encoding="utf-8")
        if not as_json:
            print(f"\nwritten to {write}")
