"""The secret keys of a home: three Tink keysets in one file that only its owner reads."""

import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import tink
from tink import aead, json_proto_keyset_format, prf, secret_key_access, streaming_aead

from storage.errors import StorageError, WrongKey
from storage.folders import disk_errors, replacing, sync


@dataclass(frozen=True)
class Keyring:
    """Three Tink keysets, as JSON: for files, for column text, and for fingerprints."""

    streaming: str = field(repr=False)
    columns: str = field(repr=False)
    fingerprints: str = field(repr=False)
    source: str = "the key ring"
    """Where the keys come from, for messages."""

    @classmethod
    def generate(cls) -> Self:
        """Return new random keys."""
        return cls(_new_keyset("streaming"), _new_keyset("columns"), _new_keyset("fingerprints"))

    @classmethod
    def from_json(cls, text: str, source: str = "the key ring") -> Self:
        """Read what `to_json` wrote.

        :raises WrongKey: if the text is not that.
        """
        try:
            parts = {name: json.dumps(json.loads(text)[name]) for name in ("streaming", "columns", "fingerprints")}
            for part in parts.values():
                parse_keyset(part)
        except (ValueError, KeyError, TypeError, tink.TinkError):
            # The cause is left out: it may quote key material.
            raise WrongKey(f"{source} holds no ragloop keys: put back the key file from a backup") from None
        return cls(**parts, source=source)

    def to_json(self) -> str:
        """Return the secret keys as JSON."""
        names = ("streaming", "columns", "fingerprints")
        return json.dumps({name: json.loads(getattr(self, name)) for name in names}, indent=1)

    def rotate(self) -> Self:
        """Return a key ring that seals with new keys and still opens what the old ones sealed.

        The fingerprint key stays: fingerprints are compared for equality over the years.
        """
        streaming, columns = _with_new_primary(self.streaming, "streaming"), _with_new_primary(self.columns, "columns")
        return type(self)(streaming, columns, self.fingerprints, self.source)

    @classmethod
    def load_or_create(cls, key_file: Path, create: bool) -> Self:
        """Read the key file, or make one (0600 in a 0700 folder) if there is none and `create` is set.

        :raises WrongKey: if there is none, or it holds something else.
        :raises StorageError: if others can read it, or it cannot be read or written.
        """
        with disk_errors(key_file):
            if not key_file.exists():
                if not create:
                    raise WrongKey(f"no key at {key_file}: put back the key file that sealed this home")
                cls._create(key_file)
            mode = stat.S_IMODE(key_file.stat().st_mode)
            if mode & 0o077:
                raise StorageError(f"others can read the key file {key_file} (mode {mode:o}): chmod 600 {key_file}")
            try:
                text = key_file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                text = ""
        return cls.from_json(text, source=str(key_file))

    def save(self, key_file: Path) -> None:
        """Put these keys in the place of those in `key_file`, after `rotate`.

        :raises StorageError: if it cannot be written.
        """
        with replacing(key_file) as part:
            part.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def _create(cls, key_file: Path) -> None:
        """Write new keys; where another process was first, its keys stay."""
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = key_file.parent / f".{key_file.name}.{secrets.token_hex(4)}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(cls.generate().to_json())
                file.flush()
                os.fsync(descriptor)
            # A link appears whole and fails where a file is: two processes cannot end with two keys.
            with suppress(FileExistsError):
                os.link(part, key_file)
        finally:
            part.unlink()
        sync(key_file.parent)


def parse_keyset(keyset: str) -> Any:
    """Return the Tink handle of one of the three keysets."""
    return json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN)


def _new_keyset(name: str) -> str:
    """Return a Tink keyset with one new key for `streaming`, `columns` or `fingerprints`, as JSON."""
    if name == "streaming":
        streaming_aead.register()
        template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    elif name == "columns":
        aead.register()
        template = aead.aead_key_templates.AES256_GCM
    else:
        prf.register()
        template = prf.prf_key_templates.HMAC_SHA256
    return str(json_proto_keyset_format.serialize(tink.new_keyset_handle(template), secret_key_access.TOKEN))


def _with_new_primary(keyset: str, name: str) -> str:
    """Return the keyset with one more key, which seals from now on. Tink for Python has no key manager."""
    old = json.loads(keyset)
    taken = {key["keyId"] for key in old["key"]}
    while (new := json.loads(_new_keyset(name)))["primaryKeyId"] in taken:
        pass
    return json.dumps({"primaryKeyId": new["primaryKeyId"], "key": [*old["key"], *new["key"]]})
