"""Encryption of files, bytes and text with Tink.

Everything sealed is bound to its place: a sealed file or value that is moved, altered or cut short does not open.
"""

import base64
import binascii
import io
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import tink
from tink import aead, prf, streaming_aead

from storage.errors import SealBroken, StorageError, WrongKey
from storage.folders import disk_error, replacing
from storage.keyring import Keyring, parse_keyset

__all__ = ["Keyring", "Sealer"]

_KEY_CHECK_PLACE = "home/key-check"
_KEY_CHECK = "ragloop"
_COPY_BYTES = 1 << 20


class Sealer:
    """Seals and opens with one key ring. `place` says where the sealed thing belongs, and must be the same at opening.

    Safe to share between threads.
    """

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def seal_bytes(self, data: bytes, place: str) -> bytes:
        """Seal bytes as one streamed message; the result is what `write_sealed` puts into a file."""
        sealed = _Memory()
        with self._sealing(sealed, place) as stream:
            stream.write(data)
        return sealed.content

    def open_bytes(self, sealed: bytes, place: str) -> bytes:
        """Open what `seal_bytes` sealed.

        :raises SealBroken: if it is not that, bit for bit, from that place.
        """
        with _opening(place), self._streaming.new_decrypting_stream(io.BytesIO(sealed), place.encode()) as stream:
            return bytes(stream.read())

    def seal_file(self, source: Path, target: Path, place: str) -> None:
        """Seal a file of any size into `target`, which appears whole or not at all.

        :raises StorageError: if a file cannot be read or written.
        """
        with replacing(target) as part, source.open("rb") as plain:
            out = _File(part, "wb")
            with _writing(out, target), self._sealing(out, place) as stream:
                shutil.copyfileobj(plain, stream, _COPY_BYTES)

    def open_file(self, source: Path, target: Path, place: str) -> None:
        """Open a sealed file of any size into `target` (0600), which appears only if every byte was authentic.

        :raises SealBroken: if the file is missing, or not what was sealed for that place.
        """
        with replacing(target) as part, part.open("wb") as plain, self._reading(source, place) as stream:
            shutil.copyfileobj(stream, plain, _COPY_BYTES)

    def write_sealed(self, path: Path, data: bytes, place: str) -> None:
        """Seal bytes into a file, which appears whole or not at all.

        :raises StorageError: if it cannot be written.
        """
        with replacing(path) as part:
            out = _File(part, "wb")
            with _writing(out, path), self._sealing(out, place) as stream:
                stream.write(data)

    def read_sealed(self, path: Path, place: str) -> bytes:
        """Return the bytes that were sealed into a file.

        :raises SealBroken: if the file is missing, or not what was sealed for that place.
        """
        with self._reading(path, place) as stream:
            return stream.read()

    def seal_text(self, text: str, place: str) -> bytes:
        """Seal a short text, such as the value of a column."""
        return bytes(self._columns.encrypt(text.encode(), place.encode()))

    def open_text(self, sealed: bytes, place: str) -> str:
        """Open what `seal_text` sealed.

        :raises SealBroken: if it is not that, from that place.
        """
        with _opening(place):
            return bytes(self._columns.decrypt(sealed, place.encode())).decode()

    def fingerprint(self, text: str) -> str:
        """Return 32 hex digits, the same for texts that differ only in case, spacing or Unicode form.

        Keyed, so that nobody without the key can test a guess; not changed by rotation.
        """
        normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        return bytes(self._fingerprints.compute(normal.encode(), 16)).hex()

    def key_check(self) -> str:
        """Return a printable value to keep in a home, by which `verify_key_check` knows the key again."""
        return base64.b64encode(self.seal_text(_KEY_CHECK, _KEY_CHECK_PLACE)).decode()

    def verify_key_check(self, value: str, home: str) -> None:
        """Check that these keys are those of a home.

        :raises WrongKey: if other keys sealed it.
        """
        try:
            self.open_text(base64.b64decode(value, validate=True), _KEY_CHECK_PLACE)
        except (SealBroken, binascii.Error, ValueError):
            source = self.keyring.source
            message = f"the key in {source} did not seal the home {home}: use the key that did, or choose a new home"
            raise WrongKey(message) from None

    @cached_property
    def _streaming(self) -> Any:
        streaming_aead.register()
        return parse_keyset(self.keyring.streaming).primitive(streaming_aead.StreamingAead)

    @cached_property
    def _columns(self) -> Any:
        aead.register()
        return parse_keyset(self.keyring.columns).primitive(aead.Aead)

    @cached_property
    def _fingerprints(self) -> Any:
        prf.register()
        return parse_keyset(self.keyring.fingerprints).primitive(prf.PrfSet).primary()

    def _sealing(self, out: IO[bytes] | io.RawIOBase, place: str) -> IO[bytes]:
        stream: IO[bytes] = self._streaming.new_encrypting_stream(out, place.encode())
        return stream

    @contextmanager
    def _reading(self, path: Path, place: str) -> Iterator[IO[bytes]]:
        """Yield the stream of a sealed file's plain bytes."""
        try:
            sealed = path.open("rb")
        except FileNotFoundError:
            raise SealBroken(f"{path}: missing: restore it from a backup, or build it again") from None
        except OSError as error:
            raise disk_error(error, path) from error
        with sealed, _opening(str(path)), self._streaming.new_decrypting_stream(sealed, place.encode()) as stream:
            yield stream


class _Memory(io.BytesIO):
    """Keeps its content when Tink closes it."""

    content = b""

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
        super().close()


class _File(io.FileIO):
    """Remembers why a write failed, which Tink does not pass on."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def _writing(out: _File, target: Path) -> Iterator[None]:
    """Name the reason for which sealing into a file failed."""
    try:
        yield
    except tink.TinkError as error:
        reason = f"cannot be sealed ({type(error).__name__}): check the disk and the key"
        raise (disk_error(out.failure, target) if out.failure else StorageError(f"{target}: {reason}")) from error
    finally:
        out.close()


@contextmanager
def _opening(name: str) -> Iterator[None]:
    """Turn what Tink says of `name` into what to do about it."""
    try:
        yield
    except tink.TinkError:
        reason = "altered, cut short, moved, or sealed with another key"
        raise SealBroken(f"{name}: {reason}: restore it from a backup, or remove it and build it again") from None
