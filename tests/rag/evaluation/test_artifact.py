"""The report of a release in the artifact store."""

import os
import subprocess
import sys
from pathlib import Path

from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.evaluation.unanswerable import load_unanswerable, unanswerable_artifact
from tests.rag.evaluation.asked_company import CONFIG

ROOT = Path(__file__).parents[3]
ASK_TWICE = """
import sys
from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tests.rag.evaluation.asked_company import CONFIG

home, key_file, evaluation_set = sys.argv[1:]
space = Workspace.open(Settings(home=home, key_file=key_file))
questions, release = ArtifactRef.model_validate_json(evaluation_set), space.registry.production("default")
for passages in (3, 4):  # which makes it another report
    config = CONFIG.model_copy(update={"answering": CONFIG.answering.model_copy(update={"passages": passages})})
    print(load_report(space.artifacts, evaluation_artifact(space, release, questions, config)).memory_bytes)
"""


def test_who_is_asked_first_in_a_process_seems_no_larger(asked_company):
    space, evaluation_set = asked_company
    place = [str(space.settings.home), str(space.settings.key_file), evaluation_set.model_dump_json()]
    done = subprocess.run(
        [sys.executable, "-c", ASK_TWICE, *place],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = map(int, done.stdout.split())
    assert first / 1.5 < second < 1.5 * first


def test_nobody_without_the_key_can_test_a_guess_at_what_was_asked(asked_company):
    space, evaluation_set = asked_company
    release = space.registry.production("default")
    report = load_report(space.artifacts, evaluation_artifact(space, release, evaluation_set, CONFIG))
    asked = load_unanswerable(space.artifacts, unanswerable_artifact(space.artifacts, evaluation_set, CONFIG))
    assert report.refusals.unanswerable_refused.keys() == {space.sealer.fingerprint(each) for each in asked}
