"""A home looked through: every sealed file and column opened with the key, every other file read as it is."""

from sqlalchemy import text

from storage.tables import Table


def everything_in(space):
    """Yield (where, bytes) for all that a home holds: files as they lie, and what the key opens of them."""
    for path in sorted(space.home.rglob("*")):
        if path.is_file():
            where = path.relative_to(space.home)
            yield where, path.read_bytes()
            if path.name.endswith(".encrypted"):
                yield where, space.sealer.read_sealed(path, place_of(where))
    with space.database.engine.connect() as connection:
        for table in Table.metadata.sorted_tables:
            for row in connection.execute(table.select()):
                yield table.name, repr(row).encode()


def place_of(where):
    """Return the place that a sealed file of a home is bound to."""
    if where.parts[0] == "ledger":
        return f"ledger/{where.stem}"
    root, kind, digest, *file = where.parts
    assert root == "artifacts", where
    return f"{kind}/{digest}/{'/'.join(file)}"


def sealed_values(space, table, column):
    """Return the raw bytes of a sealed column."""
    with space.database.engine.connect() as connection:
        return [bytes(value) for (value,) in connection.execute(text(f"SELECT {column} FROM {table}"))]


def places_with(space, *phrases):
    """Return where any of the phrases stands in the home, as written or in lower case."""
    wanted = [form.encode() for phrase in phrases for form in {phrase, phrase.lower()}]
    return sorted({str(where) for where, data in everything_in(space) if any(phrase in data for phrase in wanted)})
