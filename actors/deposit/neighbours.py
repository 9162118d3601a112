"""Neighbours of the deposit that are missing: are they back, and how do they stand?"""

from __future__ import annotations

from models.deposit import facts
from models.deposit.facts import Fact, Neighbour
from protocol.machine import GuardChanged, Inputs, ReadGuard, ReadInputs
from protocol.service import CycleChanged
from protocol.system import Ping, Pong
from supervisors import Put, RequestFailed
from supervisors.context import Context

_ASK_S = 0.5
"""Patience with a neighbour that is asked whether it is back: it is asked again soon."""


def ask(ctx: Context, neighbour: Neighbour, path: str, told: CycleChanged) -> tuple[Fact, ...]:
    """What a neighbour says that is there; who goes by how things stand here is told.

    Raises:
        RequestFailed: it is not there.
    """
    if neighbour == "motor":
        guard = ctx.request(path, ReadGuard(), timeout_s=_ASK_S, reply=GuardChanged)
        return (guarded(guard),)
    if neighbour == "sensors":
        inputs = ctx.request(path, ReadInputs(), timeout_s=_ASK_S, reply=Inputs)
        return (
            facts.Sensed(inputs.beams, frozenset(inputs.faults)),
            facts.Levelled(inputs.values.get("bin_percent")),
        )
    if neighbour == "session":
        if ctx.tell(path, told) is not Put.OK:
            raise RequestFailed("no_actor", path)
        return ()
    ctx.request(path, Ping(), timeout_s=_ASK_S, reply=Pong)
    if neighbour in ("camera", "inference"):
        ctx.tell(path, told)
    return ()


def guarded(message: GuardChanged) -> facts.Guarded:
    """The guard's word as a fact."""
    return facts.Guarded(
        message.door_closed,
        message.estop_released,
        message.gate,
        message.beam_gate,
        message.latch,
    )
