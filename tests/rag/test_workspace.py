import os

import pytest

from rag.errors import ConfigError
from rag.settings import Settings
from rag.workspace import Workspace
from storage.errors import StorageError, WrongKey
from storage.keyring import Keyring
from storage.tables import ApiKeyRow, ChunkRow, DocumentRow


def test_a_fresh_home_is_made_with_its_key_apart(home, tmp_path):
    space = Workspace.open(Settings(), create=True)
    key = tmp_path / "keys" / "keyring.json"
    assert key.stat().st_mode & 0o777 == 0o600
    assert not key.is_relative_to(space.home)
    assert (home / "ragloop.db").is_file()


def test_a_home_opens_again_with_its_key(home):
    sealed = Workspace.open(Settings(), create=True).sealer.seal_text("words", "place")
    assert Workspace.open(Settings()).sealer.open_text(sealed, "place") == "words"


def test_another_key_is_refused_and_changes_nothing(home, tmp_path, monkeypatch):
    Workspace.open(Settings(), create=True)
    before = (home / "home.json").read_bytes()
    Workspace.open(Settings(home=tmp_path / "other", key_file=tmp_path / "other.json"), create=True)
    monkeypatch.setenv("RAGLOOP_KEY_FILE", str(tmp_path / "other.json"))
    with pytest.raises(WrongKey, match="home"):
        Workspace.open(Settings())
    assert (home / "home.json").read_bytes() == before


def test_a_lost_key_is_not_replaced_by_a_new_one(home, tmp_path):
    Workspace.open(Settings(), create=True)
    key = tmp_path / "keys" / "keyring.json"
    key.unlink()
    with pytest.raises(StorageError, match=r"keyring\.json"):
        Workspace.open(Settings())
    assert not key.exists()


def test_the_keyring_itself_can_be_given(home, tmp_path, monkeypatch):
    Workspace.open(Settings(), create=True)
    key = tmp_path / "keys" / "keyring.json"
    monkeypatch.setenv("RAGLOOP_KEYRING", key.read_text())
    key.unlink()
    Workspace.open(Settings())


def test_a_home_that_is_a_file_is_refused_in_one_line(home):
    home.write_text("")
    with pytest.raises(StorageError, match="RAGLOOP_HOME"):
        Workspace.open(Settings(), create=True)


def test_a_home_that_is_not_there_is_not_made_by_a_look(home):
    with pytest.raises(StorageError, match="no home at.*ragloop ingest"):
        Workspace.open(Settings())
    assert not home.exists()


@pytest.fixture
def shared(home, tmp_path, monkeypatch):
    """A database that hosts share, with a sealed row in it, and settings of a host that joins."""
    monkeypatch.setenv("RAGLOOP_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    space = Workspace.open(Settings(), create=True)
    place = {"chunk_index": 0, "page_no": 1, "char_start": 0, "char_end": 1, "n_tokens": 1}
    file = {"media_type": "text/plain", "size_bytes": 1, "n_pages": 1, "n_chars": 1, "n_chunks": 1}
    ref = {"artifact_uri": "artifact:document/d", "artifact_digest": "d"}
    with space.database.session() as session:
        session.add(DocumentRow(id="d", collection="default", name="a.txt", content_sha256="0", **file, **ref))
        session.flush()
        session.add(ChunkRow(id="d:0", doc_id="d", text="words", **place))
    return Settings(home=tmp_path / "joining")


def test_a_host_joins_a_shared_database_with_the_key_of_the_others(shared):
    assert Workspace.open(shared).home.is_dir()


def test_a_host_without_the_key_makes_none_when_it_joins(shared, tmp_path):
    lost = shared.model_copy(update={"key_file": tmp_path / "none.json"})
    with pytest.raises(WrongKey, match=r"none\.json"):
        Workspace.open(lost)
    assert not (tmp_path / "none.json").exists()


def test_no_host_makes_a_second_key_once_the_database_is_in_use(home, tmp_path, monkeypatch):
    monkeypatch.setenv("RAGLOOP_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    first = Workspace.open(Settings(), create=True)
    second = Settings(home=tmp_path / "second", key_file=tmp_path / "second.json")
    with first.database.session() as session:
        session.add(ApiKeyRow(id="rk_1", key_sha256="0", role="reader"))
    with pytest.raises(WrongKey, match=r"second\.json, and the database is in use already: .*key of the other hosts"):
        Workspace.open(second, create=True)
    assert not second.key_file.exists()
    assert Workspace.open(Settings(home=tmp_path / "third"), create=True).home.is_dir()


def test_a_host_with_another_key_does_not_join(shared, tmp_path):
    other = shared.model_copy(update={"key_file": tmp_path / "other.json"})
    Keyring.load_or_create(other.key_file, create=True)
    for _ in range(2):
        with pytest.raises(WrongKey, match="key of the other hosts"):
            Workspace.open(other, create=True)


def test_a_damaged_mark_is_named(home):
    Workspace.open(Settings(), create=True)
    (home / "home.json").write_text("{")
    with pytest.raises(ConfigError, match=r"home\.json is damaged"):
        Workspace.open(Settings())


def test_too_little_room_is_said_before_the_work(space):
    with pytest.raises(StorageError, match="MB free and this needs"):
        space.require_room(10**9)
    space.require_room(1)


def test_settings_come_from_the_environment_and_the_dotenv_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("RAGLOOP_MODELS=hub\nRAGLOOP_GROQ_API_KEY=secret\n")
    settings = Settings()
    assert settings.models == "hub"
    assert "secret" not in repr(settings)
    assert os.environ.get("RAGLOOP_MODELS") is None
