"""Files with a secret in them: theirs alone who runs the machine, short, and one line."""

from __future__ import annotations

import stat
from pathlib import Path

_BYTES_MAX = 4096
_OTHERS = 0o037
_GROUP_READS, _OWNER_WRITES = 0o040, 0o200


class SecretUnusable(Exception):
    """There is no secret in that file that may be used; the message names the cure."""


def read_secret(file: Path) -> str:
    """The secret in a file.

    Read-only for owner and group is how systemd hands over a credential, and all right.

    Raises:
        SecretUnusable: it is missing, may be read by others, or holds none.
    """
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(file.stat().st_mode)
            content = opened.read(_BYTES_MAX + 1)
    except OSError as error:
        raise SecretUnusable(f"{file}: {error.strerror}") from None
    if mode & _OTHERS or (mode & _GROUP_READS and mode & _OWNER_WRITES):
        raise SecretUnusable(f"{file} may be read by others: chmod 600 {file}")
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _BYTES_MAX or not text.isprintable() or " " in text:
        raise SecretUnusable(f"{file} holds no secret: one line of letters and digits")
    return text
