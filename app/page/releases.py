"""Releases: which serves, what each was found to be worth, and how to put another into production."""

from typing import Any

import altair as alt
import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.moments import local
from app.page.plain import label, problem
from app.page.role import may

_CONFIRM, _CHANGED = "confirm", "changed"
_COLOURS = alt.Scale(domain=["promote", "keep"], range=["#1b7f4b", "#b3541e"])
_RELEASE = alt.X("release:N", title="Release", sort=None, axis=alt.Axis(labelAngle=0))
_SHOWN = 5
"""Releases that are told of unless a person wants more."""


def show(api: Api, collection: str, known: list[Json]) -> None:
    """Show the releases, oldest first as the API tells them, and let one be promoted or production rolled back."""
    st.header("Releases")
    newest = known[::-1]
    for release in newest[:_SHOWN]:
        _tell(release)
    if newest[_SHOWN:]:
        with st.expander("Earlier releases"):
            for release in newest[_SHOWN:]:
                _tell(release)
    if judged := [each for each in known if each["judged"]]:
        _draw(judged)
    _offer_changes(api, collection, known)


def interval(gain: Json) -> str:
    """Return a mean with its interval as text."""
    return f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"


def _tell(release: Json) -> None:
    judged = release["judged"] or {}
    verdict = judged.get("verdict", {})
    gain = verdict.get("gains", {}).get(judged.get("metric"))
    st.markdown(f"**Release {release['id']}**, {label(release['state'].replace('_', ' '))}")
    made = [f"made {local(release['created_at'])}"]
    if verdict:
        made.append(f"judged: {verdict['decision']}")
    if gain:
        made.append(f"gain in {judged['metric']} {interval(gain)}")
    st.caption(label(", ".join(made), 300))
    st.text(verdict.get("reason") or release["reason"])


def judgements(judged: list[Json]) -> tuple[list[Json], list[Json]]:
    """Return what is drawn of judged releases: the paired gains, and what each and the one before it had."""
    gains: list[Json] = []
    levels: list[Json] = []
    for release in judged:
        verdict, metric = release["judged"]["verdict"], release["judged"]["metric"]
        about = {"release": str(release["id"]), "metric": metric, "verdict": verdict["decision"]}
        if gain := verdict["gains"].get(metric):
            gains.append(about | gain)
        for name, values in (("what served", verdict["before"]), ("this release", verdict["after"])):
            if metric in values:
                levels.append(about | {"of": name, "value": values[metric]})
    return gains, levels


def _draw(judged: list[Json]) -> None:
    """Draw each metric by itself: they are no measures of the same."""
    gains, levels = judgements(judged)
    if levels:
        st.markdown("**Quality by release**, as judged on sealed questions")
        for metric, values in _by_metric(levels):
            st.altair_chart(_quality(metric, values))
    if gains:
        st.markdown("**Paired gain** over what served, with its interval; proven only above zero")
        for metric, values in _by_metric(gains):
            st.altair_chart(_gains(metric, values))


def _by_metric(values: list[Json]) -> list[tuple[str, list[Json]]]:
    metrics = dict.fromkeys(each["metric"] for each in values)
    return [(metric, [each for each in values if each["metric"] == metric]) for metric in metrics]


def _quality(metric: str, levels: list[Json]) -> alt.LayerChart | alt.FacetChart:
    """Return a line over the releases, and one over what served when each was judged."""
    value = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))
    base = alt.Chart(alt.InlineData(values=levels)).encode(_RELEASE, value, tooltip=["release:N", "of:N", "value:Q"])
    of = alt.StrokeDash("of:N", title=None, sort=["this release", "what served"], legend=alt.Legend(orient="top"))
    judged = base.transform_filter("datum.of == 'this release'").mark_point(filled=True, size=90)
    return alt.layer(base.mark_line(color="#808080").encode(of), judged.encode(color=_colour()))


def _gains(metric: str, gains: list[Json]) -> alt.LayerChart | alt.FacetChart:
    base = alt.Chart(alt.InlineData(values=gains)).encode(_RELEASE, color=_colour())
    bars = base.mark_rule(strokeWidth=3).encode(alt.Y("low:Q", title=f"Gain in {metric}"), alt.Y2("high:Q"))
    means = base.mark_point(filled=True, size=90).encode(alt.Y("mean:Q"), tooltip=["release:N", "mean:Q"])
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 4]).encode(alt.Y("zero:Q"))
    return alt.layer(bars, means, zero)


def _colour() -> alt.Color:
    return alt.Color("verdict:N", title=None, scale=_COLOURS, legend=alt.Legend(orient="bottom"))


def _offer_changes(api: Api, collection: str, known: list[Json]) -> None:
    serving = next((each["id"] for each in known if each["state"] == "production"), None)
    others = [each["id"] for each in reversed(known) if each["state"] not in ("production", "withdrawn")]
    st.markdown(f"Release **{serving}** serves." if serving else "No release serves.")
    if others and may(api, "admin", "Promoting a release and rolling back"):
        chosen = st.selectbox("Another release", others, format_func=lambda id_: f"Release {id_}")
        _confirmed(f"Promote release {chosen}", "serves at once, gate or no gate", api.promote, collection, chosen)
        _confirmed("Roll back", "puts the models that served before back", api.roll_back, collection)
    if changed := st.session_state.get(_CHANGED, {}).get(collection):
        well, line = changed
        if well:
            st.success(label(line, 400))
        else:
            problem(line)


def _confirmed(title: str, meaning: str, act: Any, collection: str, *arguments: Any) -> None:
    """Offer a change of production, which takes a second click."""
    asked = (collection, title)
    if st.session_state.get(_CONFIRM) != asked:
        st.button(title, key=f"ask-{title}", on_click=st.session_state.update, kwargs={_CONFIRM: asked})
        return
    st.warning(f"{title}: {meaning}. Sure?")
    st.button(f"Yes, {title.lower()}", type="primary", on_click=_act, args=(act, collection, *arguments))
    st.button("No, leave it", on_click=st.session_state.pop, args=(_CONFIRM, None))


def _act(act: Any, collection: str, *arguments: Any) -> None:
    st.session_state.pop(_CONFIRM, None)
    changed = st.session_state.setdefault(_CHANGED, {})
    try:
        release = act(collection, *arguments)
    except ApiError as error:
        changed[collection] = (False, str(error))
    else:
        note = f" Note: {release['note']}" if release.get("note") else ""
        changed[collection] = (True, f"Release {release['id']} serves now.{note}")
