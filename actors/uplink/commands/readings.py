"""How the machine stands, asked of those who know; who does not answer in time is not known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from models.remote.catalogue import Entry, Need
from models.remote.conditions import Readings
from protocol.machine import GuardChanged, Inputs, ReadGuard, ReadInputs
from protocol.message import Message
from protocol.service import CycleDescribed, DescribeCycle, DescribeSession, SessionDescribed
from supervisors.context import AsyncContext, RequestFailed

ANSWER_S = 1.0
"""What moves a motor must not rest on what somebody knew a while ago."""

M = TypeVar("M", bound=Message)
_CYCLE: tuple[Need, ...] = ("no_item", "no_stop", "maintenance")
_GUARD: tuple[Need, ...] = ("no_stop", "body_known")


async def read(ctx: AsyncContext, to: Mapping[str, str], entry: Entry) -> Readings:
    """Ask for what the conditions of a command are about, all at the same time."""
    needs = entry.needs
    cycle, session, guard, inputs = await asyncio.gather(
        _ask(ctx, to["deposit"], DescribeCycle(), CycleDescribed, any(n in needs for n in _CYCLE)),
        _ask(ctx, to["session"], DescribeSession(), SessionDescribed, "no_session" in needs),
        _ask(ctx, to["motor"], ReadGuard(), GuardChanged, any(n in needs for n in _GUARD)),
        _ask(ctx, to["sensors"], ReadInputs(), Inputs, "body_known" in needs),
    )
    return Readings(cycle, session, guard, inputs)


async def _ask(
    ctx: AsyncContext, address: str, question: Message, reply: type[M], is_needed: bool
) -> M | None:
    if not is_needed:
        return None
    try:
        answer: M = await ctx.request(address, question, timeout_s=ANSWER_S, reply=reply)
    except RequestFailed:
        return None
    return answer
