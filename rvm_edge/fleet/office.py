"""How the machines of a fleet are let in: tokens from the operator's interface, or from a file."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import msgspec

from actors.uplink.identity import sign
from actors.uplink.secret_files import SecretUnusable
from actors.uplink.way import CallFailed, Way
from models.claims import public_key
from models.uplink.again import WORTH_AGAIN, full_jitter_s
from models.uplink.answers import words_of
from protocol.platform import ROOT
from protocol.platform.identity import Enrol, enrolment_bytes
from rvm_edge.fleet.machine import Machine

_ASK_S = 30.0
_TRIES_MAX = 6
_AGAIN_S, _AGAIN_S_MAX = 1.0, 15.0
_GOOD_FOR_S = 3600.0
_AT_ONCE = 8
_OTHERS = 0o037
_OK = range(200, 300)


class NotLetIn(Exception):
    """A machine is not enrolled; the message says why.

    Attributes:
        is_refused: the platform has said so; otherwise it does not answer.
    """

    def __init__(self, detail: str, *, is_refused: bool) -> None:
        """Args: is_refused: see the class."""
        super().__init__(detail)
        self.is_refused = is_refused


class _Known(msgspec.Struct):
    hardware_id: str


class _Fleet(msgspec.Struct):
    machines: list[_Known]


class _Made(msgspec.Struct):
    token: str


def read_tokens(file: Path) -> tuple[str, ...]:
    """Enrolment tokens, one in each line.

    Raises:
        SecretUnusable: they cannot be read, or others could read them too.
    """
    try:
        mode, text = stat.S_IMODE(file.stat().st_mode), file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnusable(f"{file}: {getattr(error, 'strerror', '') or 'no text'}") from None
    if mode & _OTHERS:
        raise SecretUnusable(f"{file} may be read by others: chmod 600 {file}")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


class Office:
    """Lets machines in."""

    def __init__(self, way: Way, operator: str, tokens: tuple[str, ...] | None) -> None:
        """Make it.

        Args:
            way: of the operator.
            operator: his token; not needed with `tokens`.
            tokens: of the machines, in their order; None: make those that are missing.
        """
        self._way = way
        self._operator = operator
        self._tokens = tokens

    async def let_in(self, machines: list[Machine]) -> int:
        """Enrol those that are not; says how many those were.

        Raises:
            NotLetIn: one cannot be.
        """
        probed = await self._way.probe()
        if probed.reached != "http":
            detail = f"{self._way.url} stops after {probed.reached}: {probed.detail}"
            raise NotLetIn(detail, is_refused=False)
        known = frozenset() if self._tokens is not None else await self._enrolled()
        slots = asyncio.Semaphore(_AT_ONCE)
        new = [
            (machine, None if self._tokens is None else self._tokens[number])
            for number, machine in enumerate(machines)
            if machine.hardware_id not in known
        ]

        async def enrol(machine: Machine, token: str | None) -> None:
            async with slots:
                await self._enrol(machine, await self._make(machine) if token is None else token)

        tasks = [asyncio.ensure_future(enrol(*one)) for one in new]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return len(new)

    async def _enrolled(self) -> frozenset[str]:
        try:
            said = await self._ask("GET", "/fleet/machines", b"", "the list of machines")
            machines = msgspec.json.decode(said, type=_Fleet).machines
        except (CallFailed, msgspec.MsgspecError):
            return frozenset()  # too many for one answer: enrolling them again changes nothing
        return frozenset(machine.hardware_id for machine in machines)

    async def _make(self, machine: Machine) -> str:
        wish = {"hardware_id": machine.hardware_id, "good_for_s": _GOOD_FOR_S}
        body = msgspec.json.encode(wish)
        try:
            said = await self._ask("POST", "/fleet/enrolment-tokens", body, "an enrolment token")
            return msgspec.json.decode(said, type=_Made).token
        except CallFailed as error:
            raise NotLetIn(f"no enrolment token: {error.detail}", is_refused=False) from None
        except msgspec.MsgspecError:
            detail = "the platform's answer holds no enrolment token"
            raise NotLetIn(detail, is_refused=True) from None

    async def _ask(self, method: str, path: str, body: bytes, what: str) -> bytes:
        """Raises: CallFailed, NotLetIn."""
        headers = {"Authorization": f"Bearer {self._operator}", "Content-Type": "application/json"}
        answer = await self._way.send(method, f"{ROOT}{path}", headers, body, timeout_s=_ASK_S)
        if answer.status not in _OK:
            words = words_of(answer.status, answer.body).text.replace(self._operator, "***")
            detail = f"the platform refuses {what}: {words} (is it the operator's token?)"
            raise NotLetIn(detail, is_refused=True)
        return answer.body

    async def _enrol(self, machine: Machine, token: str) -> None:
        """Give the platform the machine's key; a platform that is busy is asked again."""
        public, hardware_id = public_key(machine.key).hex(), machine.hardware_id
        signature = sign(machine.key, enrolment_bytes(hardware_id, public, token))
        body = msgspec.json.encode(Enrol(token, hardware_id, public, signature))
        await machine.probe()
        why = ""
        for tries in range(1, _TRIES_MAX + 1):
            try:
                status, said = await machine.knock("POST", "/edge/enrolments", body)
            except CallFailed as error:
                why = error.detail
            else:
                if status in _OK:
                    await machine.rest()
                    return
                why = words_of(status, said).text.replace(token, "***")
                if status not in WORTH_AGAIN:
                    raise NotLetIn(f"{hardware_id} is not enrolled: {why}", is_refused=True)
            await asyncio.sleep(full_jitter_s(tries, 1.0, _AGAIN_S, _AGAIN_S_MAX))
        raise NotLetIn(f"{hardware_id} is not enrolled: {why}", is_refused=False)
