"""The name of an artifact: a digest of what goes into it and of the code that makes it."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel

from storage.errors import StorageError

DIGEST_LENGTH = 32
_PARSING = Lock()
_ATTEMPTS = 100

ConfigLike = BaseModel | Mapping[str, Any] | None


def config_json(config: ConfigLike) -> dict[str, Any]:
    """Return a config as plain JSON values."""
    if config is None:
        return {}
    return config.model_dump(mode="json") if isinstance(config, BaseModel) else dict(config)


def digest_json(value: Any) -> str:
    """Return 32 hex digits for a JSON value; the order of keys does not matter.

    :raises StorageError: if the value is not JSON.
    """
    try:
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StorageError(f"inputs and config must be plain JSON values: {error}") from error
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST_LENGTH]


def recipe_hashes(recipe: Sequence[str]) -> dict[str, str]:
    """Return a hash for the source of each module, or of all modules of each package, without importing it.

    Comments, formatting and docstrings do not count, so that writing them rebuilds nothing.

    :raises StorageError: if there is no such module.
    """
    return {name: _hash_sources(_sources(name)) for name in sorted(set(recipe))}


def _sources(name: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        raise StorageError(f"recipe names the module {name}, which does not exist: correct the recipe")
    if spec.submodule_search_locations is not None:
        return sorted(path for root in spec.submodule_search_locations for path in Path(root).rglob("*.py"))
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise StorageError(f"recipe names the module {name}, which has no source: name the module that uses it")
    return [Path(spec.origin)]


def _hash_sources(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        tree = _WithoutDocstrings().visit(_parsed(path.read_bytes()))
        digest.update(f"{path.name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:DIGEST_LENGTH]


def _parsed(source: bytes) -> ast.Module:
    """Parse a source.

    In CPython 3.11 threads that parse at once count their depth together, and fail (gh-106905). Ours take turns;
    libraries that parse in theirs are met by another attempt.
    """
    with _PARSING:
        for _ in range(_ATTEMPTS - 1):
            with suppress(SystemError):
                return ast.parse(source)
        return ast.parse(source)


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes every string that stands alone as a statement."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop the statement if it is only a string."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return node
