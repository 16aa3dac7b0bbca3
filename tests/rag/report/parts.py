"""A home in which one release began, one was kept out and one is proven better, with text that means harm."""

import json
import random
import shutil
from pathlib import Path
from typing import NamedTuple

from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.evaluation.sets import frozen_set
from rag.judgement import candidate_report, judge_candidate
from rag.pairs.artifact import collection_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile, load_config
from rag.releases import Candidate, refresh_release, register_candidate, search_models
from rag.settings import Settings
from rag.workspace import Workspace
from storage.registry import Release

SMOKE = load_config(Profile.SMOKE)
CONFIG = SMOKE.model_copy(
    update={
        "split": SMOKE.split.model_copy(update={"evaluation_share": 0.7}),
        "gate": SMOKE.gate.model_copy(update={"confidence": 0.6, "min_questions": 10}),
    }
)
HOSTILE_NAME = "<img src=x onerror=alert(1)> $\\frac{1 | `b`.md"
PLAIN_FACT = "Part {code} is kept in drawer {n} of the cabinet by the window, in a box of its own."
PLAIN_QUESTION = "Where do I find part {code}?"
HOSTILE_FACT = (
    "<script src='http://evil.example/x.js'></script> Part {code} is <b onmouseover=alert(2)>kept</b> in drawer {n} of "
    "the </blockquote></details><style>@import 'http://evil.example/y.css';</style> cabinet by the window."
)
HOSTILE_QUESTION = "</summary><script>alert({n})</script> Where do I find part {code}?"


def opened(folder):
    return Workspace.open(Settings(home=folder / "home", key_file=folder / "keyring.json"), create=True)


def write_parts(folder):
    """Write lists of parts, one of them hostile; return the file of questions about them.

    Codes are nothing to an embedder and all to a lexical search.
    """
    draw, lines = random.Random(7), []
    (folder / "documents").mkdir()
    for name in (*(f"parts-{number}.md" for number in range(11)), HOSTILE_NAME):
        fact, question = (HOSTILE_FACT, HOSTILE_QUESTION) if name == HOSTILE_NAME else (PLAIN_FACT, PLAIN_QUESTION)
        said = []
        for n in range(5):
            code = "".join(draw.choices("BCDFGHJKLMNPQRSTVWXZ", k=3)) + str(draw.randint(1000, 9999))
            said.append(fact.format(code=code, n=n))
            lines.append({"question": question.format(code=code, n=n), "answer": said[-1], "document": name})
        (folder / "documents" / name).write_text("\n\n".join(said), encoding="utf-8")
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def fill(space, folder):
    """Put the documents into production under an embedder's ranking, and import the questions."""
    questions = read_questions(write_parts(folder))
    uploads = seal_uploads(space.artifacts, space.database, "default", [str(folder / "documents")]).uploads
    ingest_uploads(space.artifacts, space.database, "default", uploads, CONFIG.chunking)
    known = load_alignable(space.artifacts, space.database, "default")
    import_questions(space.database, space.sealer, "default", questions, known)
    return refresh_release(space, "default", ranked_by(1.0))


def ranked_by(dense_weight):
    return CONFIG.model_copy(update={"retrieval": CONFIG.retrieval.model_copy(update={"dense_weight": dense_weight})})


def judged(space, dense_weight, gate=CONFIG.gate):
    """Judge what serves with another ranking; return the release and the verdict."""
    production = space.registry.production("default")
    made = collection_pairs(space.artifacts, space.database, "default", CONFIG)
    config = ranked_by(dense_weight)
    candidate = Candidate(
        corpus=made.corpus, pairs=made.pairs, models=search_models(production), retrieval=config.retrieval
    )
    release = register_candidate(space, "default", candidate, config)
    questions = frozen_set(space, "default", made.pairs, CONFIG)
    reports = tuple(candidate_report(space, release, models, questions, config) for models in (release, production))
    verdict = judge_candidate(space, release, production, reports, gate)
    return space.registry.get("default", release.id), verdict


class Parts(NamedTuple):
    """The home, its folder, and its releases."""

    space: Workspace
    folder: Path
    first: Release
    kept: Release
    better: Release


def judged_parts(folder):
    """Make the home."""
    space = opened(folder)
    first = fill(space, folder)
    kept, _ = judged(space, 0.99)
    better, _ = judged(space, 0.3)
    return Parts(space, folder, first, kept, better)


def copied(parts, folder):
    """Open a copy of the home, to be changed."""
    shutil.copytree(parts.folder / "home", folder / "home")
    shutil.copy(parts.folder / "keyring.json", folder)
    return opened(folder)
