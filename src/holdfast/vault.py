"""Encryption at rest: what jobs are called with and return, under keys that the database does not have.

Data that is encrypted says so in its content encoding, with the name of its key: "utf-8+encrypted:1a2b3c4d". So each
row tells which key opens it, and a process that knows nothing of encryption refuses it.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from kombu.compression import decompress

from holdfast.conf import get_settings
from holdfast.exceptions import CannotDecrypt, ConfigurationError

MARK = "+encrypted:"
# What is shown in place of what is encrypted.
SHOWN = "<encrypted>"
_FRAME = re.compile(r'^[ |]*File ".+", line \d+, in .+$', re.MULTILINE)


def is_encrypted(content_encoding: str) -> bool:
    """Tell whether data of this content encoding is encrypted."""
    return MARK in content_encoding


def encrypt(data: bytes, content_encoding: str) -> tuple[bytes, str]:
    """Encrypt data with the newest key; return it with its new content encoding.

    Raises:
        ConfigurationError: there is no key, or the package cryptography is not installed.
    """
    keys = _keys()
    if not keys:
        raise ConfigurationError(
            "A job is to be encrypted, and HOLDFAST['encryption_keys'] is empty: nothing was recorded. "
            "`manage.py holdfast reencrypt --new-key` prints a key; put it into the settings of every process."
        )
    name, fernet = next(iter(keys.items()))
    return bytes(fernet.encrypt(data)), f"{content_encoding}{MARK}{name}"


def decrypt(data: bytes, content_encoding: str) -> tuple[bytes, str]:
    """Return data as it was, with its own content encoding; what is not encrypted stays as it is.

    Raises:
        CannotDecrypt: its key is not among ours, or the data was changed.
    """
    if MARK not in content_encoding:
        return data, content_encoding
    plain, _, name = content_encoding.partition(MARK)
    fernet = _keys().get(name)
    if fernet is None:
        raise CannotDecrypt(
            f"It was encrypted with the key {name}, which this process does not have: put that key back into "
            "HOLDFAST['encryption_keys'], behind newer ones; then jobs that are dead of it can be replayed."
        )
    from cryptography.fernet import InvalidToken

    try:
        return bytes(fernet.decrypt(bytes(data))), plain
    except InvalidToken:
        raise CannotDecrypt(
            f"It says that the key {name} opens it, and that key does not: the row was changed or damaged. "
            "Restore it from a backup, or give the job up."
        ) from None


def encrypt_text(text: str) -> str:
    """Encrypt a text that stands in a column of texts."""
    data, encoding = encrypt(text.encode(errors="backslashreplace"), "utf-8")
    return f"{encoding}:{data.decode()}"


def decrypt_text(text: str | None) -> str | None:
    """Return such a text as it was; any other stays as it is."""
    if text is None or not text.startswith(f"utf-8{MARK}"):
        return text
    prefix, _, data = text.rpartition(":")
    return decrypt(data.encode(), prefix)[0].decode()


def opened(body: bytes, content_encoding: str, headers: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the body of a job as its serializer wrote it, with its content encoding.

    Raises:
        CannotDecrypt: its key is not here.
    """
    body, content_encoding = decrypt(body, content_encoding)
    compression = headers.get("compression")
    return (decompress(body, compression) if compression else body), content_encoding


def newest() -> str:
    """Return the name of the newest key; empty if there is none."""
    return next(iter(_keys()), "")


def new_key() -> str:
    """Make a key.

    Raises:
        ConfigurationError: the package cryptography is not installed.
    """
    return str(_fernet().generate_key().decode())


def words_of(error: BaseException | None, *, secret: bool, otherwise: str = "") -> str:
    """Return what may be kept of an error in the clear: of a secret job its class alone."""
    if error is None:
        return otherwise
    return type(error).__qualname__ if secret else repr(error)


def frames_of(traceback: str) -> str:
    """Return where a traceback went, and nothing that was said there."""
    return "\n".join(_FRAME.findall(traceback))


@lru_cache(maxsize=1)
def _keys() -> dict[str, Any]:
    fernet = _fernet() if get_settings().encryption_keys else None
    return {_name(key): fernet(key) for key in get_settings().encryption_keys if fernet}


def _name(key: str) -> str:
    return hashlib.sha256(b"holdfast.vault" + urlsafe_b64decode(key)).hexdigest()[:8]


def _fernet() -> Any:
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ConfigurationError(
            "Encryption needs the package cryptography: pip install 'holdfast[encryption]'."
        ) from None
    return Fernet


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "HOLDFAST":
        _keys.cache_clear()


setting_changed.connect(_forget, dispatch_uid="holdfast.vault")
