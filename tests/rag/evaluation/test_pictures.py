import io
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from rag.answering.answer import Way
from rag.evaluation.asked import Group
from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.pictures import (
    GAINED,
    LOST,
    UNSURE,
    WAY_STYLES,
    comparison_picture,
    history_picture,
    ways_picture,
)
from rag.evaluation.significance import Interval
from rag.evaluation.way_report import ROUTED, AnsweredQuestion, WayReport
from storage.artifacts import ArtifactRef
from storage.registry import Evaluation

RISEN, FALLEN, OPEN = (
    Interval(mean=0.09, low=0.04, high=0.14),
    Interval(mean=-0.2, low=-0.3, high=-0.1),
    Interval(mean=0.01, low=-0.02, high=0.04),
)


def verdict(decision=Decision.PROMOTE, **gains):
    gains = {name.replace("_", "@"): gain for name, gain in gains.items()}
    return Verdict(
        decision=decision,
        reason="mrr@10 rose from 0.600 to 0.690, paired gain +0.090 [+0.040, +0.140], on 312 real questions",
        origin="real",
        n_questions=312,
        n_documents=41,
        before=dict.fromkeys(gains, 0.6),
        after={name: 0.6 + gain.mean for name, gain in gains.items()},
        gains=gains,
    )


def judged(decisions):
    begin = datetime(2026, 11, 1, 2, tzinfo=UTC)
    return [
        Evaluation(
            id=i,
            release_id=i + 2,
            against_id=1,
            evaluation_set_digest="d",
            metrics=verdict(decision, mrr_10=RISEN).model_dump(mode="json"),
            verdict=decision,
            reason="r",
            artifact=ArtifactRef.of("report", "0" * 32),
            created_at=begin + timedelta(days=i),
        )
        for i, decision in enumerate(decisions)
    ]


def pixels(png):
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def painted(png, color):
    """How many pixels have exactly this colour."""
    return int((pixels(png) == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum())


def test_each_metric_has_the_colour_of_its_interval():
    png = comparison_picture(verdict(Decision.KEEP, mrr_10=OPEN, ndcg_10=OPEN), "Release 3")
    assert painted(png, UNSURE) > 500
    assert painted(png, GAINED) == 0
    for gain, color in ((RISEN, GAINED), (FALLEN, LOST)):
        assert painted(comparison_picture(verdict(mrr_10=gain, recall_10=OPEN), "Release 3"), color) > 500


def test_a_picture_is_light_and_fits_a_page_and_grows_with_its_metrics():
    small, large = (
        pixels(comparison_picture(verdict(**gains), "Release 3"))
        for gains in ({"mrr_10": RISEN}, {"mrr_10": RISEN, "ndcg_10": RISEN, "recall_10": OPEN})
    )
    assert small.shape[1] == large.shape[1] == 1200
    assert small.shape[0] < large.shape[0] < 1200
    assert (large == 255).all(axis=2).mean() > 0.85


def test_nothing_is_cut_off_at_the_edges():
    long = verdict(mrr_10=RISEN, general_hit_rate=FALLEN).model_copy(update={"reason": "because of this " * 20})
    for png in (
        comparison_picture(long, "Release 3 against release 2"),
        history_picture(judged(["promote"]), "mrr@10", "All"),
    ):
        image = pixels(png)
        for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
            assert (edge == 255).all()


def test_a_verdict_without_shared_questions_is_drawn_too():
    assert pixels(comparison_picture(verdict(Decision.KEEP), "Release 3")).shape[1] == 1200


def test_history_marks_what_was_promoted_and_what_was_kept_out():
    only_promoted, both = (
        history_picture(judged(decisions), "mrr@10", "Releases of handbook")
        for decisions in (["promote"] * 2, ["promote", "keep"])
    )
    assert painted(only_promoted, GAINED) > painted(both, GAINED) > 100
    assert painted(only_promoted, LOST) == 0
    assert painted(both, LOST) > 100


def test_history_shows_the_latest_releases_and_no_unjudged_ones():
    many = judged(["keep"] * 10 + ["promote"] * 12)
    unjudged = [row.model_copy(update={"verdict": None}) for row in many[:3]]
    assert history_picture(many, "mrr@10", "All") == history_picture([*many[10:], *unjudged], "mrr@10", "All")


@pytest.mark.parametrize("evaluations", [[], judged(["keep"])])
def test_a_history_without_the_metric_says_so_in_place_of_it(evaluations):
    assert painted(history_picture(evaluations, "another", "All"), LOST) == 0


def test_drawing_needs_no_display_and_keeps_no_figure():
    comparison_picture(verdict(mrr_10=RISEN), "Release 3")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_each_way_has_its_colour_beside_the_others():
    def report(way, f1):
        answer = AnsweredQuestion(
            id="q",
            group=Group.TRAINED,
            document="d",
            question="q",
            expected="e",
            said="s",
            way=Way.RAG,
            f1=f1,
            exact=0,
            support=1,
            made_up=False,
        )
        sizes = {"memory_bytes": 0, "serving_bytes": 0, "card_bytes": None}
        return WayReport(way=way, evaluation_set="e", answers=(answer,), **sizes)

    all_ways = [report(way, 0.5) for way in WAY_STYLES]
    png = ways_picture(all_ways, "Release 3")
    assert all(painted(png, color) > 100 for color, _ in WAY_STYLES.values())
    without = ways_picture([each for each in all_ways if each.way != Way.HYBRID], "Release 3")
    assert painted(without, WAY_STYLES[Way.HYBRID][0]) == 0 and painted(without, WAY_STYLES[ROUTED][0]) > 100
