"""Who asks in benchmarks/closed_loop.py, what they say, and what is made of what was served; no server."""

import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module", autouse=True)
def bench():
    """The benchmark's own modules, found as when it is run."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def question(number=1, document="a.txt", span=(100, 150)):
    from quality.data import Question

    return Question(f"q{number}", f"What is {number}?", "that", document, (span,))


def passage(number, document="a.txt", at=(0, 400)):
    return {"chunk_id": f"{document}:{number}", "document": document, "char_start": at[0], "char_end": at[1]}


RIGHT, WRONG, ELSEWHERE = passage(1, at=(90, 120)), passage(2, at=(150, 400)), passage(3, document="b.txt")


def answered(cited, shown=()):
    return {"citations": cited, "sources": [*shown]}


def said(reactions):
    return [(reaction.kind, reaction.chunk_id) for reaction in reactions]


def test_a_passage_is_right_where_it_overlaps_the_span_in_its_document():
    from closed.users import holds

    asked = question()
    assert [holds(each, asked) for each in (RIGHT, WRONG, ELSEWHERE)] == [True, False, False]


def test_who_is_answered_rightly_says_so_and_opens_what_is_right():
    from closed.users import User

    answer = answered([WRONG, RIGHT])
    assert said(User("ann").react(question(), answer, noise=0)) == [("thumb_up", None), ("citation_opened", "a.txt:1")]


def test_who_is_not_names_the_right_passage_only_if_it_was_shown():
    from closed.users import User

    shown = [said(User(f"user {i}").react(question(), answered([WRONG], [WRONG, RIGHT]), 0)) for i in range(100)]
    hidden = [said(User(f"user {i}").react(question(), answered([WRONG], [WRONG]), 0)) for i in range(100)]
    assert all(own[0] == ("thumb_down", None) for own in [*shown, *hidden])
    named = [reaction for own in shown for reaction in own if reaction[0] == "right_passage"]
    assert 20 < len(named) < 60 and set(named) == {("right_passage", "a.txt:1")}
    kinds = Counter(kind for own in hidden for kind, _ in own)
    assert kinds["right_passage"] == 0 and kinds["reformulated"] and kinds["abandoned"]


def test_a_tenth_of_what_is_said_is_wrong():
    from closed.users import User

    answer = answered([RIGHT], [RIGHT, WRONG])
    votes = Counter(User("bob").react(question(number), answer)[0].kind for number in range(2000))
    assert votes.total() == 2000
    assert 150 < votes["thumb_down"] < 250


def test_who_errs_names_a_wrong_passage():
    from closed.users import User

    answer = answered([RIGHT], [RIGHT, WRONG])
    named = {
        reaction
        for i in range(100)
        for reaction in said(User(f"u{i}").react(question(), answer, noise=1))
        if reaction[1]
    }
    assert named == {("right_passage", "a.txt:2")}


def test_a_hostile_user_says_the_opposite_and_always_names_what_is_wrong():
    from closed.users import User

    foe = User("eve", hostile=True)
    assert said(foe.react(question(), answered([RIGHT], [RIGHT, ELSEWHERE]))) == [
        ("thumb_down", None),
        ("right_passage", "b.txt:3"),
    ]
    assert said(foe.react(question(), answered([WRONG], [RIGHT]))) == [
        ("thumb_up", None),
        ("citation_opened", "a.txt:2"),
    ]


def test_a_person_takes_the_same_answer_the_same_way_in_every_arm():
    from closed.users import User

    answer = answered([WRONG], [WRONG, RIGHT])
    runs = [[User("ann").react(question(n), answer) for n in range(50)] for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_tenth_of_the_people_is_hostile_and_everybody_asks_as_much():
    from closed.users import asked_by, people

    users = people(30, 0.1)
    assert sum(user.hostile for user in users) == 3 and len({user.name for user in users}) == 30
    assert not any(user.hostile for user in people(30, 0))
    asked = Counter(user.name for user, _ in asked_by([question(n) for n in range(90)], users))
    assert set(asked.values()) == {3}


def test_no_article_has_two_parts_and_no_measured_question_is_asked_or_imported():
    from closed.plan import ASKED, DEV, HELD_OUT, MOST, SHARES, VALIDATION, planned
    from quality.data import Dataset

    questions = [question(100 * d + n, document=f"{d}.txt") for d in range(40) for n in range(3 + d % 7)]
    data = Dataset("many", {f"{d}.txt": "" for d in range(45)}, questions)
    plan = planned(data, frozenset({"0.txt", "1.txt"}), 4)
    assert {name for name, part in plan.parts.items() if part == DEV} == {"0.txt", "1.txt"}
    asked = [each for own in plan.rounds for each in own]
    parts = [asked, plan.labelled, plan.measured[DEV], plan.measured[HELD_OUT]]
    documents = [{each.document for each in part} for part in parts]
    assert sum(map(len, documents)) == len(set.union(*documents)) == 40
    assert {plan.parts[each.document] for each in asked} == {ASKED, VALIDATION}
    assert sorted(each.id for part in parts for each in part) == sorted(each.id for each in questions)
    held = Counter(plan.parts[each.document] for each in questions)
    others = sum(held[part] for part in SHARES)
    room = MOST * (held[ASKED] + others) - held[ASKED]
    assert 0 <= room < 9, "another article would have found place"
    for part, share in SHARES.items():
        assert abs(held[part] / others - share) < 0.05
    sizes = [len(own) for own in plan.rounds]
    assert max(sizes) - min(sizes) <= 1


def point(arm, number, hits):
    """Return a point whose questions, four a document, have these hits in both sets."""
    from closed.results import METRICS, Point
    from quality.results import Answered

    answers = [
        Answered(question=f"q{i}", document=f"d{i // 4}", metrics=dict.fromkeys(METRICS, float(hit)), latency_ms=1)
        for i, hit in enumerate(hits)
    ]
    return Point(arm=arm, round=number, release=number, answers={"dev": answers, "held-out": answers})


def results(points):
    from closed.results import Results

    return Results(rounds=1, quick=False, points=points)


LOW, HIGH = [1, 0, 0, 0] * 10, [1, 1, 0, 1] * 10


def test_a_fall_is_told_and_a_rise_is_not():
    from closed.results import worse

    assert worse([point("loop", 0, LOW), point("loop", 1, HIGH)]) == []
    told = worse([point("loop", 0, HIGH), point("loop", 1, HIGH), point("loop", 2, LOW)])
    assert told[0].startswith("loop, round 2: hit@5 on dev -0.500 [-0.6")


def curve(arm, *rounds):
    return [point(arm, number, hits) for number, hits in enumerate(rounds)]


def test_the_loop_is_proven_when_it_rises_with_hostile_users_too():
    from closed_loop import failures

    proven = [*curve("loop", LOW, HIGH), *curve("hostile", LOW, LOW, HIGH)]
    assert failures(results([*proven, *curve("untouched", LOW, LOW), *curve("ungated", HIGH, LOW)])) == []


@pytest.mark.parametrize("arm", ["loop", "hostile"])
def test_an_arm_that_does_not_rise_for_certain_is_told(arm):
    from closed_loop import failures

    rising = {"loop", "hostile"} - {arm}
    told = failures(results([*curve(arm, LOW, LOW), *curve(*rising, LOW, HIGH)]))
    assert told == [f"{arm}: hit@5 did not rise for certain from the first to the last round: +0.000 [+0.000, +0.000]"]


def test_a_round_that_a_gate_let_through_though_it_is_worse_is_told_whatever_comes_after():
    from closed_loop import failures

    told = failures(results(curve("loop", LOW, HIGH, LOW, HIGH)))
    assert told[0].startswith("proven worse than before: loop, round 2: hit@5 on dev -0.500 [-0.6")
    assert all(line.startswith("proven worse than before: loop, round 2: ") for line in told)


def test_arms_of_which_none_had_to_rise_prove_nothing():
    from closed_loop import failures

    told = failures(results([*curve("untouched", LOW, LOW), *curve("ungated", LOW, HIGH)]))
    assert told == ["nothing that was run had to rise: add loop or hostile to --arms"]


def test_what_was_not_shown_is_said_on_stderr_and_the_status_is_1(tmp_path, monkeypatch, capsys):
    import closed_loop

    (tmp_path / "all.json").write_text(results(curve("loop", LOW, LOW)).model_dump_json(), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["closed_loop.py", "--results", str(tmp_path / "all.json")])
    with pytest.raises(SystemExit) as ended:
        closed_loop.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("loop: hit@5 did not rise for certain")


def test_a_killed_run_goes_on_only_with_the_rounds_and_the_data_that_it_began_with(tmp_path):
    from closed.results import Results

    file = tmp_path / "home" / "results.json"
    begun = Results.begun(file, 4, False)
    begun.points += curve("loop", LOW)
    begun.keep(file)
    assert Results.begun(file, 4, False) == begun
    for rounds, quick in ((2, False), (4, True)):
        with pytest.raises(SystemExit, match="holds a run that began with --rounds 4: give the same, or another"):
            Results.begun(file, rounds, quick)
    assert [each.name for each in file.parent.iterdir()] == ["results.json"]


def test_the_tables_hold_each_round_and_the_gain_of_the_last():
    from closed.results import tables

    points = [point("loop", 0, LOW), point("loop", 1, HIGH), point("ungated", 0, HIGH), point("ungated", 1, LOW)]
    text = tables(results(points))
    assert "| loop | 1 | 0.750 |" in text
    assert re.search(r"\| loop \| \+0\.500 \[\+0\.3\d+, \+0\.6\d+\] \|", text)
    assert "| loop against ungated | +0.500" in text
    assert "worse than before: ungated, round 1" in text


def test_the_picture_is_drawn():
    from closed.picture import picture

    points = [point(arm, n, hits) for arm in ("loop", "ungated") for n, hits in enumerate((LOW, HIGH))]
    image = Image.open(io.BytesIO(picture(results(points), "The loop")))
    assert image.format == "PNG" and image.width > 1000


def test_a_round_that_was_killed_begins_again_with_the_rows_before_it(tmp_path):
    import sqlite3

    from closed.homes import Home

    home = Home(tmp_path, tmp_path / "artifacts", "smoke")
    (tmp_path / "home").mkdir()

    def rows(*said):
        with sqlite3.connect(tmp_path / "home" / "ragloop.db") as database:
            database.execute("create table if not exists feedback (said text)")
            database.executemany("insert into feedback values (?)", said)
            return [each for (each,) in database.execute("select said from feedback")]

    rows(["before"])
    home.go_back(1)
    assert rows() == ["before"]
    home.keep(1)
    assert rows(["in the round"]) == ["before", "in the round"]
    home.go_back(1)
    assert rows() == ["before"]
    home.go_back(2)
    assert rows() == ["before"]


def test_a_home_where_what_a_killed_run_has_started_still_works_is_left_alone(tmp_path):
    from closed.homes import Home

    home, again = (Home(tmp_path / "loop", tmp_path / "artifacts", "smoke") for _ in range(2))
    with home.held():
        started = subprocess.Popen(["sleep", "60"], pass_fds=home.held_by)
    try:
        with pytest.raises(SystemExit, match="is at work in .*loop: wait for its end, or end it"), again.held():
            pass
    finally:
        started.kill()
        started.wait()
    with again.held():
        assert again.held_by != ()
