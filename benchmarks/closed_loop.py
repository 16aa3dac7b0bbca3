"""Whether the loop gets better by what people ask and say: simulated users, round by round, through the API.

    python benchmarks/closed_loop.py --home FOLDER [--arms loop,unheard] [--json OUT] [--picture OUT]    # or all arms
    python benchmarks/closed_loop.py --results OUT --picture OUT    # the same tables and picture again, nothing asked

Users ask the questions of covidqa's train.jsonl (RAGLOOP_BENCH_DATA), a share in each round, and react by whether what
the answer cites holds the expert's answer; a tenth of the time they get that wrong. Then `ragloop retrain` runs beside
the server, and what serves is asked the questions of dev.jsonl and of held-out articles of train.jsonl.

An article has one part. People ask about those with the most questions, which hold two fifths of all. About others a
team had labelled questions before it began: they alone judge inside the loop, as feedback never does by itself, and
give the gate some 260 questions of 24 articles. Others validate. Of articles that judge or are held out nothing is
learned, not even from questions written from them; those of dev.jsonl are like any that nobody has asked about yet:
questions are written from them. Arms begin with the same release and hear the same people: "untouched" never retrains,
"unheard" retrains without anybody's reactions, "ungated" promotes whatever comes out, in "hostile" a tenth of the users
do harm.

A run that is killed goes on with the round that it was in. A round takes about 6 minutes on two cores that are free.
Exits with 1, and says why, if hit@5 does not rise for certain in "loop" and in "hostile", or a gate let through what
is proven worse.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parents[1]))

import httpx
from closed.homes import Home, first_home
from closed.picture import picture
from closed.plan import Plan, planned
from closed.results import BOTH, METRICS, Point, Results, gain, tables, worse
from closed.users import answers, asked_by, people
from quality.asking import Exam
from quality.data import Question, covidqa, covidqa_splits, data_root
from quality.results import Answered
from serving.processes import Server, serving

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.evaluation.metrics import DEPTH
from rag.profiles import Profile
from rag.releases import PRODUCTION, open_retriever, serving_release
from rag.retrieval.query import Query
from rag.workspace import Workspace

COLLECTION = "covidqa"
USERS, HOSTILE = 30, 0.1
ROUNDS = 4


class Arm(NamedTuple):
    """One way to go on from the first release."""

    retrains: bool = True
    gated: bool = True
    heard: bool = True
    """Whether what people say reaches the API."""
    hostile: float = 0.0

    @property
    def rises(self) -> bool:
        """Whether it is to end better than it began."""
        return self.retrains and self.gated and self.heard


ARMS = {
    "loop": Arm(),
    "unheard": Arm(heard=False),
    "untouched": Arm(retrains=False),
    "ungated": Arm(gated=False),
    "hostile": Arm(hostile=HOSTILE),
}


def main() -> None:
    """Let people ask, print the tables, draw the picture."""
    options = arguments()
    results = Results.model_validate_json(options.results.read_bytes()) if options.results else simulated(options)
    if options.json:
        options.json.write_text(results.model_dump_json(), encoding="utf-8")
    if options.picture:
        options.picture.write_bytes(picture(results, "What serves, by rounds of questions and feedback"))
    print(tables(results))
    lacking = failures(results)
    for line in lacking:
        said(line)
    sys.exit(bool(lacking))


def simulated(options: argparse.Namespace) -> Results:
    """Run the arms that are asked for, as far as they are not done."""
    data = covidqa(data_root(), options.quick)
    folder = options.home.absolute()
    kept = folder / "results.json"
    results = Results.begun(kept, options.rounds, options.quick)
    plan = planned(data, covidqa_splits(data_root(), data)["A"], options.rounds)
    profile = (Profile.SMOKE if options.quick else Profile.CPU).value
    first = Home(folder / "first", folder / "artifacts", profile)
    with first.held():
        first_home(first, data, plan.labelled, plan.parts)
    for name in options.arms.split(","):
        home = Home(folder / name, folder / "artifacts", profile)
        with home.held():
            if not results.arm(name):
                first.copy_to(home)
                results.points.append(served(home, Point(arm=name, round=0, release=0, answers={}), plan, None))
            run_arm(name, home, plan, results, lambda: results.keep(kept))
    return results


def run_arm(name: str, home: Home, plan: Plan, results: Results, keep: Callable[[], object]) -> None:
    """Go on with an arm from the round that it is in."""
    done = len(results.arm(name)) - 1
    if done == len(plan.rounds):
        return
    home.go_back(done + 1)
    os.environ["RAGLOOP_ARTIFACT_ROOT"] = str(home.artifacts)
    with serving(home.folder, "http://127.0.0.1:9", ["extractive"], home.profile, home.held_by) as server:
        for number, questions in enumerate(plan.rounds[done:], start=done + 1):
            home.keep(number)
            began = time.monotonic()
            right = ask_and_react(server, questions, ARMS[name])
            verdict = retrained(home, ARMS[name]) if ARMS[name].retrains else ""
            minutes = (time.monotonic() - began) / 60
            before = results.arm(name)[-1]
            point = Point(
                arm=name, round=number, release=0, verdict=verdict, asked=len(questions), right=right, answers={}
            )
            results.points.append(served(home, point.model_copy(update={"minutes": minutes}), plan, before))
            keep()
            said(f"{name}, round {number}: {right} of {len(questions)} right, {minutes:.1f} min; {verdict}")


def ask_and_react(server: Server, questions: list[Question], arm: Arm) -> int:
    """Ask the questions of a round in turn, tell the API what people say, and return how many answers were right."""
    right = 0
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=120) as client:
        for user, question in asked_by(questions, people(USERS, arm.hostile)):
            body = {"question": question.text, "collection": COLLECTION, "user": user.name}
            answer = _posted(client, "/ask", body)
            right += answers(answer, question)
            for reaction in user.react(question, answer) if arm.heard else ():
                _posted(client, "/feedback", reaction.body(answer["id"], user.name))
    return right


def retrained(home: Home, arm: Arm) -> str:
    """Retrain, and promote what comes of it if nobody is to judge; return the verdict."""
    outcome: dict[str, Any] = json.loads(home.command("retrain", "-c", COLLECTION, "--json"))
    verdict = outcome["verdict"]
    if not verdict:
        return str(outcome["nothing_new"])
    if not arm.gated and verdict["decision"] != "promote":
        home.command("releases", "promote", str(outcome["release_id"]), "-c", COLLECTION)
    return f"{verdict['decision']}: {verdict['reason']}"


def served(home: Home, point: Point, plan: Plan, before: Point | None) -> Point:
    """Fill in which release serves, and what it finds; what served before as well is not asked again."""
    space = home.open()
    release = serving_release(space, COLLECTION).id
    same = before is not None and before.release == release
    found = (
        before.answers
        if same and before
        else {name: _asked(space, own, home.profile) for name, own in plan.measured.items()}
    )
    return point.model_copy(update={"release": release, "answers": found})


def _asked(space: Workspace, questions: list[Question], profile: str) -> list[Answered]:
    retriever = open_retriever(space, COLLECTION, PRODUCTION, space.settings.stages(profile))
    exam = Exam(questions, retriever.index.chunks)
    return exam.ask(lambda text: [hit.chunk for hit in retriever.search(Query(id="", question=text), DEPTH)])


def failures(results: Results) -> list[str]:
    """Return what was to be shown and was not."""
    found = [
        f"proven worse than before: {line}"
        for name in results.arms
        if ARMS[name].gated
        for line in worse(results.arm(name))
    ]
    rising = [name for name in results.arms if ARMS[name].rises]
    for name in rising:
        points = results.arm(name)
        if (change := gain(points[-1], points[0], BOTH, METRICS[0])).low <= 0:
            found.append(f"{name}: {METRICS[0]} did not rise for certain from the first to the last round: {change}")
    if not rising:
        wanted = " or ".join(name for name, arm in ARMS.items() if arm.rises)
        found.append(f"nothing that was run had to rise: add {wanted} to --arms")
    return found


def _posted(client: httpx.Client, path: str, body: dict[str, str]) -> dict[str, Any]:
    answered = client.post(path, json=body)
    if answered.is_error:
        raise SystemExit(f"{path} was answered with {answered.status_code}: {answered.text[:300]}")
    found: dict[str, Any] = answered.json()
    return found


def said(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="kept; a run that was killed goes on there")
    parser.add_argument("--arms", default=",".join(ARMS), help="some of these, in this order")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--quick", action="store_true", help="eight short articles and hardly any training: does it work"
    )
    parser.add_argument("--json", type=Path, help="write all answers")
    parser.add_argument("--results", type=Path, help="what --json wrote: show it again")
    parser.add_argument("--picture", type=Path, help="draw what serves by round")
    options = parser.parse_args()
    if unknown := [name for name in options.arms.split(",") if name not in ARMS]:
        parser.error(f"no arm {unknown[0]!r}: choose of {', '.join(ARMS)}")
    if not (options.home or options.results):
        parser.error("give --home FOLDER, or --results FILE")
    return options


if __name__ == "__main__":
    main()
