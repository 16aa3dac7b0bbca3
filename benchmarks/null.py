"""How often the gate promotes a training that learned nothing: shuffled labels, a seed each, on the example company.

    python benchmarks/null.py [--runs 20] [--profile smoke] [--home FOLDER]

Exits with 1 if one is promoted.
"""

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from quality.home import open_home

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.config import Config
from rag.corpus.artifact import corpus_artifact
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.sets import frozen_set
from rag.judgement import candidate_report, judge_candidate
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.mining import negatives_artifact
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile
from rag.releases import Candidate, refresh_release, register_candidate
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace

EXAMPLES = Path(__file__).parents[1] / "examples"
COLLECTION = "default"


def main() -> None:
    """Train on nonsense, again and again, and count what is promoted."""
    options = arguments()
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
        space = example_company(Path(folder).absolute(), options.profile)
        verdicts = []
        for seed in range(1, options.runs + 1):
            verdict = null_retraining(space, options.profile, seed)
            verdicts.append(verdict)
            print(f"seed {seed:2d}: {verdict.decision}: MRR@10 {verdict.gains['mrr@10']}", flush=True)
    promoted = sum(verdict.decision is Decision.PROMOTE for verdict in verdicts)
    asked = f"{verdicts[0].n_questions} {verdicts[0].origin} questions" if verdicts else "no question"
    print(f"\n{promoted} of {len(verdicts)} null retrainings promoted, on {asked}")
    sys.exit(promoted > 0)


def example_company(folder: Path, profile: Profile) -> Workspace:
    """Open a home with the example's documents, questions and first release."""
    folder.mkdir(parents=True, exist_ok=True)
    space = open_home(folder)
    config = space.settings.stages(profile)
    uploads = seal_uploads(space.artifacts, space.database, COLLECTION, [str(EXAMPLES / "corpus")]).uploads
    ingest_uploads(space.artifacts, space.database, COLLECTION, uploads, config.chunking)
    known = load_alignable(space.artifacts, space.database, COLLECTION)
    import_questions(space.database, space.sealer, COLLECTION, read_questions(EXAMPLES / "chat_log.jsonl"), known)
    refresh_release(space, COLLECTION, config)
    return space


def null_retraining(space: Workspace, profile: Profile, seed: int) -> Verdict:
    """Retrain on shuffled labels and judge, with the functions that the flows call."""
    store, device = space.artifacts, space.device
    config = drill(space.settings.stages(profile, shuffle_labels=True), seed)
    pairs = collection_pairs(store, space.database, COLLECTION, config, LanguageModels.of(space)).pairs
    negatives = negatives_artifact(space, COLLECTION, pairs, None, config)
    base = base_embedder(store, space.settings.models)
    embedder = finetuned_embedder(store, base, pairs, config.embedding, device, negatives=negatives)
    corpus = corpus_artifact(store, space.database, COLLECTION)
    index = index_artifact(store, device, corpus, embedder, config)
    models = SearchModels(embedder=embedder, index=index)
    candidate = Candidate(corpus=corpus, pairs=pairs, models=models, retrieval=config.retrieval)
    release = register_candidate(space, COLLECTION, candidate, config)
    against = space.registry.production(COLLECTION)
    if against is None:
        raise SystemExit("the example has no first release")
    questions = frozen_set(space, COLLECTION, pairs, config)
    reports = (
        candidate_report(space, release, release, questions, config),
        candidate_report(space, release, against, questions, config),
    )
    return judge_candidate(space, release, against, reports, config.gate)


def drill(config: Config, seed: int) -> Config:
    """Return the config with a seed of its own for the shuffling and the training."""
    return config.model_copy(update={"embedding": config.embedding.model_copy(update={"seed": seed})})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="How often the gate promotes a training that learned nothing.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--profile", type=Profile, choices=list(Profile), default=Profile.SMOKE)
    parser.add_argument("--home", type=Path, help="Folder to work in; a temporary one unless given.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
