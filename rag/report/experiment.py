"""What an experiment found of a release: told in a sentence, and in a section."""

from rag.experiments.experiment import VARIANT, Experiment, ExperimentState
from rag.experiments.look import Look
from rag.report.changes import Row
from rag.report.section import Section, Table

_WEIGHED = (
    "The gain and the rises weigh users by their chance of the variant, less what those before them let expect: they "
    "are not quite the differences of the means. Their intervals hold however often one looks."
)


def experiment_headline(experiment: Experiment) -> str:
    """Return what came of it, in a few words."""
    return {
        ExperimentState.RUNNING: "in an experiment",
        ExperimentState.PROMOTED: "promoted by an experiment",
        ExperimentState.STOPPED: "not promoted by an experiment",
    }[experiment.state]


def experiment_sentence(experiment: Experiment) -> str:
    """Return what came of it in one sentence."""
    key, control = f"{experiment.key} ({experiment.name})", f"release {experiment.control_id}"
    return {
        ExperimentState.RUNNING: f"No verdict yet: {key} tries it against {control}.",
        ExperimentState.PROMOTED: f"Promoted in the place of {control} by {key}: {experiment.reason}.",
        ExperimentState.STOPPED: f"Not promoted by {key} against {control}: {experiment.reason}.",
    }[experiment.state]


def experiment_section(experiment: Experiment) -> Section:
    """Return what the users of both sides made of it."""
    rows: list[Row] = [
        {"what": "experiment", "value": f"{experiment.id}: {experiment.name}"},
        {"what": "state", "value": experiment.state.value},
        {"what": "decided by", "value": f"{experiment.config.outcome}, at {experiment.config.confidence:.0%}"},
        {"what": "began", "value": experiment.started_at},
    ]
    if experiment.ended_at:
        rows += [{"what": "ended", "value": experiment.ended_at}, {"what": "why", "value": experiment.reason}]
    said = (
        f"Of the users who asked with a name, release {experiment.variant_id} answered "
        f"{experiment.shares[VARIANT]:.0%}, and release {experiment.control_id} the others."
    )
    tables = [Table("The experiment", rows)]
    if (seen := experiment.look) is None:
        return Section("experiment", "Among users", [said, "No user was counted."], tables=tables)
    tables += [
        Table("Users by side, those of whom something is known", _sides(experiment, seen)),
        Table("Guard rails", _rails(experiment, seen)),
    ]
    return Section("experiment", "Among users", [said, _WEIGHED], tables=tables)


def _sides(experiment: Experiment, seen: Look) -> list[Row]:
    sides = (
        ("control", experiment.control_id, seen.asked_control, seen.n_control, seen.mean_control, None),
        ("variant", experiment.variant_id, seen.asked_variant, seen.n_variant, seen.mean_variant, str(seen.gain)),
    )
    return [
        {
            "side": f"{side}, release {release_id}",
            "asked": asked,
            "users": users,
            f"mean {experiment.config.outcome}": mean,
            "gain (interval)": gain,
        }
        for side, release_id, asked, users, mean, gain in sides
    ]


def _rails(experiment: Experiment, seen: Look) -> list[Row]:
    allowed = {rail.metric: rail.max_rise for rail in experiment.config.guard_rails}
    return [
        {
            "guard rail": metric.value,
            "users": rise.n_users,
            "rise": f"{rise.mean:+.3f}",
            "at least": f"{rise.low:+.3f}",
            "allowed": allowed.get(metric),
        }
        for metric, rise in seen.rises.items()
    ]
