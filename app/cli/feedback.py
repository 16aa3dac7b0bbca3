"""What people said of answers, and what of it is not learned from."""

from collections import Counter

import typer

from app.cli.options import AsJson, Collection, ProfileName, chosen_config, open_workspace

commands = typer.Typer(help="What people said of answers, and what is learned from it.", no_args_is_help=True)


@commands.command("stats")
def stats(collection: Collection = "default", profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Count the reactions to a collection's answers, and those that a rule keeps out, each with what the rule says."""
    from app.output import show_rows
    from rag.feedback.quarantine import WHY, sifted_uses

    space = open_workspace()
    sifted = sifted_uses(space.database, collection, chosen_config(space, profile).pairs)
    kinds = Counter(reaction.kind for use in sifted.uses for reaction in use.reactions)
    rules = Counter(each.rule for each in sifted.quarantined)
    rows = [{"what": f"kept: {kind}", "reactions": n, "why": ""} for kind, n in sorted(kinds.items())]
    rows += [{"what": f"quarantined: {rule}", "reactions": rules[rule], "why": why} for rule, why in WHY.items()]
    show_rows(rows, f"feedback on {collection}", as_json)


@commands.command("quarantined")
def quarantined(collection: Collection = "default", profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show the reactions that are not learned from, and the rule that keeps each out."""
    from app.output import show_rows
    from rag.feedback.quarantine import sifted_uses

    space = open_workspace()
    rows = [
        {
            "rule": each.rule,
            "reaction": each.reaction.id,
            "kind": each.reaction.kind,
            "user": each.reaction.user,
            "question": each.use.question,
            "at": each.reaction.at,
        }
        for each in sifted_uses(space.database, collection, chosen_config(space, profile).pairs).quarantined
    ]
    show_rows(rows, f"feedback on {collection} that is not learned from", as_json, empty="none")
