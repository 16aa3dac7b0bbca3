"""How a collection is used, in the terminal."""

from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import (
    AsJson,
    Collection,
    Force,
    ProfileName,
    chosen_config,
    open_workspace,
    require_new,
    require_place,
)
from rag.monitoring import MAX_DAYS

if TYPE_CHECKING:
    from rag.config import Config
    from rag.monitoring.report import Monitoring

commands = typer.Typer()


@commands.command("monitor")
def monitor(
    collection: Collection = "default",
    days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Shown one by one; as configured unless given.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Where a picture goes, a PNG.")] = None,
    force: Force = False,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Show who asks and comes back, how answers are judged, what has drifted, what to document next, and alerts.

    It shows questions that people asked, in plain text.
    """
    from rag.monitoring.report import monitor as look

    space = open_workspace()
    config = chosen_config(space, profile)
    if picture is not None:
        require_place(picture, "--picture")
        require_new([picture], force)
    seen = look(space, collection, config, days=days)
    if picture is not None:
        from rag.monitoring.pictures import use_picture
        from storage.folders import replacing

        drawn = use_picture(seen, config.monitoring, f"Use of {collection}")
        with replacing(picture) as part:
            part.write_bytes(drawn)
    if as_json:
        print(seen.model_dump_json(indent=2))
        return
    _show(seen, config)
    if picture is not None:
        print(f"picture: {picture}")


def _show(seen: "Monitoring", config: "Config") -> None:
    from app.output import show_rows
    from rag.monitoring import tables

    if not any(use.questions for use in seen.usage.by_week):
        print(f"nobody has asked {seen.collection} since {seen.usage.by_week[0].first_day}: `ragloop ask` and `serve`")
        return
    limits, drift = config.monitoring, seen.drift
    targets = {"rating": limits.rating_target, "correct": limits.correct_target}
    over = f"{seen.collection}, the last {seen.recent.days} days"
    asked_on = [use for use in seen.usage.by_day if use.questions]
    weeks = dropwhile(lambda use: not use.questions, seen.usage.by_week)
    cohorts = [cohort for cohort in seen.usage.retention if cohort.users]
    for rows, title in (
        (tables.use_rows(asked_on), f"use of {seen.collection} by day"),
        (tables.use_rows(weeks), f"use of {seen.collection} by week"),
        (tables.retention_rows(cohorts), f"users of {seen.collection} who come back"),
        (tables.target_rows(seen.recent, targets), f"judgements of {over}"),
        (tables.latency_rows([seen.recent]), f"steps to an answer of {over}"),
        (tables.drift_rows(drift), f"drift of {seen.collection} since {drift.since}"),
        (tables.drift_day_rows(drift), f"each day since {drift.since}"),
        (tables.topic_rows(seen.new_topics), f"new topics of {seen.collection}"),
        (tables.topic_rows(seen.to_document), f"what to document next in {seen.collection}"),
        (tables.alert_rows(seen.alerts), f"alerts on {over}"),
    ):
        show_rows(rows, title, as_json=False, empty="none")
