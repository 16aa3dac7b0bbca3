"""Releases compared while people use them."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import completion
from app.cli.options import AsJson, Collection, WayName, chosen_config, open_workspace
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.experiments.experiment import Experiment
    from rag.experiments.look import Look

commands = typer.Typer(
    help="Compare what serves with another release, while people use both; the better one serves in the end.",
    no_args_is_help=True,
)
ExperimentId = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", min=1, max=2**31 - 1, help="As in `experiments list`; the newest unless given."),
]
_EXPLAINED = """\
asked: all whose window has passed; users: those of them of whom something is known, as that they rated an answer
gain, rise: users weighed by their chance of the variant, less what those before them let expect; so not quite the
difference of the means, and an estimate that may lie outside of its interval, which holds however often one looks"""


@commands.command()
def start(
    release: Annotated[
        int | None,
        typer.Argument(
            min=1,
            max=2**31 - 1,
            help="The release to try; or say below what it does otherwise than what serves.",
            autocompletion=completion.release_ids,
        ),
    ] = None,
    template: Annotated[str | None, typer.Option(help="Another prompt template: cited, concise, stepwise.")] = None,
    way: WayName = None,
    retrieval: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another setting of retrieval; may be given again.")
    ] = None,
    share: Annotated[float, typer.Option(help="Of the users who get the variant, above 0 and below 1.")] = 0.5,
    outcome: Annotated[
        str | None, typer.Option(help="What decides: satisfaction, found, support; as configured unless given.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    despite_floor: Annotated[
        bool, typer.Option("--despite-floor", help="Also a release that breaks a floor of the gate; a winner serves.")
    ] = False,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Let some users be answered by a variant of what serves, until one is proven better or a guard rail breaks."""
    from app.output import show_facts
    from rag.answering.answer import Way
    from rag.answering.engines import Engines
    from rag.experiments.variants import Change, start_experiment

    change = Change(template=template, way=Way(way) if way else None, retrieval=_settings(retrieval or []))
    if (release is None) == (change == Change()):
        raise RagloopError("say what to compare: a release's id, or one or more of --template, --way and --retrieval")
    space = open_workspace()
    config = chosen_config(space, None)
    if outcome is not None:
        config = config.model_copy(update={"experiments": _deciding(config.experiments, outcome)})
    variant = change if release is None else str(release)
    engines = Engines(space, config)
    try:
        begun = start_experiment(space, engines, collection, variant, config, name, share, despite_floor)
    finally:
        engines.close()
    show_facts(begun.model_dump(mode="json") if as_json else _facts(begun), as_json)


@commands.command()
def status(experiment: ExperimentId = None, collection: Collection = "default", as_json: AsJson = False) -> None:
    """Show what is known of an experiment: users asked and counted, means, the gain with its interval, guard rails."""
    from app.output import show_facts, show_rows
    from rag.experiments.experiment import get_experiment
    from rag.experiments.settling import looked

    space = open_workspace()
    seen = looked(space.database, get_experiment(space.database, collection, experiment))
    if as_json:
        show_facts(seen.model_dump(), as_json)
        return
    show_facts(_facts(seen), as_json=False)
    if seen.look:
        show_rows(_sides(seen.look), seen.config.outcome, as_json=False)
        allowed = {rail.metric: rail.max_rise for rail in seen.config.guard_rails}
        rails = [
            {
                "guard rail": metric,
                "users": rise.n_users,
                "rise": rise.mean,
                "at least": rise.low,
                "allowed": allowed.get(metric),
            }
            for metric, rise in seen.look.rises.items()
        ]
        show_rows(rails, "guard rails", as_json=False, empty="none")
        print(seen.look.reason, _EXPLAINED, sep="\n")
        if not seen.look.n_control + seen.look.n_variant:
            print("no user counts yet: questions without a `user` have no part, and a user's window has to pass first")


@commands.command("list")
def list_all(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the experiments of a collection, newest first."""
    from app.output import show_rows
    from rag.experiments.experiment import list_experiments

    fields = ("id", "name", "state", "control_id", "variant_id", "finding", "reason", "started_at", "ended_at")
    found = list_experiments(open_workspace().database, collection)
    rows = [{field: getattr(each, field) for field in fields} for each in found]
    show_rows(rows, f"experiments in {collection}", as_json, empty="none; begin one with `ragloop experiments start`")


@commands.command()
def stop(
    experiment: ExperimentId = None,
    collection: Collection = "default",
    reason: Annotated[str, typer.Option(help="Kept with it.")] = "stopped by hand",
    as_json: AsJson = False,
) -> None:
    """Stop an experiment; what served goes on serving, for everybody."""
    from app.output import show_done
    from rag.experiments.experiment import stop as stop_it

    ended = stop_it(open_workspace().database, collection, experiment, reason)
    said = f"experiment {ended.id} has ended: release {ended.control_id} serves everybody who asks {collection}"
    show_done(said, ended.model_dump(mode="json"), as_json)


def _settings(given: list[str]) -> dict[str, Any]:
    """Return settings by name; a value is JSON, or else a word.

    :raises RagloopError: if one has no value.
    """
    settings: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise RagloopError(f"--retrieval {each} sets nothing: give NAME=VALUE, as dense_weight=0.6")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def _deciding(config: Any, outcome: str) -> Any:
    """Return the config with another outcome.

    :raises RagloopError: if there is none of that name.
    """
    from rag.config import Outcome

    if outcome not in list(Outcome):
        raise RagloopError(f"no outcome is called {outcome!r}: give {', '.join(Outcome)}")
    return config.model_copy(update={"outcome": Outcome(outcome)})


def _facts(experiment: "Experiment") -> dict[str, Any]:
    shares = ", ".join(f"{share:.0%} {side}" for side, share in experiment.shares.items())
    facts = {
        "experiment": f"{experiment.id}: {experiment.name}",
        "collection": experiment.collection,
        "state": experiment.state,
        "control": f"release {experiment.control_id}",
        "variant": f"release {experiment.variant_id}",
        "users": shares,
        "decided by": experiment.config.outcome,
        "started": experiment.started_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        "ended": experiment.ended_at and experiment.ended_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        "reason": experiment.reason,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _sides(look: "Look") -> list[dict[str, Any]]:
    gain = look.gain
    return [
        {
            "": "control",
            "asked": look.asked_control,
            "users": look.n_control,
            "mean": look.mean_control,
            "gain": None,
            "from": None,
            "to": None,
        },
        {
            "": "variant",
            "asked": look.asked_variant,
            "users": look.n_variant,
            "mean": look.mean_variant,
            "gain": gain.mean,
            "from": gain.low,
            "to": gain.high,
        },
    ]
