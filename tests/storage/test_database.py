import multiprocessing
import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from storage.database import Database, alembic_config
from storage.errors import SealBroken, StorageError
from storage.migrations import HEAD
from storage.sealing import Keyring, Sealer
from storage.tables import (
    ChunkRow,
    DocumentRow,
    FeedbackRow,
    InteractionRow,
    QueryPairRow,
    ReleaseRow,
    Table,
    WatermarkRow,
)

ROOT = Path(__file__).parents[2]


def document(doc_id="d1", **changes):
    values = {"collection": "c", "name": "a.pdf", "content_sha256": "0", "media_type": "application/pdf"}
    counts = {"size_bytes": 5_000_000_000, "n_pages": 1, "n_chars": 1, "n_chunks": 1}
    return DocumentRow(
        id=doc_id, artifact_uri="artifact:document/1", artifact_digest="1", **(values | counts | changes)
    )


def chunk(text="a distinctive sentence", index=0):
    place = {"page_no": 1, "char_start": 0, "char_end": 5, "n_tokens": 1}
    return ChunkRow(id=f"d1:{index}", doc_id="d1", chunk_index=index, text=text, **place)


def _migrate(url):
    Database(url, Sealer(Keyring.generate())).migrate()


def test_migrations_make_exactly_the_tables_of_the_models(database):
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
        assert ScriptDirectory.from_config(alembic_config(connection)).get_heads() == [HEAD]


def test_downgrade_and_upgrade_again(database):
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.migrate()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_feedback_of_an_older_revision_gets_its_collection_and_keeps_counting(database):
    with database.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
        at = "created_at) VALUES"
        for statement in (
            "INSERT INTO release (id, collection, reason, config, lineage_digest, embedder_uri, embedder_digest,"
            f" index_uri, index_digest, answering, lineage, state, {at}"
            " (1, 'c', 'r', '{}', 'l', 'e', 'e', 'i', 'i', '{}', '{}', 'candidate', CURRENT_TIMESTAMP)",
            f"INSERT INTO interaction (id, collection, release_id, question, retrieved, timings, {at}"
            " ('i1', 'c', 1, '', '[]', '{}', CURRENT_TIMESTAMP)",
            f"INSERT INTO feedback (interaction_id, kind, {at} ('i1', 'copied', CURRENT_TIMESTAMP)",
            f"INSERT INTO feedback (interaction_id, kind, {at} ('i1', 'copied', CURRENT_TIMESTAMP)",
            "DELETE FROM feedback WHERE id = 2",
        ):
            connection.execute(text(statement))
    database.migrate()
    with database.session() as session:
        assert session.get(FeedbackRow, 1).collection == "c"
        assert session.get(WatermarkRow, "c").feedback_id == 0
        row = FeedbackRow(collection="c", interaction_id="i1", kind="copied")
        session.add(row)
        session.flush()
        assert row.id == 3


def test_processes_that_migrate_at_once_all_find_the_tables(tmp_path):
    url = f"sqlite:///{tmp_path / 'home' / 'r.db'}"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(_migrate, [url] * 6, chunksize=1)
    database = Database(url, Sealer(Keyring.generate()))
    with database.reading() as session:
        assert session.exec(select(ReleaseRow)).all() == []


def test_opening_a_current_database_loads_no_alembic(database):
    code = (
        "import sys; from storage.database import Database; from storage.registry import Registry;"
        "from storage.sealing import Keyring, Sealer; d = Database(sys.argv[1], Sealer(Keyring.generate()));"
        "d.migrate(); Registry(d).production('c');"
        "print([m for m in ('alembic', 'fsspec', 'torch', 'prefect', 'numpy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(database.url)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip() == "[]"


def test_database_file_is_private_and_in_wal_mode(database):
    path = Path(database.url.database)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with database.engine.connect() as connection:
        pragmas = {p: connection.execute(text(f"PRAGMA {p}")).scalar() for p in ("journal_mode", "foreign_keys")}
        assert pragmas == {"journal_mode": "wal", "foreign_keys": 1}
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1


def test_text_is_sealed_on_the_disk_and_plain_in_the_session(database):
    with database.session() as session:
        session.add(document())
        session.flush()
        session.add(chunk())
    with database.reading() as session:
        assert session.get(ChunkRow, "d1:0").text == "a distinctive sentence"
        assert session.get(DocumentRow, "d1").size_bytes == 5_000_000_000
    for file in Path(database.url.database).parent.iterdir():
        assert b"distinctive" not in file.read_bytes()


def test_altered_value_is_refused_by_its_column(database):
    with database.session() as session:
        session.add(document())
        session.flush()
        session.add(chunk())
    with database.session() as session:
        session.connection().execute(text("UPDATE chunk SET text = x'00112233'"))
    with pytest.raises(SealBroken, match=r"chunk\.text: altered"), database.reading() as session:
        session.exec(select(ChunkRow)).all()


def test_another_key_opens_nothing(database):
    with database.session() as session:
        session.add(document())
        session.flush()
        session.add(chunk())
    other = Database(str(database.url), Sealer(Keyring.generate()))
    with pytest.raises(SealBroken), other.reading() as session:
        session.get(ChunkRow, "d1:0")


def test_session_rolls_back_on_any_error(database):
    with pytest.raises(RuntimeError), database.session() as session:
        session.add(document())
        session.flush()
        raise RuntimeError
    with database.reading() as session:
        assert session.get(DocumentRow, "d1") is None


def test_reader_sees_the_last_commit_while_another_writes(database):
    with database.session() as writer:
        writer.add(document())
        writer.flush()
        with database.reading() as reader:
            assert reader.get(DocumentRow, "d1") is None


def test_that_rows_are_there_is_known_without_the_key(database):
    other = Database(database.url.render_as_string(hide_password=False), Sealer(Keyring.generate()))
    assert not other.holds_rows()
    with database.session() as session:
        session.add(document())
        session.flush()
        session.add(chunk())
    assert other.holds_rows()
    other.close()


def test_times_come_back_in_utc(database):
    at = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with database.session() as session:
        session.add(document(ingested_at=at))
    with database.reading() as session:
        assert session.get(DocumentRow, "d1").ingested_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    with pytest.raises(Exception, match="has no time zone"), database.session() as session:
        session.add(document("d2", version=2, ingested_at=datetime(2026, 5, 1)))  # noqa: DTZ001


def test_keys_and_uniqueness_hold(database):
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(chunk())
    pair = {"collection": "c", "document": "a.pdf", "doc_id": "0", "anchor": "q", "answer": "a"}
    rest = {"answer_start": 0, "answer_end": 1, "question_type": "factual", "origin": "real"}
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(QueryPairRow(id="1", anchor_fingerprint="f", **pair, **rest))
        session.add(QueryPairRow(id="2", anchor_fingerprint="f", **pair, **rest))


def test_chunks_go_with_their_document(database):
    with database.session() as session:
        session.add(document())
        session.flush()
        session.add(chunk())
    with database.session() as session:
        session.delete(session.get(DocumentRow, "d1"))
    with database.reading() as session:
        assert session.exec(select(ChunkRow)).all() == []


def test_feedback_ids_are_never_used_again(database):
    with database.session() as session:
        refs = {
            "embedder_uri": "artifact:e/1",
            "embedder_digest": "1",
            "index_uri": "artifact:i/1",
            "index_digest": "1",
        }
        session.add(ReleaseRow(id=1, collection="c", reason="r", lineage_digest="l", **refs))
        session.flush()
        session.add(InteractionRow(id="i1", collection="c", release_id=1, question="q"))
        session.flush()
        said = {"collection": "c", "interaction_id": "i1", "kind": "rating"}
        session.add_all([FeedbackRow(value=1.0, text=text, **said) for text in ("good", None)])
    with database.session() as session:
        session.delete(session.get(FeedbackRow, 2))
    with database.session() as session:
        row = FeedbackRow(collection="c", interaction_id="i1", kind="thumb_up")
        session.add(row)
        session.flush()
        assert row.id == 3
        assert session.get(FeedbackRow, 1).text == "good"
        assert session.get(InteractionRow, "i1").answer is None


def test_full_disk_is_one_line_with_the_remedy_and_loses_nothing(database):
    with database.session() as session:
        session.add(document())
    with (
        pytest.raises(StorageError, match=r"ragloop\.db: no space left: free some space"),
        database.session() as session,
    ):
        session.connection().execute(text("PRAGMA max_page_count = 1"))
        session.add_all([chunk("x" * 5000, i) for i in range(200)])
    with database.reading() as session:
        assert session.get(DocumentRow, "d1") is not None


@pytest.mark.parametrize("content", [b"\0" * 5000, b"no database " * 500])
def test_file_that_is_no_database_is_named(tmp_path, sealer, content):
    (tmp_path / "r.db").write_bytes(content)
    with pytest.raises(StorageError, match=r"r\.db: is no database, or a damaged one"):
        Database(f"sqlite:///{tmp_path / 'r.db'}", sealer).migrate()
    assert (tmp_path / "r.db").read_bytes() == content


def test_home_that_is_a_file_is_named(tmp_path, sealer):
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="home"):
        Database(f"sqlite:///{tmp_path / 'home' / 'r.db'}", sealer).migrate()


@pytest.fixture
def unprivileged():
    """Become nobody if we are root, whom no folder is closed to."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    yield
    os.seteuid(0)


@pytest.fixture(params=[0o555, 0o000], ids=["read-only", "closed"])
def home_of_another(request):
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        home = Path(name, "home")
        home.mkdir()
        home.chmod(request.param)
        yield home
        home.chmod(0o700)


def test_home_that_is_not_writable_is_named(home_of_another, unprivileged, sealer):
    with pytest.raises(StorageError, match="r.db: not allowed to read or write it: change its permissions"):
        Database(f"sqlite:///{home_of_another / 'r.db'}", sealer).migrate()


def test_read_only_database_says_so(database):
    with database.engine.connect() as connection:
        connection.execute(text("PRAGMA query_only = ON"))
    with pytest.raises(StorageError, match="not writable: change the permissions"), database.session() as session:
        session.add(document())


def test_database_of_a_newer_ragloop_is_refused(database):
    with sqlite3.connect(database.url.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="revision 9999, unknown to this ragloop"):
        database.migrate()


@pytest.mark.parametrize("url", ["nonsense", "mysql://h/d", "oracle+cx_oracle://h/d", ""])
def test_url_that_cannot_work_is_one_line(sealer, url):
    with pytest.raises(StorageError, match="use sqlite:///PATH"):
        Database(url, sealer)
