import io
import warnings

import numpy as np
import pytest
from PIL import Image

from rag.evaluation.pictures import GAINED, LOST, UNSURE
from rag.evaluation.significance import Interval
from rag.report.figures import SHOWN, forest_picture, ranks_picture
from rag.report.paired import RUNGS, Slice

ROSE, FELL, OPEN = (
    Interval(mean=0.2, low=0.1, high=0.3),
    Interval(mean=-0.2, low=-0.3, high=-0.1),
    Interval(mean=0.0, low=-0.1, high=0.1),
)


def named(name, gain=OPEN, n=5):
    return Slice(name, n, 1, 0.5, 0.5 + gain.mean, gain, n_drawn=n)


def pixels(png):
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size[0]) == ("PNG", 1200)
    return np.asarray(image.convert("RGB"))


def painted(png, color):
    return int((pixels(png) == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum())


def test_each_slice_has_the_colour_of_its_interval():
    for gain, color in ((ROSE, GAINED), (FELL, LOST), (OPEN, UNSURE)):
        png = forest_picture([named("a", gain)], "by type")
        assert painted(png, color) > 500
        assert all(painted(png, other) == 0 for other in {GAINED, LOST} - {color})


def test_one_question_proves_nothing_whatever_it_gained():
    png = forest_picture([named("a", Interval(mean=1, low=-1, high=1), n=1)], "by document")
    line = painted(forest_picture([named("a", OPEN, n=2)], "by document"), UNSURE)
    assert painted(png, GAINED) == 0 and 0 < painted(png, UNSURE) < line


def test_many_documents_are_cut_to_the_lowest_and_the_highest():
    many = [named(f"d{n}") for n in range(SHOWN + 40)]
    assert pixels(forest_picture(many, "t")).shape == pixels(forest_picture(many[: SHOWN + 1], "t")).shape
    assert pixels(forest_picture(many[:SHOWN], "t")).shape[0] > pixels(forest_picture(many[:3], "t")).shape[0]


@pytest.mark.parametrize("name", ["$\\frac{1", "a$b$c_{", "\x00\n\t", "x" * 500, "%s {0} \\n", ""])
def test_whatever_a_document_is_called_is_drawn_as_it_is(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = pixels(forest_picture([named(name), named("plain")], "by document"))
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge == 255).all()


def test_nothing_to_draw_is_an_empty_picture():
    assert pixels(forest_picture([], "nothing")).shape[0] > 100


def test_ranks_are_coloured_by_which_way_they_went():
    def picture(before, after):
        counts = [[0] * len(RUNGS) for _ in RUNGS]
        counts[before][after] = 7
        return pixels(ranks_picture(counts, "ranks")).astype(int)

    up, down, same = picture(4, 0), picture(0, 4), picture(2, 2)
    blue, orange = (
        (lambda image: int((image[..., 2] - image[..., 0] > 60).sum())),
        (lambda image: int((image[..., 0] - image[..., 2] > 60).sum())),
    )
    assert blue(up) > 5000 > blue(same) and orange(down) > 5000 > orange(same)
    assert orange(up) < 100 and blue(down) < 100
