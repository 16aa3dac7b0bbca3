import pytest

from storage.artifacts import ArtifactStore

PLAN = {"inputs": {"corpus": "c0"}, "config": {"seed": 13}, "recipe": ["storage.errors"]}


@pytest.fixture
def store(tmp_path, sealer):
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache", sealer)


def write(draft):
    (draft.path / "weights").write_text("0.5")


def test_checkpoints_go_with_what_they_were_made_of(store):
    source = store.build("pairs", **PLAN, write=write)

    def begin(draft):
        (draft.scratch / "checkpoint").write_text("step 1")
        raise RuntimeError

    of_it, of_other = {"pairs": source.digest}, {"pairs": "0" * 32}
    plans = [PLAN | {"inputs": inputs} for inputs in (of_it, of_other)]
    for plan in plans:
        with pytest.raises(RuntimeError):
            store.build("chatmodel", **plan, write=begin)
    store.remove(source)
    left = [(store.scratch(store.digest("chatmodel", **plan)) / "checkpoint").exists() for plan in plans]
    assert left == [False, True]


def test_checkpoints_of_a_build_that_was_at_work_when_its_source_was_removed_go_afterwards(store):
    source = store.build("pairs", **PLAN, write=write)

    def begin(draft):
        (draft.scratch / "checkpoint").write_text("step 1")
        if draft.ref.kind == "chatmodel":
            store.remove(source)
        raise RuntimeError

    plans = {"embedder": PLAN, "chatmodel": PLAN | {"inputs": {"pairs": source.digest}}}
    for kind, plan in plans.items():
        with pytest.raises(RuntimeError):
            store.build(kind, **plan, write=begin, reads=[source])
    kept = store.build("corpus", **PLAN, write=write)
    with pytest.raises(RuntimeError):
        store.build("other", **PLAN, write=begin, reads=[kept])
    store.remove_leftovers()
    left = {kind: (store.scratch(store.digest(kind, **plan)) / "checkpoint").exists() for kind, plan in plans.items()}
    assert left == {"embedder": False, "chatmodel": False}
    assert (store.scratch(store.digest("other", **PLAN)) / "checkpoint").exists()
