"""Addresses: whoever is in a tree has one before the first of them starts."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import (
    Actor,
    ActorSystem,
    ChildSpec,
    Put,
    RequestFailed,
    Supervisor,
    SupervisorFailed,
    SupervisorSpec,
    handles,
)
from tests.supervisors.words import Ask, Said


class Early(Actor):
    """Is up first, and speaks to others at once."""

    def __init__(self, to: str) -> None:
        self.to = to
        self.answer = ""

    def on_start(self) -> None:
        for what in ("one", "two"):
            assert self.ctx.tell(self.to, Said(what)) is Put.OK
        with pytest.raises(RequestFailed, match="restarting"):
            self.ctx.request(self.to, Ask(1))


class Late(Actor):
    """Writes down what it hears."""

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    @handles(Said)
    def said(self, message: Said) -> None:
        self.heard.append(message.what)

    @handles(Ask)
    def ask(self, message: Ask) -> Any:
        return Said(",".join(self.heard))


def test_what_is_said_to_somebody_who_has_not_started_yet_waits_for_him() -> None:
    heard: list[str] = []
    below = SupervisorSpec((ChildSpec("late", Late, args={"heard": heard}),))
    early = ChildSpec("early", Early, args={"to": "/below/late"})
    spec = SupervisorSpec((early, ChildSpec("below", below)))
    with Supervisor.start(spec) as root:
        said = root.request("/below/late", Ask(0), reply=Said)
        assert said.what == "one,two"
        # The question was not kept waiting, and nothing was lost.
        assert root.system.dead_letters.total == 0


def test_who_never_came_is_missed_once_the_tree_is_up() -> None:
    system = ActorSystem()
    try:
        slot = system.slot("/late", ChildSpec("late", Late, args={"heard": []}))
        slot.expect()
        assert slot.is_awaited
        assert not slot.is_inhabited
        assert system.tell("/late", Said("one")) is Put.OK
        (left,) = slot.give_up_expecting()
        assert left.destination == "/late"
        assert system.tell("/late", Said("two")) is Put.RESTARTING
        assert slot.give_up_expecting() == []
    finally:
        system.close()


def test_who_has_come_is_not_given_up() -> None:
    heard: list[str] = []
    spec = SupervisorSpec((ChildSpec("late", Late, args={"heard": heard}),))
    with Supervisor.start(spec) as root:
        slot = root.system.slots["/late"]
        assert slot.is_inhabited
        assert slot.give_up_expecting() == []
        assert root.request("/late", Ask(0), reply=Said).what == ""


def test_a_tree_that_does_not_come_up_leaves_no_address_that_takes_messages() -> None:
    class Never(Actor):
        def on_start(self) -> None:
            raise RuntimeError("never")

    system = ActorSystem()
    try:
        late = SupervisorSpec((ChildSpec("late", Late, args={"heard": []}),))
        spec = SupervisorSpec((ChildSpec("never", Never), ChildSpec("below", late)))
        with pytest.raises(SupervisorFailed):
            Supervisor.start(spec, system=system)
        assert system.tell("/below/late", Said("one")) is not Put.OK
    finally:
        system.close()
