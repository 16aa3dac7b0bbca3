"""How the page draws verdicts."""

from streamlit.testing.v1 import AppTest

from app.page import releases

JUDGED = {
    "against_id": 1,
    "metric": "mrr@10",
    "verdict": {
        "decision": "promote",
        "before": {"mrr@10": 0.345},
        "after": {"mrr@10": 0.513},
        "gains": {"mrr@10": {"mean": 0.168, "low": 0.077, "high": 0.27}},
    },
}


def test_gains_and_levels_are_drawn_as_they_were_judged():
    gains, levels = releases.judgements([{"id": 2, "judged": JUDGED}])
    assert [(each["of"], each["value"]) for each in levels] == [("what served", 0.345), ("this release", 0.513)]
    assert [(each["release"], each["low"], each["high"]) for each in gains] == [("2", 0.077, 0.27)]
    assert releases.interval(JUDGED["verdict"]["gains"]["mrr@10"]) == "+0.168 [+0.077, +0.270]"

    def script(judged):
        from app.page import releases

        releases._draw([{"id": 2, "judged": judged}])

    page = AppTest.from_function(script, args=(JUDGED,), default_timeout=60).run()
    assert not page.exception
    assert len(page.get("vega_lite_chart")) == 2


def test_each_metric_has_a_line_and_an_axis_of_its_own():
    of_answers = JUDGED | {"metric": "token F1", "verdict": JUDGED["verdict"] | {"before": {"token F1": 0.4}}}
    of_answers["verdict"]["after"] = {"token F1": 0.5}
    judged = [{"id": id_, "judged": each} for id_, each in enumerate([JUDGED, of_answers, JUDGED])]
    _, levels = releases.judgements(judged)
    by_metric = dict(releases._by_metric(levels))
    assert [each["release"] for each in by_metric["mrr@10"]] == ["0", "0", "2", "2"]
    for metric, values in by_metric.items():
        chart = releases._quality(metric, values).to_dict()
        assert [layer["mark"]["type"] for layer in chart["layer"]] == ["line", "point"]
        assert {layer["encoding"]["y"]["title"] for layer in chart["layer"]} == {metric}
