"""Releases for tests."""


def another(registry, release, **parts):
    """Register a release that has the parts of this one, but for those given; return it."""
    same = {name: getattr(release, name) for name in ("embedder", "index", "answering", "config", "lineage")}
    return registry.register(release.collection, parent_id=release.id, reason="another", **same | parts)
