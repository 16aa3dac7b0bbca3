"""The storage on a real PostgreSQL: what it does on SQLite too, and what only a server can show."""

from socket import socket
from threading import Thread
from time import monotonic, sleep
from uuid import uuid4

import pytest
import test_registry
from sqlalchemy import inspect, make_url, select, text
from test_database import (  # noqa: F401  tests that hold on any database
    _migrate,
    chunk,
    document,
    test_another_key_opens_nothing,
    test_chunks_go_with_their_document,
    test_downgrade_and_upgrade_again,
    test_feedback_ids_are_never_used_again,
    test_feedback_of_an_older_revision_gets_its_collection_and_keeps_counting,
    test_keys_and_uniqueness_hold,
    test_migrations_make_exactly_the_tables_of_the_models,
    test_reader_sees_the_last_commit_while_another_writes,
    test_session_rolls_back_on_any_error,
    test_that_rows_are_there_is_known_without_the_key,
    test_times_come_back_in_utc,
)
from test_registry import *  # noqa: F403  all of them hold on any database

from storage.columns import SealedText
from storage.database import Database
from storage.errors import SealBroken, StorageError
from storage.migrations import HEAD
from storage.registry import ReleaseState
from storage.tables import ChunkRow, DeletionRow, FeedbackRow, InteractionRow, QueryPairRow, ReleaseRow, Table
from tests.processes import at_once

pytestmark = pytest.mark.system

SECRET = "a distinctive sentence"


def _rows(database, query):
    with database.engine.connect() as connection:
        return connection.execute(text(query)).all()


def _add_one_of_each_sealed(database):
    refs = {"embedder_uri": "artifact:e/1", "embedder_digest": "1", "index_uri": "artifact:i/1", "index_digest": "1"}
    pair = {"collection": "c", "document": "a.pdf", "doc_id": "d1", "anchor": SECRET, "answer": SECRET}
    place = {"anchor_fingerprint": "f", "answer_start": 0, "answer_end": 1, "question_type": "factual"}
    with database.session() as session:
        session.add(document())
        session.add(ReleaseRow(id=1, collection="c", reason="r", lineage_digest="l", **refs))
        session.flush()
        session.add(chunk(SECRET))
        session.add(QueryPairRow(id="p1", origin="real", **pair, **place))
        said = {"question": SECRET, "answer": SECRET, "history": SECRET}
        session.add(InteractionRow(id="i1", collection="c", release_id=1, **said))
        session.add(DeletionRow(collection="c", name=SECRET))
        session.flush()
        session.add(FeedbackRow(id=1, collection="c", interaction_id="i1", kind="correction", text=SECRET))


def _sealed_columns():
    return [c for table in Table.metadata.sorted_tables for c in table.columns if isinstance(c.type, SealedText)]


def test_empty_database_gets_every_table_once(url, sealer):
    database = Database(url, sealer)
    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    database.migrate()
    with database.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {*Table.metadata.tables, "alembic_version"}
    # xmin is the transaction that last wrote a row of the catalogue.
    state = "SELECT relname, xmin::text FROM pg_class UNION ALL SELECT version_num, xmin::text FROM alembic_version"
    before = sorted(_rows(database, state))
    database.migrate()
    assert sorted(_rows(database, state)) == before
    database.close()


def test_processes_that_migrate_an_empty_database_at_once_all_find_the_tables(url, sealer):
    at_once(_migrate, [(url,)] * 2)
    database = Database(url, sealer)
    test_migrations_make_exactly_the_tables_of_the_models(database)
    assert _rows(database, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    database.close()


def test_sealed_columns_come_back_as_written(database):
    _add_one_of_each_sealed(database)
    for column in _sealed_columns():
        with database.reading() as session:
            assert session.connection().execute(select(column)).scalars().all() == [SECRET]


def test_no_sealed_text_is_plain_in_a_row_or_on_the_disk(cluster, database):
    _add_one_of_each_sealed(database)
    for column in _sealed_columns():
        [[value]] = _rows(database, f"SELECT {column.name} FROM {column.table.name}")
        assert isinstance(value, bytes)
        assert b"distinctive" not in value
    cluster.execute("CHECKPOINT")
    files = [path.read_bytes() for path in (cluster.folder / "data").rglob("*") if path.is_file()]
    assert any(b"application/pdf" in content for content in files), "plain columns were not found either"
    assert not any(b"distinctive" in content for content in files)


def test_flipped_byte_is_refused_by_its_column(database):
    _add_one_of_each_sealed(database)
    with database.session() as session:
        flip = "UPDATE chunk SET text = set_byte(text, 20, get_byte(text, 20) # 1)"
        session.connection().execute(text(flip))
    with pytest.raises(SealBroken, match=r"chunk\.text: altered"), database.reading() as session:
        session.get(ChunkRow, "d1:0")


def test_processes_that_make_the_first_promotion_at_once_leave_one_production(registry):
    ids = [test_registry.register(registry, n).id for n in (1, 2, 3, 4)]
    url, key = str(registry._database.url), registry._database.engine.dialect.ragloop_sealer.keyring.to_json()
    at_once(test_registry._promote_many, [(url, key, release_id) for release_id in ids])
    test_registry._check_one_production(registry, ids)


def test_release_that_is_withdrawn_while_another_waits_to_keep_it_out_stays_withdrawn(registry):
    release = test_registry.register(registry, 1)
    database, told = registry._database, []
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = ("
    waiting += "SELECT oid FROM pg_database WHERE datname = current_database())"
    keeping_out = Thread(target=lambda: told.append(registry.keep_out(release.id, "judged meanwhile")))
    with database.session() as session:
        database.lock(session, "releases/docs")
        keeping_out.start()
        while not _rows(database, waiting):
            assert keeping_out.is_alive()
            sleep(0.01)
        row = session.get(ReleaseRow, release.id)
        row.state, row.reason = ReleaseState.WITHDRAWN, "a document was deleted"
    keeping_out.join()
    assert told == [registry.get("docs", release.id)]
    assert (told[0].state, told[0].reason) == (ReleaseState.WITHDRAWN, "a document was deleted")


def test_database_of_a_newer_ragloop_is_refused(database):
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="revision 9999, unknown to this ragloop"):
        database.migrate()


def test_writers_see_what_the_last_holder_of_the_lock_wrote(cluster, url, sealer):
    cluster.execute(f"ALTER DATABASE {make_url(url).database} SET default_transaction_isolation = 'serializable'")
    database = Database(url, sealer)
    for session_of in (database.session, database.reading):
        with session_of() as session:
            assert session.connection().execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    database.close()


def _refusal(url, sealer):
    with pytest.raises(StorageError) as told:
        Database(url, sealer).migrate()
    [line] = str(told.value).splitlines()
    assert "hush" not in line
    return line


@pytest.fixture
def guest(cluster):
    """A user who needs a password over the socket, and may write nothing."""
    name = f"guest_{uuid4().hex}"
    cluster.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hush'")
    rules = cluster.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    cluster.execute("SELECT pg_reload_conf()")
    yield name
    rules.write_text(before)
    cluster.execute("SELECT pg_reload_conf()")
    cluster.execute(f"DROP ROLE {name}")


def test_server_without_the_database_is_one_line_with_the_remedy(cluster, sealer):
    assert "nowhere" in _refusal(cluster.url("nowhere"), sealer)
    assert "does not exist: create it with `createdb`" in _refusal(cluster.url("nowhere"), sealer)


def test_no_server_is_one_line_with_the_remedy(tmp_path, sealer):
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for url in (f"postgresql://postgres:hush@127.0.0.1:{port}/x", f"postgresql://postgres:hush@/x?host={tmp_path}"):
        assert _refusal(url, sealer).endswith(
            "no server answers there: start PostgreSQL, or correct host and port in the URL"
        )
    assert "no such host: correct it" in _refusal("postgresql://postgres@nowhere.invalid/x", sealer)


def test_refused_user_is_one_line_with_the_remedy(cluster, url, guest, sealer):
    def url_of(user):
        return url.replace("postgres@", f"{user}@", 1)

    def answers():
        return _refusal(url_of(f"{guest}:hush-hush"), sealer)

    deadline = monotonic() + 30
    while "refused" not in answers() and monotonic() < deadline:
        sleep(0.1)  # the server reads its new rules in its own time
    assert "user or password is refused: correct them in the URL" in answers()
    assert "asks for a password: give it in the URL" in _refusal(url_of(guest), sealer)
    assert "has no such user: create it with `createuser`" in _refusal(url_of("nobody_known"), sealer)
    assert "may not read or write there: make it the owner" in _refusal(url_of(f"{guest}:hush"), sealer)
    cluster.execute(f"ALTER ROLE {guest} CONNECTION LIMIT 0")
    assert "has no connection free: raise its limit" in _refusal(url_of(f"{guest}:hush"), sealer)


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("SET TRANSACTION READ ONLY", "is read-only: correct the URL"),
        ("ALTER TABLE document RENAME TO elsewhere", "has tables missing: restore it"),
        ("ALTER TABLE document RENAME COLUMN name TO title", "has columns missing: restore it"),
        # What the server says when its disk is full, which no test may fill.
        (
            """DO $$ BEGIN RAISE EXCEPTION 'could not extend file "base/5/2840": No space left on device'
            USING ERRCODE = 'disk_full'; END $$""",
            "no space left on the server's disk",
        ),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the server ended the connection: try again"),
    ],
)
def test_refused_write_is_one_line_with_the_remedy(database, statement, remedy):
    with pytest.raises(StorageError, match=remedy) as told, database.session() as session:
        session.connection().execute(text(statement))
        session.add(document())
    assert "\n" not in str(told.value)
