"""Who this machine is to the platform: enrolment once, then a short token for every few hours.

The device key signs, and stays here. Any number of calls that want a token wait for one refresh.
A platform that does not take the key is asked again, but slowly; nothing is lost meanwhile.
A platform without device keys gives out a token of its own (`uplink.api_key_file`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from actors.session.keys import KeyUnusable, read_key
from actors.uplink.secret_files import SecretUnusable, read_secret
from actors.uplink.way import CallFailed
from config.settings import UplinkSettings
from models.claims import public_key
from models.uplink.answers import words_of
from protocol.platform.identity import (
    AskToken,
    Challenge,
    Enrol,
    Enrolled,
    ProveKey,
    Token,
    enrolment_bytes,
    token_bytes,
)
from supervisors.clock import Clock

MARK_FILE = "enrolment.json"
"""Beside the device key: that this machine has been enrolled, and where. No secret."""

_AHEAD_S, _AHEAD_SHARE = 60.0, 0.1
"""A token is renewed so long before its end, and no sooner than in its last tenth."""
_AGAIN_S, _AGAIN_S_MAX = 30.0, 600.0
"""After a refusal; doubled each time. A person has to do something, and is not that fast."""
_REFUSALS = frozenset((400, 401, 403, 404, 409, 410, 422))
_OK = frozenset((200, 201))

Ask = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]
"""Method, path below the root of the interface, body in JSON; answers status and body."""
T = TypeVar("T")


class Denied(Exception):
    """The platform does not let this machine in.

    Attributes:
        code: ``not_enrolled``, ``auth_failed``.
        detail: what somebody can do about it; never a secret.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Args: code: see the class."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Mark(msgspec.Struct, frozen=True):
    """What the mark file says."""

    hardware_id: str
    rvm_id: int


class Identity:
    """See the module.

    Attributes:
        denied: why there is no token; None: there is one, or it has not been asked for yet.
    """

    def __init__(
        self, hardware_id: str, key_file: Path, limits: UplinkSettings, ask: Ask, clock: Clock
    ) -> None:
        """Args: ask: how to ask the platform, without a token."""
        self._hardware_id = hardware_id
        self._key_file = key_file
        self._limits = limits
        self._ask = ask
        self._clock = clock
        self._token = ""
        self._ends_s = self._renew_s = float("inf")
        self._flight: asyncio.Task[str] | None = None
        self._again_at_s = 0.0
        self._again_s = 0.0
        self._has_enrolled_with = ""
        self.denied: Denied | None = None

    # -- what others ask ------------------------------------------------------------------------

    async def bearer(self) -> str:
        """A token that is good for a while.

        Raises:
            Denied: the platform gives none.
            CallFailed: it cannot be asked now.
        """
        now_s = self._clock.monotonic()
        if self._token and now_s < self._renew_s:
            return self._token
        if self.denied is not None and now_s < self._again_at_s:
            raise Denied(self.denied.code, self.denied.detail)
        if self._flight is None:
            self._flight = asyncio.ensure_future(self._fetch())
            self._flight.add_done_callback(self._landed)
        try:
            return await asyncio.shield(self._flight)
        except CallFailed:
            if self._token and now_s < self._ends_s:
                return self._token
            raise

    def spoil(self, token: str) -> None:
        """The platform has not taken this one; a newer one may be there already."""
        if token == self._token:
            self._token = ""

    def refuse(self, detail: str) -> Denied:
        """Not even a fresh token is taken: ask again later."""
        self._token = ""
        return self._deny("auth_failed", detail)

    def hurry(self) -> None:
        """Somebody has done something: ask again at once."""
        self._again_at_s = 0.0

    @property
    def again_in_s(self) -> float:
        """Until the platform is asked again after a refusal."""
        return max(self._again_at_s - self._clock.monotonic(), 0.0)

    @property
    def left_s(self) -> float | None:
        """How long the token is still good; None: there is none, or one without an end."""
        if not self._token or self._ends_s == float("inf"):
            return None
        return max(self._ends_s - self._clock.monotonic(), 0.0)

    @property
    def mark(self) -> Mark | None:
        """What the last enrolment has left behind."""
        return read_mark(self._key_file)

    # -- the refresh ----------------------------------------------------------------------------

    def _landed(self, flight: asyncio.Task[str]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # told to whoever waits; nobody has to

    async def _fetch(self) -> str:
        now_s = self._clock.monotonic()
        try:
            token, good_for_s = await self._new_token()
        except SecretUnusable as error:
            raise self._deny("auth_failed", str(error)) from None
        self.denied, self._again_s = None, 0.0
        self._token, self._ends_s = token, now_s + good_for_s
        self._renew_s = self._ends_s - min(_AHEAD_S, good_for_s * _AHEAD_SHARE)
        return token

    async def _new_token(self) -> tuple[str, float]:
        if self._limits.api_key_file is not None:
            return read_secret(Path(self._limits.api_key_file)), float("inf")
        key = self._key()
        status, body = await self._prove(key)
        if status in _REFUSALS and self._has_new_enrolment():
            await self._enrol(key)
            status, body = await self._prove(key)
        if status in _OK:
            token = _read(body, Token)
            if not is_bearer(token.access_token):
                raise CallFailed("strange", "no token now: the platform's is none for a header")
            return token.access_token, token.expires_in_s
        code, words = words_of(status, body)
        if status not in _REFUSALS or code == "challenge":  # it was good for a moment only
            raise CallFailed("paused", f"no token now: {words}")
        if self.mark is None and self._limits.enrolment_token_file is None:
            raise self._deny("not_enrolled", "rvm-edge enrol URL, with a token of the platform's")
        detail = f"the platform does not take the device key ({words}): rvm-edge enrol URL"
        raise self._deny("auth_failed", detail)

    def _key(self) -> bytes:
        try:
            return read_key(self._key_file)
        except FileNotFoundError:
            raise CallFailed("no_way", "the session has not made the device key yet") from None
        except (KeyUnusable, OSError) as error:
            raise self._deny("auth_failed", str(error)) from None

    async def _prove(self, key: bytes) -> tuple[int, bytes]:
        question = msgspec.json.encode(AskToken(self._hardware_id))
        status, body = await self._ask("POST", "/edge/challenges", question)
        if status not in _OK:
            return status, body
        challenge = _read(body, Challenge).challenge
        signature = sign(key, token_bytes(self._hardware_id, challenge))
        proof = ProveKey(self._hardware_id, challenge, signature)
        return await self._ask("POST", "/edge/tokens", msgspec.json.encode(proof))

    def _has_new_enrolment(self) -> bool:
        file = self._limits.enrolment_token_file
        return file is not None and read_secret(Path(file)) != self._has_enrolled_with

    async def _enrol(self, key: bytes) -> None:
        token = read_secret(Path(self._limits.enrolment_token_file or ""))
        await enrol(self._ask, key, self._hardware_id, token, self._key_file)
        self._has_enrolled_with = token

    def _deny(self, code: str, detail: str) -> Denied:
        self._again_s = min(max(self._again_s * 2, _AGAIN_S), _AGAIN_S_MAX)
        self._again_at_s = self._clock.monotonic() + self._again_s
        self.denied = Denied(code, detail)
        return self.denied


# -- enrolment, also for the command line ---------------------------------------------------------


async def enrol(
    ask: Ask, key: bytes, hardware_id: str, token: str, key_file: Path, name: str = ""
) -> Enrolled:
    """Give the platform the public key, with a token that is good once, and remember that.

    Without room for the mark it is enrolled all the same: the mark is for people.

    Raises:
        CallFailed: ``refused``, in the platform's words; or it cannot be asked now.
    """
    public = public_key(key).hex()
    signature = sign(key, enrolment_bytes(hardware_id, public, token))
    body = msgspec.json.encode(Enrol(token, hardware_id, public, signature, name))
    status, said = await ask("POST", "/edge/enrolments", body)
    if status not in _OK:
        words = words_of(status, said).text.replace(token, "***")
        raise CallFailed("refused" if status in _REFUSALS else "paused", f"enrolment: {words}")
    enrolled = _read(said, Enrolled)
    with contextlib.suppress(OSError):
        write_mark(key_file, Mark(hardware_id, enrolled.rvm_id))
    return enrolled


def is_bearer(token: str) -> bool:
    """Whether it can stand in a header as it is, and be nothing else there."""
    return token.isascii() and token.isprintable() and " " not in token


def sign(key: bytes, content: bytes) -> str:
    """Signature of the device key, in hexadecimal."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.from_private_bytes(key).sign(content).hex()


def read_mark(key_file: Path) -> Mark | None:
    """The mark beside a key; None: there is none that can be read."""
    try:
        return msgspec.json.decode(key_file.with_name(MARK_FILE).read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def write_mark(key_file: Path, mark: Mark) -> None:
    """Put it down, all of it or nothing."""
    file = key_file.with_name(MARK_FILE)
    beside = file.with_suffix(".new")
    with beside.open("wb") as new:
        new.write(msgspec.json.encode(mark) + b"\n")
        new.flush()
        os.fsync(new.fileno())
    beside.replace(file)


def _read(body: bytes, kind: type[T]) -> T:
    """What a success says.

    Raises:
        CallFailed: it says something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        # The error would quote nothing secret, but the body may; neither is shown.
        raise CallFailed("strange", f"the platform's answer is no {kind.__name__}") from None
