"""What is shown as it was written."""

import pytest

from app.page.plain import label

JOINER = "\N{WORD JOINER}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("two\n lines", "two lines"),
        ("**a** [b](c) <i> $x$", r"\*\*a\*\* \[b\]\(c\) \<i\> \$x\$"),
        (":smile: :material/home:", rf"\:{JOINER}smile\: \:material\/home\:"),
        ("http://127.0.0.1:8000", r"http\:\/\/127\.0\.0\.1\:8000"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_text_is_escaped_for_where_markdown_is_read(text, shown):
    assert label(text) == shown
