"""How fast answers come over HTTP, and what does not slow or stop them.

    python benchmarks/answering.py [--quick] [--json OUT.json] [--home FOLDER] [--seconds 60]

Asks the questions of covidqa's dev.jsonl from RAGLOOP_BENCH_DATA; with --quick those of a small company that it brings
along. See benchmarks/README.md for the protocol.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import httpx
from quality.data import SEED, Dataset, covidqa, covidqa_splits, data_root
from quality.home import open_home, release
from quality.results import markdown
from serving.asking import Asked, ask, ask_for, percentiles_ms, slow_readers, watched
from serving.home import TINY, company, halves
from serving.processes import FIRST_S, TOKENS_A_SECOND, Groq, Server, serving

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.answering.engines import Engines
from rag.config import Config, GeneratorKind
from rag.profiles import Profile, detect_profile
from rag.retrieval.query import Query
from rag.workspace import Workspace

CLIENTS, NORMAL, SLOW = 32, 2, 16
"""Who asks at once, and who asks beside slow readers."""
DEPTH = 20
"""Chunks that are re-scored."""
CROSSED = 10_000


def main() -> None:
    """Measure; print the tables."""
    options = arguments()
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        space = open_home(folder)
        profile = detect_profile()
        config = space.settings.stages(profile)
        data, questions = asked_of(folder, options.quick)
        said(f"indexing {len(data.documents)} documents")
        found = {"machine": machine(), "chunks": release(space, data, config, DEPTH), "questions": len(questions)}
        found |= over_http(folder, data.name, questions, profile, 5.0 if options.quick else options.seconds)
        said(json.dumps(found))
        found["isolation"] = isolation(space, data, config, 300 if options.quick else CROSSED)
        found["load after"] = round(os.getloadavg()[0], 1)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(tables(found))


def asked_of(folder: Path, quick: bool) -> tuple[Dataset, list[str]]:
    """Return the documents and the questions about them."""
    if quick:
        data = company(folder)
        return data, [question.text for question in data.questions][:12]
    root = data_root()
    data = covidqa(root)
    dev = covidqa_splits(root, data)["A"]
    return data, [question.text for question in data.questions if question.document in dev]


def over_http(folder: Path, name: str, questions: list[str], profile: Profile, seconds: float) -> dict[str, Any]:
    """Ask one server that speaks through Groq, and one that quotes."""
    groq, found = Groq(), {}
    with serving(folder, groq.url, ["groq", "extractive"], profile) as server:
        said("asking Groq, one question after the other")
        found["groq"] = one_by_one(server, name, questions)
        said(f"{CLIENTS} clients at once")
        with watched(server.rss_mb) as memory:
            answers = ask_for(server, name, questions, CLIENTS, seconds)
        found["at once"] = summary(answers) | {"answers/s": round(len(answers) / seconds, 1), "peak MB": max(memory)}
        said(f"{SLOW} slow readers")
        found["without slow readers"] = summary(ask_for(server, name, questions, NORMAL, seconds / 2))
        with slow_readers(server, name, questions[0], SLOW):
            found["with slow readers"] = summary(ask_for(server, name, questions, NORMAL, seconds / 2))
        said("Groq goes wrong")
        found["outages"] = outages(server, groq, name, questions)
    with serving(folder, groq.url, ["extractive"], profile) as server:
        said("asking the extractive generator")
        found["extractive"] = one_by_one(server, name, questions)
    return found


def one_by_one(server: Server, name: str, questions: list[str]) -> dict[str, Any]:
    """Ask each question once; the first of all, which warms up, does not count."""
    with httpx.Client(timeout=120) as client:
        ask(client, server, name, "What does this collection hold?")
        return summary([ask(client, server, name, question) for question in questions])


def outages(server: Server, groq: Groq, name: str, questions: list[str]) -> list[dict[str, Any]]:
    """Cut Groq off in the middle of a stream, let it hang, ask on while its breaker is open, and end it."""
    rows = []
    with httpx.Client(timeout=120) as client:
        for what, faults in (("is cut off in the middle", ["cuts"]), ("hangs", ["hangs"]), ("hung before", [])):
            groq.will(*faults)
            rows.append(_row(what, ask(client, server, name, questions[0])))
        groq.kill()
        rows.append(_row("is gone", ask(client, server, name, questions[0])))
    return rows


def _row(what: str, answer: Asked) -> dict[str, Any]:
    facts = answer.model_dump(include={"generator", "restarted", "error"})
    return {"groq": what, **facts, "total ms": round(answer.total_s * 1000)}


def isolation(space: Workspace, data: Dataset, config: Config, n: int) -> dict[str, Any]:
    """Ask collections each other's questions, a tiny one among them, as the server searches them."""
    both = halves(data)
    sizes = {each.name: release(space, each, config, DEPTH) for each in (*both, TINY)}
    owned = {each.name: each.documents.keys() for each in (*both, TINY)}
    quoting = config.answering.model_copy(update={"generators": (GeneratorKind.EXTRACTIVE,)})
    engines, draw = Engines(space, config.model_copy(update={"answering": quoting})), random.Random(SEED)
    said(f"isolation: {n} searches of {sizes}")
    began, leaks, short = time.monotonic(), 0, 0
    for place in range(n):
        name, k = draw.choice(sorted(sizes)), draw.choice((1, 3, 5, 10, 20))
        asked = draw.choice([q for other in both if other.name != name for q in other.questions])
        hits = engines.of(name).retriever.search(Query(id=str(place), question=asked.text), k)
        leaks += sum(hit.chunk.document not in owned[name] for hit in hits)
        short += len({hit.chunk.chunk_id for hit in hits}) != min(k, sizes[name])
    engines.close()
    return {"searches": n, "collections": sizes, "leaks": leaks, "short": short, "s": round(time.monotonic() - began)}


def summary(answers: list[Asked]) -> dict[str, Any]:
    """Return what answers took, in ms, and how they ended."""
    shares = [a.timings["retrieval"] / a.timings["total"] for a in answers if a.timings.get("retrieval")]
    return {
        "answers": len(answers),
        "errors": sum(answer.error is not None for answer in answers),
        "first": percentiles_ms([answer.first_s for answer in answers]),
        "total": percentiles_ms([answer.total_s for answer in answers]),
        "retrieval %": round(100 * sum(shares) / max(1, len(shares))),
        "generators": sorted({str(answer.generator) for answer in answers}),
        "first error": next((answer.error for answer in answers if answer.error), None),
    }


def machine() -> dict[str, Any]:
    """Return what it runs on, and how busy that was before."""
    return {"cores": len(os.sched_getaffinity(0)), "load before": round(os.getloadavg()[0], 1)}


def tables(found: dict[str, Any]) -> str:
    """Return the tables."""
    names = ["groq", "extractive", "at once", "without slow readers", "with slow readers"]
    rows = [[name, *_cells(found[name])] for name in names]
    header = ["", "answers", "errors", "first word p50", "p95", "whole p50", "p95", "retrieval %", "who"]
    with_, without = (found[name]["total"]["p95"] for name in ("with slow readers", "without slow readers"))
    once, apart = found["at once"], found["isolation"]
    lines = [
        f"{found['machine']}; load after: {found['load after']}; {found['chunks']} chunks; the stand-in for Groq takes "
        f"{FIRST_S * 1000:.0f} ms to its first word and says {TOKENS_A_SECOND:.0f} tokens a second. In ms:",
        markdown(header, rows),
        f"{CLIENTS} at once: {once['answers/s']} answers a second, peak {once['peak MB']} MB. {SLOW} slow readers: p95 "
        f"times {with_ / max(1, without):.2f}.",
        markdown(list(found["outages"][0]), [[str(cell) for cell in row.values()] for row in found["outages"]]),
        f"isolation: {apart['searches']} searches of {apart['collections']}: {apart['leaks']} hits of another "
        f"collection, {apart['short']} results of another size than min(k, chunks)",
    ]
    return "\n\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    first, total = row["first"], row["total"]
    figures = (
        row["answers"],
        row["errors"],
        first["p50"],
        first["p95"],
        total["p50"],
        total["p95"],
        row["retrieval %"],
    )
    return [*map(str, figures), ", ".join(row["generators"])]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="own data and few questions, to see that it works")
    parser.add_argument("--home", type=Path, help="kept, and used again by the next run; a temporary one unless given")
    parser.add_argument("--seconds", type=float, default=60.0, help="that many clients ask at once")
    parser.add_argument("--json", type=Path, help="write what was measured")
    return parser.parse_args()


def said(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
