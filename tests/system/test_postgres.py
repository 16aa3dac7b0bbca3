"""The storage on a real PostgreSQL: what it does on SQLite too, and what only a server can show."""

import multiprocessing

import pytest
import test_registry
from sqlalchemy import inspect, select, text
from test_database import (  # noqa: F401  tests that hold on any database
    _migrate,
    chunk,
    document,
    test_another_key_opens_nothing,
    test_chunks_go_with_their_document,
    test_downgrade_and_upgrade_again,
    test_feedback_ids_are_never_used_again,
    test_keys_and_uniqueness_hold,
    test_migrations_make_exactly_the_tables_of_the_models,
    test_reader_sees_the_last_commit_while_another_writes,
    test_session_rolls_back_on_any_error,
    test_times_come_back_in_utc,
)
from test_registry import *  # noqa: F403  all of them hold on any database

from storage.columns import SealedText
from storage.database import Database
from storage.errors import SealBroken, StorageError
from storage.migrations import HEAD
from storage.tables import ChunkRow, FeedbackRow, InteractionRow, QueryPairRow, ReleaseRow, Table

pytestmark = pytest.mark.system

SECRET = "a distinctive sentence"


def _meet(barrier, function, arguments):
    barrier.wait(60)
    function(*arguments)


def _at_once(function, calls):
    """Call a function in as many processes as there are calls, all released at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(calls))
    processes = [context.Process(target=_meet, args=(barrier, function, arguments)) for arguments in calls]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * len(calls)
    finally:
        for process in processes:
            process.kill()


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
        session.add(InteractionRow(id="i1", collection="c", release_id=1, question=SECRET, answer=SECRET))
        session.flush()
        session.add(FeedbackRow(id=1, interaction_id="i1", kind="comment", text=SECRET))


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
    _at_once(_migrate, [(url,)] * 2)
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
    _at_once(test_registry._promote_many, [(url, key, release_id) for release_id in ids])
    test_registry._check_one_production(registry, ids)


def test_database_of_a_newer_ragloop_is_refused(database):
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="revision 9999, unknown to this ragloop"):
        database.migrate()


def test_server_without_the_database_is_one_line_with_the_remedy(cluster, sealer):
    with pytest.raises(StorageError, match=r'"nowhere" does not exist: check that the database is reachable') as told:
        Database(cluster.url("nowhere"), sealer).migrate()
    assert "\n" not in str(told.value)
