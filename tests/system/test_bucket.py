"""The artifact store on a real S3 server: what it does on a disk too, and what only a bucket can show."""

import os
import signal
import subprocess
import sys

import pytest
from test_artifacts import (  # noqa: F401  tests that hold under any root
    PLAN,
    ROOT,
    forbidden,
    leftovers,
    test_artifact_holds_what_was_written_and_says_from_what,
    test_failed_build_leaves_nothing_but_its_scratch,
    test_missing_artifact_says_the_remedy,
    test_reference_names_no_path_of_this_machine,
    test_second_build_reuses_and_any_change_builds_again,
    test_threads_that_build_the_same_build_it_once,
    write,
)

from storage.artifacts import ArtifactRef, ArtifactStore
from storage.errors import SealBroken, StorageError
from storage.sealing import Keyring, Sealer
from tests.processes import at_once

pytestmark = pytest.mark.system


@pytest.fixture
def machine(bucket, tmp_path, sealer):
    """Makes the store of one more machine: the same bucket and key, and a cache of its own."""
    return lambda name: ArtifactStore(f"{bucket}/some/where", tmp_path / name, sealer)


@pytest.fixture
def store(machine):
    return machine("here")


def s3_client():
    import boto3  # of the extra `system`, which tests that are not run do without

    return boto3.client("s3")


def keys(bucket):
    listed = s3_client().list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return sorted(entry["Key"] for entry in listed.get("Contents", []))


def test_another_machine_fetches_it_once(machine, bucket):
    here, there = machine("here"), machine("there")
    ref = here.build("index", **PLAN, write=write)
    assert there.build("index", **PLAN, write=forbidden) == ref
    assert there.unseal(ref, "metadata.encrypted") == b"a distinctive sentence"
    there.verify(ref)
    client, name = s3_client(), bucket.removeprefix("s3://")
    for key in keys(bucket):
        client.delete_object(Bucket=name, Key=key)
    assert there.unseal(ref, "metadata.encrypted") == b"a distinctive sentence"
    assert here.find("index", ref.digest) is None


def test_nothing_in_the_bucket_is_plain(store, bucket):
    store.build("index", **PLAN, write=write)
    client, name = s3_client(), bucket.removeprefix("s3://")
    contents = [client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys(bucket)]
    assert len(contents) == 3
    assert not any(b"distinctive" in content for content in contents)


def test_removed_artifact_leaves_nothing_in_the_bucket_nor_on_machines_that_look(machine, bucket):
    here, there = machine("here"), machine("there")
    ref, other = here.build("index", **PLAN, write=write), here.build("pairs", **PLAN, write=write)
    there.path(ref)
    assert there.refs() == [ref, other]
    here.remove(ref)
    here.remove(ref)
    assert keys(bucket)
    assert not [key for key in keys(bucket) if ref.digest in key]
    there.drop_copy(ref)
    assert (here.refs(), there.refs()) == ([other], [other])


def test_machine_that_has_looked_sees_what_another_makes_later(store, bucket):
    ref = store.build("index", **PLAN, write=write)
    assert store.refs() == [ref]
    # Past our driver, which in this process all stores share.
    name = bucket.removeprefix("s3://")
    s3_client().put_object(Bucket=name, Key="some/where/pairs/0123/manifest.json", Body=b"{}")
    assert store.refs() == [ref, ArtifactRef.of("pairs", "0123")]


def test_object_that_was_altered_is_refused_by_name(machine, bucket):
    ref = machine("here").build("index", **PLAN, write=write)
    client, name = s3_client(), bucket.removeprefix("s3://")
    [key] = [key for key in keys(bucket) if key.endswith("metadata.encrypted")]
    size = client.head_object(Bucket=name, Key=key)["ContentLength"]
    client.put_object(Bucket=name, Key=key, Body=b"x" * size)
    with pytest.raises(SealBroken, match=r"metadata\.encrypted: altered"):
        machine("there").path(ref)


MANY = """
import sys
from pathlib import Path
from storage.artifacts import ArtifactStore
from storage.sealing import Keyring, Sealer

def write(draft):
    for number in range(300):
        (draft.path / f"{number:03}").write_text("part")

store = ArtifactStore(sys.argv[1], Path(sys.argv[2]), Sealer(Keyring.from_json(sys.stdin.read())))
store.build("index", inputs={"corpus": "c0"}, config={"seed": 13}, recipe=["storage.errors"], write=write)
"""


def test_killed_upload_does_not_count_and_is_made_again(machine, bucket, tmp_path, sealer):
    command = [sys.executable, "-c", MANY, f"{bucket}/some/where", str(tmp_path / "here")]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=ROOT)
    child.stdin.write(sealer.keyring.to_json())
    child.stdin.close()
    while not keys(bucket):
        assert child.poll() is None
    child.kill()
    assert child.wait() == -signal.SIGKILL
    here, there = machine("here"), machine("there")
    digest = here.digest("index", **PLAN)
    assert 0 < len(keys(bucket)) < 300
    assert there.find("index", digest) is None
    here.build("index", **PLAN, write=forbidden)  # what was built is still here; only the upload is made again
    assert len(list(there.path(ArtifactRef.of("index", digest)).iterdir())) == 301
    assert leftovers(here) == []


def build_and_verify(root, cache, keyring):
    store = ArtifactStore(root, cache, Sealer(Keyring.from_json(keyring)))
    for seed in range(3):
        store.verify(store.build("index", **(PLAN | {"config": {"seed": seed}}), write=write))


def test_machines_that_upload_the_same_at_once_never_mix_their_files(machine, bucket, tmp_path, sealer):
    root, keyring = f"{bucket}/some/where", sealer.keyring.to_json()
    at_once(build_and_verify, [(root, tmp_path / f"machine-{number}", keyring) for number in range(3)])
    reader = machine("reader")
    for seed in range(3):
        reader.verify(ArtifactRef.of("index", reader.digest("index", **(PLAN | {"config": {"seed": seed}}))))


def test_checkpoint_of_a_killed_build_waits_on_its_own_machine(machine):
    here, there = machine("here"), machine("there")
    digest = here.digest("index", **PLAN)
    (here.scratch(digest) / "checkpoint").write_text("step 1")
    assert (machine("here").scratch(digest) / "checkpoint").exists()
    assert list(there.scratch(digest).iterdir()) == []


def test_bucket_that_does_not_exist_is_one_line_before_anything_is_built(bucket, tmp_path, sealer):
    store = ArtifactStore("s3://nobody-made-this/x", tmp_path, sealer)
    with pytest.raises(StorageError, match="there is no bucket nobody-made-this: make it, or correct"):
        store.build("index", **PLAN, write=forbidden)
    assert "nobody-made-this" not in [entry["Name"] for entry in s3_client().list_buckets()["Buckets"]]


def test_server_that_does_not_answer_is_one_line(tmp_path):
    # In a process of its own: drivers keep their connections.
    code = (
        "import sys; from pathlib import Path; from storage.artifacts import ArtifactStore;"
        "from storage.sealing import Keyring, Sealer;"
        "ArtifactStore('s3://bucket/x', Path(sys.argv[1]), Sealer(Keyring.generate())).find('index', '0123')"
    )
    environment = os.environ | {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "AWS_MAX_ATTEMPTS": "1",
    }
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "storage.errors.StorageError: s3://bucket/x: index/0123: EndpointConnectionError" in done.stderr
    assert "check the network" in done.stderr
    assert "hush" not in done.stderr
