import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

from storage.artifacts import ArtifactRef, ArtifactStore
from storage.errors import ArtifactMissing, SealBroken, StorageError
from storage.sealing import Keyring, Sealer

ROOT = Path(__file__).parents[2]
RECIPE = ["storage.errors"]
PLAN = {"inputs": {"corpus": "c0"}, "config": {"seed": 13}, "recipe": RECIPE}


@pytest.fixture
def memory():
    """What fsspec keeps in this process's memory; empty again after the test."""
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(params=["folder", "file-uri", "memory"])
def store(request, tmp_path, sealer, memory):
    roots = {
        "folder": str(tmp_path / "artifacts"),
        "file-uri": (tmp_path / "my artifacts").as_uri(),
        "memory": "memory://bucket/artifacts",
    }
    return ArtifactStore(roots[request.param], tmp_path / "cache", sealer)


@pytest.fixture
def local(tmp_path, sealer):
    return ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache", sealer)


def write(draft):
    draft.seal("metadata.encrypted", b"a distinctive sentence")
    (draft.path / "model").mkdir()
    (draft.path / "model" / "config.json").write_text('{"dim": 384}')
    return {"dim": 384}


def forbidden(draft):
    raise AssertionError("built twice")


def leftovers(store):
    building = store._building
    return [path.name for path in building.iterdir()] if building.exists() else []


def test_artifact_holds_what_was_written_and_says_from_what(store):
    ref = store.build("index", **PLAN, write=write)
    assert ref == ArtifactRef.parse(ref.uri) == store.find("index", ref.digest)
    assert ref.digest == store.digest("index", **PLAN)
    assert store.unseal(ref, "metadata.encrypted") == b"a distinctive sentence"
    assert (store.path(ref) / "model" / "config.json").read_text() == '{"dim": 384}'
    assert store.facts(ref) == {"dim": 384}
    manifest = store.manifest(ref)
    assert (manifest.inputs, manifest.config) == ({"corpus": "c0"}, {"seed": 13})
    assert list(manifest.recipe) == RECIPE
    assert sorted(manifest.files) == ["metadata.encrypted", "model/config.json"]
    store.verify(ref)
    assert leftovers(store) == []


def test_reference_names_no_path_of_this_machine(store, tmp_path):
    ref = store.build("index", **PLAN, write=write)
    assert ref.uri == f"artifact:index/{ref.digest}"
    assert str(tmp_path) not in store.manifest(ref).model_dump_json()


def test_second_build_reuses_and_any_change_builds_again(store):
    ref = store.build("index", **PLAN, write=write)
    assert store.build("index", **PLAN, write=forbidden) == ref
    changes = [{"inputs": {"corpus": "c1"}}, {"config": {"seed": 14}}, {"recipe": ["storage.bucket"]}]
    assert len({store.build("index", **(PLAN | change), write=write).digest for change in changes} | {ref.digest}) == 4
    assert store.build("embedder", **PLAN, write=write).digest != ref.digest


def test_sealed_file_in_another_artifact_or_under_another_name_is_refused(local):
    one = local.build("index", **PLAN, write=write)
    two = local.build("index", **(PLAN | {"config": {}}), write=write)
    target = local.path(two) / "metadata.encrypted"
    target.write_bytes((local.path(one) / "metadata.encrypted").read_bytes())
    with pytest.raises(SealBroken, match=str(target)):
        local.unseal(two, "metadata.encrypted")


def test_flipped_byte_is_refused_by_name(local):
    ref = local.build("index", **PLAN, write=write)
    for name, opening in (("metadata.encrypted", local.unseal), ("model/config.json", lambda r, n: local.verify(r))):
        path = local.path(ref) / name
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(SealBroken, match=name):
            opening(ref, name)
        with pytest.raises(SealBroken, match="altered"):
            local.verify(ref)
        path.write_bytes(content)
    local.verify(ref)


def test_cut_or_missing_file_is_seen_at_opening_and_built_again(local):
    ref = local.build("index", **PLAN, write=write)
    path = local.path(ref) / "model" / "config.json"
    path.write_text("{")
    with pytest.raises(SealBroken, match=r"model/config\.json: cut short"):
        local.path(ref)
    path.unlink()
    with pytest.raises(SealBroken, match=r"model/config\.json: missing"):
        local.path(ref)
    local.verify(local.build("index", **PLAN, write=write))


@pytest.mark.parametrize("content", ["", "{}", "[1", '{"kind": "index"}'])
def test_damaged_manifest_is_refused_by_name(local, content):
    ref = local.build("index", **PLAN, write=write)
    (local.path(ref) / "manifest.json").write_text(content)
    with pytest.raises(SealBroken, match=r"manifest\.json"):
        local.path(ref)


def test_manifest_that_points_outside_is_refused(local):
    ref = local.build("index", **PLAN, write=write)
    path = local.path(ref) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../../other"] = manifest["files"].pop("metadata.encrypted")
    path.write_text(json.dumps(manifest))
    with pytest.raises(SealBroken, match=r"manifest\.json"):
        local.path(ref)


def test_missing_artifact_says_the_remedy(store):
    with pytest.raises(ArtifactMissing, match="artifact:index/0123 is not in the store: .*build it again"):
        store.path(ArtifactRef.of("index", "0123"))
    assert store.find("index", "0123") is None


@pytest.mark.parametrize("name", ["..", "a/b", "", ".building", "a\\b", "a\0b", "/etc", "ä"])
def test_name_that_could_lead_elsewhere_is_refused(local, name):
    for attempt in (
        lambda: local.find(name, "0"),
        lambda: local.find("index", name),
        lambda: local.path(ArtifactRef(kind="index", digest=name, uri="artifact:x/y")),
        lambda: local.build(name, **PLAN, write=write),
        lambda: local.scratch(name),
    ):
        with pytest.raises(StorageError, match="cannot name an artifact"):
            attempt()
    with pytest.raises(StorageError):
        ArtifactRef.parse("https://elsewhere/1")


@pytest.mark.parametrize("name", ["../out", "/out", "", "a/../../out"])
def test_file_name_that_could_lead_elsewhere_is_refused(local, name):
    with pytest.raises(StorageError, match="cannot name a file"):
        local.build("index", **PLAN, write=lambda draft: draft.seal(name, b""))


def test_failed_build_leaves_nothing_but_its_scratch(store):
    def fail(draft):
        write(draft)
        (draft.scratch / "checkpoint").write_text("step 1")
        raise RuntimeError

    digest = store.digest("index", **PLAN)
    with pytest.raises(RuntimeError):
        store.build("index", **PLAN, write=fail)
    assert store.find("index", digest) is None
    assert leftovers(store) == []
    assert (store.scratch(digest) / "checkpoint").read_text() == "step 1"
    store.build("index", **PLAN, write=lambda draft: {"resumed": (draft.scratch / "checkpoint").exists()})
    assert store.facts(ArtifactRef.of("index", digest)) == {"resumed": True}
    assert list(store.scratch(digest).iterdir()) == []


def test_link_in_an_artifact_is_refused(local, tmp_path):
    with pytest.raises(StorageError, match="is a link"):
        local.build("index", **PLAN, write=lambda draft: (draft.path / "link").symlink_to(tmp_path) or None)


def test_removed_artifact_is_gone_with_its_files_and_can_be_built_again(store, tmp_path, memory):
    ref, other = store.build("index", **PLAN, write=write), store.build("pairs", **PLAN, write=write)
    assert store.refs() == [ref, other]
    store.remove(ref)
    store.remove(ref)
    assert (store.refs(), store.find("index", ref.digest)) == ([other], None)
    assert leftovers(store) == []
    assert not [path for path in tmp_path.rglob("*") if ref.digest in str(path)]
    assert not [path for path in memory.store if ref.digest in path]
    with pytest.raises(ArtifactMissing):
        store.path(ref)
    assert store.unseal(store.build("index", **PLAN, write=write), "metadata.encrypted") == b"a distinctive sentence"


def test_what_was_built_from_an_artifact_that_was_removed_meanwhile_is_removed_too(store):
    source = store.build("corpus", **PLAN, write=write)

    def remove_meanwhile(draft):
        store.remove(source)
        return write(draft)

    with pytest.raises(ArtifactMissing, match=f"{source.uri} was removed while .* was made from it"):
        store.build("index", **PLAN, write=remove_meanwhile, reads=[source])
    assert store.refs() == []


def test_copy_of_what_another_machine_removed_from_a_bucket_is_dropped(tmp_path, sealer, memory):
    here, there = (ArtifactStore("memory://bucket/artifacts", tmp_path / name, sealer) for name in ("here", "there"))
    ref = here.build("index", **PLAN, write=write)
    there.path(ref)
    here.remove(ref)
    assert list((tmp_path / "there").rglob("metadata.encrypted"))
    there.drop_copy(ref)
    assert not list((tmp_path / "there").rglob("metadata.encrypted"))


def test_removal_that_was_killed_is_completed(local):
    ref = local.build("index", **PLAN, write=write)
    (local.path(ref)).rename(local._building / f"index-{ref.digest}.0123")
    local.remove_leftovers()
    assert leftovers(local) == []


KILLED = """
import sys, time
from pathlib import Path
from storage.artifacts import ArtifactStore
from storage.sealing import Keyring, Sealer

def write(draft):
    (draft.path / "half").write_text("half")
    (draft.scratch / "checkpoint").write_text("step 1")
    print("writing", flush=True)
    time.sleep(60)

store = ArtifactStore(sys.argv[1], Path(sys.argv[1]), Sealer(Keyring.generate()))
store.build("index", inputs={"corpus": "c0"}, config={"seed": 13}, recipe=["storage.errors"], write=write)
"""


@pytest.mark.parametrize("next_kind", ["index", "embedder"])
def test_killed_build_is_swept_by_the_next_and_keeps_its_checkpoint(local, next_kind):
    root = str(local._root)
    child = subprocess.Popen([sys.executable, "-c", KILLED, root], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout.readline() == "writing\n"
    local.build("other", **PLAN, write=write)
    assert any(name.startswith("index-") for name in leftovers(local)), "a build in progress is left alone"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    digest = local.digest("index", **PLAN)
    assert local.find("index", digest) is None
    assert (local.scratch(digest) / "checkpoint").exists()
    local.build(next_kind, **PLAN, write=write)
    assert leftovers(local) == []


def _build(root, sealer_json, bar):
    def slow(draft):
        bar.put(draft.ref.digest)
        return write(draft)

    store = ArtifactStore(root, Path(root), Sealer(Keyring.from_json(sealer_json)))
    for seed in range(5):
        store.verify(store.build("index", **(PLAN | {"config": {"seed": seed}}), write=slow))


def test_processes_that_build_the_same_all_finish_and_build_it_once(local):
    context = multiprocessing.get_context("spawn")
    built = context.Queue()
    arguments = (str(local._root), local.sealer.keyring.to_json(), built)
    children = [context.Process(target=_build, args=arguments) for _ in range(3)]
    for child in children:
        child.start()
    digests = [built.get(timeout=60) for _ in range(5)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert len(set(digests)) == 5
    assert built.empty()
    assert leftovers(local) == []


def test_threads_that_build_the_same_build_it_once(store):
    built = []

    def once(draft):
        built.append(draft.ref)
        return write(draft)

    threads = [threading.Thread(target=store.build, args=("index",), kwargs=PLAN | {"write": once}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_remote_artifact_is_fetched_once_and_again_when_its_copy_is_damaged(tmp_path, sealer, memory):
    here = ArtifactStore("memory://bucket/shared", tmp_path / "here", sealer)
    there = ArtifactStore("memory://bucket/shared", tmp_path / "there", sealer)
    ref = here.build("index", **PLAN, write=write)
    assert there.build("index", **PLAN, write=forbidden) == ref
    assert there.unseal(ref, "metadata.encrypted") == b"a distinctive sentence"
    (there.path(ref) / "metadata.encrypted").write_bytes(b"cut")
    assert there.unseal(ref, "metadata.encrypted") == b"a distinctive sentence"
    uploaded = [path for path in memory.find("/bucket/shared") if path.endswith("metadata.encrypted")]
    memory.pipe_file(uploaded[0], b"x" * memory.size(uploaded[0]))
    elsewhere = ArtifactStore("memory://bucket/shared", tmp_path / "elsewhere", sealer)
    with pytest.raises(SealBroken, match=r"metadata\.encrypted: altered"):
        elsewhere.path(ref)


def test_two_machines_that_upload_the_same_never_mix_their_files(tmp_path, sealer, memory):
    here = ArtifactStore("memory://bucket/race", tmp_path / "here", sealer)
    there = ArtifactStore("memory://bucket/race", tmp_path / "there", sealer)

    def while_another_uploads(draft):
        there.build("index", **PLAN, write=write)
        return write(draft)

    ref = here.build("index", **PLAN, write=while_another_uploads)
    reader = ArtifactStore("memory://bucket/race", tmp_path / "reader", sealer)
    reader.verify(ref)
    assert len(memory.ls(f"/bucket/race/{ref.name}")) == 2, "one upload and the manifest"


def test_root_that_nothing_here_can_reach_is_one_line(tmp_path, sealer):
    with pytest.raises(StorageError, match="no way to reach nowhere://x"):
        ArtifactStore("nowhere://x", tmp_path, sealer)


def test_root_that_is_a_file_is_one_line(tmp_path, sealer):
    (tmp_path / "root").write_text("")
    with pytest.raises(StorageError, match="root"):
        ArtifactStore(str(tmp_path / "root"), tmp_path, sealer).build("index", **PLAN, write=write)
