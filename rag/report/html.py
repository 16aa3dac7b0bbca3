"""The page as one HTML file that needs nothing else: no network, no script."""

from base64 import b64encode
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rag.report.facts import ReleaseReport, release_report
from rag.report.section import cell
from rag.report.sections import headline, sections, sentence, title_of
from rag.report.texts import Texts, load_texts
from rag.workspace import Workspace
from storage.release import Release

if TYPE_CHECKING:
    from jinja2 import Template

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content security policy: the page brings its style and its pictures, and whatever is quoted in it fetches nothing."""


def release_page(space: Workspace, release: Release) -> str:
    """Return the page about a release of this home."""
    report = release_report(space, release)
    return html_page(report, load_texts(space, report))


def html_page(report: ReleaseReport, texts: Texts) -> str:
    """Return the page. It quotes questions and passages, in clear."""
    return _template().render(
        title=title_of(report),
        headline=headline(report),
        sentence=sentence(report),
        sections=sections(report, texts),
        written_at=cell(report.written_at),
        made_by=f"ragloop {_version()}",
        policy=POLICY,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # What people wrote is quoted all over the page, so everything is escaped; nothing is marked as safe.
    pages = Environment(
        loader=PackageLoader("rag.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["data_uri"] = lambda png: f"data:image/png;base64,{b64encode(png).decode()}"
    return pages.get_template("template.html.jinja")


def _version() -> str:
    try:
        return version("ragloop")
    except PackageNotFoundError:
        return ""
