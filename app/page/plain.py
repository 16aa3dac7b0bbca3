"""What documents, people and models say, shown as they say it and never as markup."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from app.page.client import ApiError

T = TypeVar("T")

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_NAMED = re.compile(r"\\:(?=[\w+\\-]+\\:)")
_JOINER = "\N{WORD JOINER}"

# Nothing in it comes from documents, people or models. Long words break, so that narrow screens need not scroll;
# captions and the chosen source keep their distance from the background, which Streamlit's are too near to; why a file
# is refused, which Streamlit tells screen readers alone, is there to see; answers side by side want room for stars.
STYLE = """<style>
#stMain [data-testid="stMainBlockContainer"] { padding-top: 3.5rem; }
[data-testid="stText"], [data-testid="stMarkdownContainer"], [data-testid="stChatMessageContent"] {
  overflow-wrap: anywhere; min-width: 0;
}
[class*="st-key-marked"] { background: rgba(255, 214, 0, .35); border-radius: .25rem; padding: .25rem .5rem; }
[class*="st-key-around"] { opacity: .85; }
[data-testid="stApp"] [data-testid="stCaptionContainer"] { color: inherit; opacity: .8; }
[data-testid="stApp"] [data-testid="stCaptionContainer"] code { color: inherit; }
[data-testid="stFileUploader"] [role="alert"] {
  position: static; width: auto; height: auto; clip: auto; clip-path: none; overflow: visible; white-space: normal;
  margin: 0 .5rem; font-size: .875rem;
}
[data-testid="stApp"] [data-testid="stButtonGroup"] button[data-variant="pills"][data-selected] { color: inherit; }
@media (max-width: 1200px) { [class*="st-key-ways"] [data-testid="stColumn"] { min-width: 100%; } }
.source-page { width: 100%; border: 1px solid rgba(128, 128, 128, .4); border-radius: .25rem; }
</style>"""


def label(text: str, max_chars: int = 120) -> str:
    """Return text for where Streamlit takes markdown, such that it shows as written, in one line.

    Icons and emoji, as in :name:, are looked for after escapes are gone, hence an invisible joiner behind their colon.
    """
    line = " ".join(text.split())
    line = line if len(line) <= max_chars else line[: max_chars - 1] + "…"
    return _NAMED.sub(rf"\\:{_JOINER}", _PUNCTUATION.sub(r"\\\1", line))


def problem(message: str) -> None:
    """Show what went wrong, in one line."""
    st.error(label(message, 600), icon=":material/error:")


def tried(call: Callable[..., T], *arguments: Any) -> T | None:
    """Return what the API gives; None if it refuses, which is shown."""
    try:
        return call(*arguments)
    except ApiError as error:
        problem(str(error))
        return None
