import ast
import gc
import sys

import pytest
from pydantic import BaseModel

from storage.errors import StorageError
from storage.recipes import config_json, digest_json, recipe_hashes


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "recipe_under_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "step.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("recipe_under_test", None)


def _hash(package, source):
    (package / "step.py").write_text(source)
    return recipe_hashes(["recipe_under_test.step"])


def test_comments_docstrings_and_layout_rebuild_nothing(package):
    plain = "class A:\n    x: int = 1\n\ndef f(a):\n    return a + 1\n"
    told = '"""About."""\n'
    told += 'class A:\n    """A."""\n    x: int = 1  # why\n    """X."""\n\ndef f(a):\n    "F."\n    return (a + 1)\n'
    assert _hash(package, plain) == _hash(package, told)


def test_changed_code_changes_the_hash_and_is_never_imported(package):
    one, two = _hash(package, "raise RuntimeError\nx = 1\n"), _hash(package, "raise RuntimeError\nx = 2\n")
    assert one != two
    assert "recipe_under_test.step" not in sys.modules


def test_package_counts_with_all_its_modules(package):
    before = recipe_hashes(["recipe_under_test"])
    (package / "step.py").write_text("x = 3\n")
    assert recipe_hashes(["recipe_under_test"]) != before


def test_somebody_else_who_parses_meanwhile_disturbs_nothing(package):
    class Parsing:
        def __init__(self):
            self.itself = self

        def __del__(self):
            ast.parse("a = [b(c), d]")

    source = "\n".join(f"def f{n}(a): return [a + {n}, (a, {n})]" for n in range(200))
    undisturbed = _hash(package, source)
    gc.disable()
    Parsing()
    gc.enable()  # so that it is collected in the midst of the parsing
    assert _hash(package, source) == undisturbed


@pytest.mark.parametrize("name", ["recipe_under_test.gone", "nowhere.at.all", "math"])
def test_module_without_source_is_refused_by_name(package, name):
    with pytest.raises(StorageError, match=name):
        recipe_hashes([name])


def test_order_of_keys_does_not_matter_and_values_do():
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})
    with pytest.raises(StorageError, match="plain JSON"):
        digest_json({"a": object()})


def test_config_may_be_a_model_a_mapping_or_none():
    class Stage(BaseModel):
        seed: int = 13

    assert config_json(Stage()) == config_json({"seed": 13}) == {"seed": 13}
    assert config_json(None) == {}
