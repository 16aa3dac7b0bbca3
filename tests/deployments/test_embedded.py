import asyncio

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from deployments.embedded import _lock_before_reading


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Prefect's SQLite as the server of `ragloop up` uses it, with one empty table."""
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    _lock_before_reading()
    return AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}", timeout=5)


async def written(database, meanwhile):
    """Read and then write in one transaction, with `meanwhile` in between; return how many rows there are."""
    engine = await database.engine()
    async with await database.session(engine) as session, database.begin_transaction(session):
        await session.execute(sa.text("CREATE TABLE seen (name TEXT)"))
    async with await database.session(engine) as session, database.begin_transaction(session):
        await session.execute(sa.text("SELECT count(*) FROM seen"))
        other = await meanwhile(engine)
        await session.execute(sa.text("INSERT INTO seen VALUES ('first')"))
    if other:
        await other
    async with await database.session(engine) as session:
        rows = (await session.execute(sa.text("SELECT count(*) FROM seen"))).scalar()
    await engine.dispose()
    return rows


def test_a_transaction_that_has_read_can_write_though_another_writes_too(database):
    async def write(engine):
        async with await database.session(engine) as session, database.begin_transaction(session):
            await session.execute(sa.text("INSERT INTO seen VALUES ('second')"))

    async def meanwhile(engine):
        other = asyncio.create_task(write(engine))
        await asyncio.sleep(0.3)
        return other

    assert asyncio.run(written(database, meanwhile)) == 2


def test_reading_beside_a_transaction_does_not_wait_for_it(database):
    async def meanwhile(engine):
        async with asyncio.timeout(30), await database.session(engine) as session:
            assert (await session.execute(sa.text("SELECT count(*) FROM seen"))).scalar() == 0

    assert asyncio.run(written(database, meanwhile)) == 1
