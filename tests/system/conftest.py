"""A real PostgreSQL of our own: one server a session, one database a test."""

import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, create_engine, text

from storage.database import Database
from storage.sealing import Keyring, Sealer
from tests.system.pages import chromium
from tests.system.servers import s3_server

# The tests of the storage on SQLite are imported from there, to be run on PostgreSQL too.
sys.path.append(str(Path(__file__).parents[1] / "storage"))


class Cluster:
    """A PostgreSQL server that only its own Unix socket, in its own folder (0700), leads to."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self._binaries = binaries
        # PostgreSQL refuses to run as root; Debian's package brings this user.
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = f"-F -h '' -k {shlex.quote(str(self.folder))}"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={options}")

    def stop(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run a statement that no transaction may hold, as CREATE DATABASE."""
        url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
        with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text(statement))

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._binaries / name), f"--pgdata={self.folder / 'data'}", *arguments]
        switch = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        result = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **(switch if os.geteuid() == 0 else {}),
        )
        if result.returncode:
            log = self.folder / "log"
            said = result.stdout + (log.read_text()[-2000:] if log.exists() else "")
            raise RuntimeError(f"{name} exited {result.returncode}:\n{said}")


def _binaries() -> Path:
    """Return the folder of Debian's newest PostgreSQL."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise FileNotFoundError("no PostgreSQL under /usr/lib/postgresql: `make test-system` installs it")
    return max(found, key=lambda path: int(path.parent.name))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="ragloop-pg-"))  # short: a socket's path has 107 bytes at most
    try:
        cluster = Cluster(folder, binaries)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An empty database."""
    name = f"test_{uuid4().hex}"
    cluster.execute(f"CREATE DATABASE {name}")
    yield cluster.url(name)
    cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Keyring.generate())


@pytest.fixture
def database(url: str, sealer: Sealer) -> Iterator[Database]:
    """A migrated database."""
    database = Database(url, sealer)
    database.migrate()
    yield database
    database.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3 server; the variables with which any client finds it."""
    with s3_server(tmp_path_factory.mktemp("s3")) as variables:
        yield variables


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, which this process and its children find."""
    import boto3

    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    name = f"test-{uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return f"s3://{name}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened
