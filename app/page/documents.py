"""Documents: what is there, and more of them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.plain import label, problem, tried

FORMATS = ["pdf", "docx", "txt", "md", "markdown", "html", "htm", "xhtml"]
_LOOK_S = 1.0
"""Between two looks at files that are being read."""
MOST_UPLOAD_MB = 200
"""Of one file, as the page takes it; the API may take less."""
_MOST_MB = "most MB"


def show(api: Api, collection: str) -> None:
    """Show the documents of a collection, and take more."""
    st.title("Documents")
    _take(api, collection)
    there = tried(api.documents, collection)
    if there is None:
        return
    if not there:
        st.info("No documents yet: add the first above, then ask about it.")
        return
    rows = [
        {
            "Document": each["name"],
            "Version": each["version"],
            "Pages": each["n_pages"],
            "Passages": each["n_chunks"],
            "Added": each["ingested_at"][:16].replace("T", " "),
        }
        for each in there
    ]
    st.dataframe(rows, hide_index=True)


def first_steps(api: Api, collection: str) -> None:
    """Say what to do in an empty collection, and take the first documents."""
    st.markdown(
        "Nothing is here yet. **1.** Add documents: PDF, Word, text, Markdown or HTML. "
        "**2.** Ask about them. **3.** Say whether the answer helped: what you say trains the next release."
    )
    _take(api, collection)


def _take(api: Api, collection: str) -> None:
    with st.form("upload", clear_on_submit=True):
        most_mb = _most_mb(api)
        files = st.file_uploader(
            "Documents to add", FORMATS, accept_multiple_files=True, key="files", max_upload_size=most_mb
        )
        st.caption(
            f"Up to {most_mb} MB a file: split one that is larger, or have whoever runs the server add it with "
            "`ragloop ingest`. A PDF with a password has to be saved without it first."
        )
        sent = st.form_submit_button("Add", type="primary", icon=":material/upload:")
    uploads: list[Json] = st.session_state.setdefault("uploads", {}).setdefault(collection, [])
    if sent and not files:
        problem("No file is chosen: choose one first.")
    elif sent:
        _send(api, collection, files, uploads)
    reading = any(each["finished_at"] is None for each in uploads)
    st.fragment(_show_uploads, run_every=_LOOK_S if reading else None)(api, uploads)


def _most_mb(api: Api) -> int:
    """Return how large a file may be, for the page and for the API."""
    if _MOST_MB not in st.session_state:
        told = tried(api.max_upload_mb)
        if told is None:
            return MOST_UPLOAD_MB
        st.session_state[_MOST_MB] = min(told, MOST_UPLOAD_MB)
    return int(st.session_state[_MOST_MB])


def _send(api: Api, collection: str, files: Sequence[Any], uploads: list[Json]) -> None:
    """Send files; what was said of earlier ones is forgotten."""
    uploads[:] = [each for each in uploads if each["finished_at"] is None]
    bar = st.progress(0.0, "Sending")
    for number, file in enumerate(files):
        bar.progress(number / len(files), label(f"Sending {number + 1} of {len(files)}: {file.name}"))
        try:
            uploads.append(api.upload(collection, file.name, file.getvalue()))
        except ApiError as error:
            uploads.append({"name": file.name, "state": "refused", "reason": str(error), "finished_at": "at once"})
    bar.empty()


def _show_uploads(api: Api, uploads: list[Json]) -> None:
    """Show what becomes of each file; once all are read, the whole page knows of them."""
    reading = [number for number, each in enumerate(uploads) if each["finished_at"] is None]
    for number in reading:  # they are read in turn, so that those behind one that is not read need not be asked for
        uploads[number] = tried(api.uploaded, uploads[number]["id"]) or uploads[number]
        if uploads[number]["finished_at"] is None:
            break
    n_finished = sum(each["finished_at"] is not None for each in uploads)
    if n_finished < len(uploads) > 1:
        st.progress(n_finished / len(uploads), f"{n_finished} of {len(uploads)} files are done")
    for each in uploads:
        name = label(each["name"])
        if each["state"] == "refused":
            reason = label(each["reason"], 400)
            st.error(reason if reason.startswith(name) else f"{name}: {reason}")
        elif each["finished_at"] is None:
            st.info(f"{name} is being read…")
        else:
            st.success(f"{name} is read: ask about it")
    if reading and n_finished == len(uploads):
        st.rerun()
