"""Documents: what is there, and more of them."""

import streamlit as st

from app.page.client import Api
from app.page.moments import local
from app.page.plain import label, problem, tried
from app.page.role import may
from app.page.uploads import File, Uploads
from app.page.visits import this_visit

FORMATS = ["pdf", "docx", "txt", "md", "markdown", "html", "htm", "xhtml"]
_LOOK_S = 1.0
"""Between two looks at how far the files are; what the API is asked meanwhile is their own affair."""
MOST_UPLOAD_MB = 200
"""Of one file, as the page takes it; the API may take less."""
_MOST_NAME = 500
_MOST_MB, _FILES, _OPEN = "most MB", "files", "uploads open"


def show(api: Api, collection: str) -> None:
    """Show the documents of a collection, and take more."""
    st.title("Documents")
    _take(api, collection)
    show_uploads(api, collection, every=True)
    there = tried(api.documents, collection)
    if there is None:
        return
    if not there:
        st.info("No documents yet: add the first above, then ask about it.")
        return
    rows = [
        {
            "Document": label(each["name"], _MOST_NAME) + f" (version {each['version']})" * (each["version"] > 1),
            "Pages": each["n_pages"],
            "Passages": each["n_chunks"],
            "Added": local(each["ingested_at"]),
        }
        for each in there
    ]
    st.table(rows, hide_index=True)  # its names wrap on a telephone, where those of st.dataframe are cut off


def first_steps(api: Api, collection: str) -> None:
    """Say what to do in an empty collection, and take the first documents."""
    st.markdown(
        "Nothing is here yet. **1.** Add documents: PDF, Word, text, Markdown or HTML. "
        "**2.** Ask about them. **3.** Say whether the answer helped: what you say trains the next release."
    )
    _take(api, collection)
    show_uploads(api, collection)


def show_uploads(api: Api, collection: str, every: bool = False) -> None:
    """Send on and show the files that were added, until it is known what became of each, and was taken note of.

    :param every: show each file, also those that give no trouble.
    """
    uploads = _uploads(collection)
    if uploads.open:
        st.session_state[_OPEN] = True
    st.fragment(_follow, run_every=_LOOK_S if uploads.open else None)(api, uploads, every)


def _take(api: Api, collection: str) -> None:
    if not may(api, "trainer", "Adding documents"):
        return
    with st.form("upload", clear_on_submit=True):
        most_mb = _most_mb(api)
        files = st.file_uploader(
            "Documents to add", FORMATS, accept_multiple_files=True, key=_FILES, max_upload_size=most_mb
        )
        st.caption(
            f"Up to {most_mb} MB a file: split one that is larger, or have whoever runs the server add it with "
            "`ragloop ingest`. A PDF with a password has to be saved without it first."
        )
        sent = st.form_submit_button(
            "Add", on_click=_hold, args=(api, collection), type="primary", icon=":material/upload:"
        )
    if sent and not files:
        problem("No file is chosen: choose one first.")


def _hold(api: Api, collection: str) -> None:
    """Keep the files before anything can go wrong, until they are sent."""
    uploads = _uploads(collection)
    uploads.add((file.name, file.getvalue()) for file in st.session_state[_FILES])
    uploads.go_on(api)


def _uploads(collection: str) -> Uploads:
    known: dict[str, Uploads] = this_visit().setdefault("uploads", {})
    return known.setdefault(collection, Uploads(collection))


def _most_mb(api: Api) -> int:
    """Return how large a file may be, for the page and for the API."""
    if _MOST_MB not in st.session_state:
        told = tried(api.max_upload_mb)
        if told is None:
            return MOST_UPLOAD_MB
        st.session_state[_MOST_MB] = min(told, MOST_UPLOAD_MB)
    return int(st.session_state[_MOST_MB])


def _follow(api: Api, uploads: Uploads, every: bool) -> None:
    """Show what becomes of each file; once it is known of all, the whole page knows of it."""
    uploads.go_on(api)
    files, n_open = uploads.files, len(uploads.open)
    if not n_open and st.session_state.pop(_OPEN, False):
        st.rerun()
    if n_open:
        st.progress(1 - n_open / len(files), f"{len(files) - n_open} of {len(files)} files are done")
        if uploads.wrong:
            problem(f"{uploads.wrong}; the files wait here")
    shown = [each for each in files if every or each.refused]
    for file in shown:
        _show_file(file)
    if any(not each.open for each in shown):
        st.button("Dismiss", on_click=uploads.dismiss, icon=":material/done_all:")


def _show_file(file: File) -> None:
    name = label(file.name)
    if file.refused:
        reason = label(file.refused, 400)
        st.error(reason if reason.startswith(name) else f"{name}: {reason}")
    elif file.done:
        st.success(f"{name} is read: ask about it")
    elif file.id:
        st.info(f"{name} is being read…")
    else:
        st.info(f"{name} waits to be sent…")
