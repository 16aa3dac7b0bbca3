"""Moments as people read them: in their own time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import streamlit as st


def local(moment: str | None) -> str:
    """Return a moment of the API to the minute, in the browser's time zone; in UTC, which is said, if it has none."""
    if not moment:
        return ""
    zone = _zone()
    shown = datetime.fromisoformat(moment).astimezone(zone or UTC).strftime("%Y-%m-%d %H:%M")
    return shown if zone else f"{shown} UTC"


def _zone() -> ZoneInfo | None:
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else None
    except (KeyError, ValueError, OSError):  # not known here, or no zone at all
        return None
