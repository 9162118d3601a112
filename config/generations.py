"""The platform's settings on the machine's disk: two generations, and what was taken back.

    current.json    in force; `watching` until it has proved itself, then `kept`
    previous.json   the last one that was kept: what a roll-back goes to
    staged.json     on the disk and not yet in force; a start forgets it
    bad.json        the last one that was rolled back, for whoever wants to read it
    denied.json     versions that were rolled back, with the reasons

Every file is written beside its place, synced, and renamed; its first line is the SHA-256 of the
rest. A step is a rename or such a write, and whatever step the power goes away in, what is found
afterwards is one version: a `current` that is missing, damaged or denied gives way to `previous`,
and without that the machine's own layers speak alone. Rolling back needs no free space.

`attempts` counts how often the machine has begun to run with a version under watch. It is written
before that, so that a version that takes the daemon down with it is found at the next start.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from config.platform import ServerWord

FOLDER = "settings"
"""In the data directory."""
BYTES_MAX = 1 << 20
"""All keys there are take 10 kB; a file of more than this is none of ours."""
DENIED_KEPT = 32
"""Versions that were rolled back; the platform has long stopped to desire the oldest of them."""
ATTEMPTS_MAX = 2
"""Twice the daemon has died of it, or with it: there is no third time."""

Name = Literal["current", "previous", "staged", "bad"]
T = TypeVar("T", bound=Struct)


class Generation(Struct, frozen=True, forbid_unknown_fields=True):
    """One version, whole.

    Attributes:
        digest: of the settings alone, see `digest_of`.
        attempts: starts with it while it was being watched.
        unwell: who was, before it came: no fault of its.
        at: wall clock of its staging, for people.
    """

    version: Annotated[int, Meta(ge=0)]
    settings: dict[str, Any]
    digest: str
    state: Literal["watching", "kept"] = "watching"
    attempts: int = 0
    unwell: tuple[str, ...] = ()
    at: float = 0.0

    @property
    def word(self) -> ServerWord:
        """What the layers are made with."""
        return ServerWord(self.version, self.settings)


class Denial(Struct, frozen=True, forbid_unknown_fields=True):
    """A version that was rolled back; another content under the same number is another version."""

    version: int
    digest: str
    reason: str
    at: float = 0.0


class _Denials(Struct, frozen=True, forbid_unknown_fields=True):
    denied: tuple[Denial, ...] = ()


class Damaged(Exception):
    """A file that is not what was once written there."""


def digest_of(settings: Mapping[str, Any]) -> str:
    """SHA-256 of what is desired, whatever the order of the keys."""
    return hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()


class Disk:
    """The two things that are done to the disk; a test may let the power go away in either."""

    def write(self, path: Path, content: bytes) -> None:
        """Put a whole file into its place, or nothing.

        Raises:
            OSError: the disk is full, or broken.
        """
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.rename(beside, path)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, for good."""
        old.replace(new)
        folder = os.open(new.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Generations:
    """See the module. One process writes; anybody may read.

    Attributes:
        troubles: what was found damaged, a sentence each.
        denied: newest last.
    """

    def __init__(self, directory: Path, disk: Disk | None = None) -> None:
        """Read what is there; nothing is changed by looking."""
        self.directory = directory
        self._disk = disk or Disk()
        self.troubles: tuple[str, ...] = ()
        self._files = {name: self._generation(name) for name in ("current", "previous", "bad")}
        self._files["staged"] = None
        denials = self._read(directory / "denied.json", _Denials) or _Denials()
        self.denied: tuple[Denial, ...] = denials.denied
        bad = self._files["bad"]
        if bad is not None and not self.is_denied(bad.version, bad.digest):
            self.denied += (Denial(bad.version, bad.digest, "rolled back", bad.at),)

    # -- reading --------------------------------------------------------------------------------

    def candidates(self) -> tuple[Generation, ...]:
        """What may be in force, the best first; after the last one, the local layers alone."""
        found = (self._files["current"], self._files["previous"])
        return tuple(
            one for one in found if one is not None and not self.is_denied(one.version, one.digest)
        )

    def denial(self, version: int, digest: str) -> Denial | None:
        """Why this very version was rolled back, if it was."""
        found = (one for one in self.denied if (one.version, one.digest) == (version, digest))
        return next(found, None)

    def is_denied(self, version: int, digest: str) -> bool:
        """Whether this very version was rolled back."""
        return self.denial(version, digest) is not None

    @property
    def current(self) -> Generation | None:
        """What is in force, if anything of the platform's is."""
        return next(iter(self.candidates()), None)

    @property
    def staged(self) -> Generation | None:
        """What may be promoted."""
        return self._files["staged"]

    def _generation(self, name: str) -> Generation | None:
        found = self._read(self.directory / f"{name}.json", Generation)
        if found is not None and found.digest != digest_of(found.settings):
            self._tell(f"{name}.json: its digest is not that of its settings")
            return None
        return found

    def _read(self, path: Path, kind: type[T]) -> T | None:
        try:
            with path.open("rb") as file:
                return _unpacked(file.read(BYTES_MAX + 1), kind)
        except FileNotFoundError:
            return None
        except (OSError, Damaged) as error:
            self._tell(f"{path.name}: {error}")
            return None

    def _tell(self, trouble: str) -> None:
        self.troubles += (trouble,)

    # -- changing: every method raises OSError and then has changed nothing that counts -----------

    def begin(self) -> str:
        """The daemon starts: forget what was staged, count a start with a version under watch.

        Returns:
            Why a version was rolled back now; empty: none was.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / "staged.json").unlink(missing_ok=True)
        except OSError as error:  # nobody looks at it, and the rest has to be done
            self._tell(f"staged.json: {error}")
        current = self.current
        if current is None or current.state == "kept" or current is not self._files["current"]:
            return ""
        if current.attempts >= ATTEMPTS_MAX:
            why = f"the daemon died {current.attempts} times while it was being watched"
            self.roll_back(why, current.at)
            return why
        try:
            self._put("current", replace(current, attempts=current.attempts + 1))
        except OSError as error:
            # What cannot be counted must not be tried; the one before is there, and needs no space.
            self._files["current"] = None
            self._tell(f"a start with version {current.version} cannot be counted: {error}")
        return ""

    def end(self) -> None:
        """The daemon ends in order: nothing has died of the version that is being watched."""
        current = self._files["current"]
        if current is not None and current.state == "watching" and current.attempts:
            self._put("current", replace(current, attempts=current.attempts - 1))

    def stage(self, word: ServerWord, at: float, unwell: tuple[str, ...] = ()) -> Generation:
        """Put a version onto the disk; a later one takes its place."""
        settings = dict(word.settings)
        staged = Generation(
            word.version, settings, digest_of(settings), attempts=1, unwell=unwell, at=at
        )
        self._files["staged"] = None
        self._put("staged", staged)
        return staged

    def promote(self) -> Generation:
        """Let the staged version be the current one, under watch; what was kept is previous now."""
        staged, current = self._files["staged"], self._files["current"]
        if staged is None:
            msg = "nothing is staged"
            raise FileNotFoundError(msg)
        if current is not None and current.state == "kept" and current is self.current:
            self._move("current", "previous")
        self._move("staged", "current")
        return staged

    def keep(self) -> None:
        """The current version has proved itself."""
        current = self._files["current"]
        if current is not None and current.state != "kept":
            self._put("current", replace(current, state="kept", attempts=0))

    def roll_back(self, reason: str, at: float) -> Generation | None:
        """Deny the current version; the previous one is in force again, if there is one."""
        current = self._files["current"]
        if current is not None:
            denial = Denial(current.version, current.digest, reason, at)
            self.denied = (*self.denied, denial)[-DENIED_KEPT:]  # first: a disk may refuse the rest
            self._move("current", "bad")
        if self._files["previous"] is not None:
            self._move("previous", "current")
        try:
            denials = _packed(_Denials(self.denied))
            self._disk.write(self.directory / "denied.json", denials)
        except OSError as error:  # bad.json says it, too, and needed no space
            self._tell(f"denied.json: {error}")
        return self.current

    def _put(self, name: Name, generation: Generation) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._disk.write(self.directory / f"{name}.json", _packed(generation))
        except OSError:
            self._look_again(name)
            raise
        self._files[name] = generation

    def _move(self, old: Name, new: Name) -> None:
        try:
            self._disk.rename(self.directory / f"{old}.json", self.directory / f"{new}.json")
        except OSError:
            self._look_again(old, new)
            raise
        self._files[new], self._files[old] = self._files[old], None

    def _look_again(self, *names: Name) -> None:
        """A step that has failed may have been taken, and only its sync has not."""
        for name in names:
            self._files[name] = None if name == "staged" else self._generation(name)


def _packed(value: Struct) -> bytes:
    body = msgspec.json.format(msgspec.json.encode(value)) + b"\n"
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unpacked(content: bytes, kind: type[T]) -> T:
    said, _, body = content.partition(b"\n")
    if said != hashlib.sha256(body).hexdigest().encode():
        msg = "its check sum is not that of its content"
        raise Damaged(msg)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"is not what this version of the program writes: {error}"
        raise Damaged(msg) from None
