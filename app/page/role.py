"""What a person may do, which the role of the key decides."""

import streamlit as st

from app.page.client import Api, ApiError

_ROLES = ("reader", "trainer", "admin")
"""Each may also do what those before it may."""


def may(api: Api, role: str, doing: str) -> bool:
    """Say whether the person may do what takes a role; if not, what it takes is shown.

    :param doing: begins the sentence that is shown: `Adding documents`.
    """
    try:
        has = api.role
    except ApiError:  # the API itself refuses what may not be
        return True
    if has not in _ROLES or _ROLES.index(has) >= _ROLES.index(role):
        return True
    st.info(
        f"{doing} takes the role {role}, and your key has the role {has}: whoever runs ragloop makes you another with "
        f"`ragloop keys create --role {role}`."
    )
    return False
