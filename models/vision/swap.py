"""Which model serves, which one served before, and which ones never shall: rules without a disk.

    begun ──▶ adopted ──▶ settled          a newcomer on its way into service
      │          │
      └──────────┴──▶ recovered            the process died on that way: the old one serves

A model that kills its process cannot be asked afterwards what it did. So the intent is written down
before each step, and whoever starts next and finds it knows who it was. `store.py` keeps the state
on the disk.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

START_TRIES_MAX = 3
"""So often in a row a process may die while it loads a model, before another one is tried: once or
twice may be somebody's `kill`."""
SHIPPED = ""
"""The name of the model that ships, which lies in no store."""

Name = Annotated[str, msgspec.Meta(max_length=128)]


class Denial(msgspec.Struct, frozen=True):
    """A model that has failed, by the fingerprint of its files.

    Attributes:
        at_s: wall clock.
    """

    name: Name
    why: str
    at_s: float


class Attempt(msgspec.Struct, frozen=True):
    """What is being tried with a model right now.

    Attributes:
        step: ``adopt`` while it is being put into service, ``probation`` in its first minute
            there, ``paused`` if its process was stopped in order during that.
        boot: of the machine; after another one, the power may have failed and nothing is proven.
    """

    name: Name
    fingerprint: str
    step: Literal["adopt", "probation", "paused"]
    boot: str


class Starting(msgspec.Struct, frozen=True):
    """A model was to be loaded at the start of a process, so often without getting to serve."""

    tries: int
    boot: str


class Shelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the machine knows of its models.

    Attributes:
        current: name in the store of the one that is to serve; empty: the one that ships.
        previous: of the one before it; None: there was none.
        served: directory of the last model that proved itself and served, also one that the
            settings had named.
        trying: a newcomer on its way.
        starting: models that are being loaded, or over which processes have died, by fingerprint.
        denied: by fingerprint.
        refusal: why the last newcomer does not serve; stands until another one does, or until
            somebody confirms the one that serves.
    """

    schema: Literal[1] = 1
    current: Name = SHIPPED
    previous: Name | None = None
    served: str = ""
    trying: Attempt | None = None
    starting: dict[str, Starting] = {}
    denied: dict[str, Denial] = {}
    refusal: str = ""


# ----- A newcomer's way ------------------------------------------------------------------------


def begun(shelf: Shelf, name: str, fingerprint: str, boot: str) -> Shelf:
    """A newcomer is about to be loaded beside the one that serves."""
    return replace(shelf, trying=Attempt(name, fingerprint, "adopt", boot))


def adopted(shelf: Shelf, directory: str) -> Shelf:
    """It serves, on probation."""
    trying = _expect(shelf)
    previous = shelf.previous if trying.name == shelf.current else shelf.current
    return replace(
        shelf,
        current=trying.name,
        previous=previous,
        served=directory,
        trying=replace(trying, step="probation"),
        refusal="",
    )


def chosen(shelf: Shelf, name: str) -> Shelf:
    """An operator wants it to serve from the next start on; nothing serves now."""
    previous = shelf.previous if name == shelf.current else shelf.current
    return replace(shelf, current=name, previous=previous, trying=None, refusal="")


def settled(shelf: Shelf) -> Shelf:
    """Its probation is over."""
    return replace(shelf, trying=None)


def paused(shelf: Shelf) -> Shelf:
    """Its process is stopped in order: that is not its failure."""
    if shelf.trying is None or shelf.trying.step != "probation":
        return shelf
    return replace(shelf, trying=replace(shelf.trying, step="paused"))


def refused(shelf: Shelf, why: str, at_s: float) -> Shelf:
    """It failed on its way: the one before it is current, and this one never shall be."""
    trying = _expect(shelf)
    return denied(_before(shelf), trying.name, trying.fingerprint, why, at_s)


def denied(shelf: Shelf, name: str, fingerprint: str, why: str, at_s: float) -> Shelf:
    """A model has failed for good; one without a fingerprint never existed."""
    known = {fingerprint: Denial(name, why, at_s)} if fingerprint else {}
    return replace(shelf, denied={**shelf.denied, **known}, refusal=why)


def turned_away(shelf: Shelf, why: str) -> Shelf:
    """A model does not serve, and may be tried again: that was not its own failure."""
    return replace(shelf, refusal=why)


def confirmed(shelf: Shelf) -> Shelf:
    """Somebody wants the one that serves, whatever became of others."""
    return replace(shelf, refusal="")


def forgiven(shelf: Shelf, fingerprint: str) -> Shelf:
    """An operator wants to try it again."""
    return replace(
        shelf, denied={key: value for key, value in shelf.denied.items() if key != fingerprint}
    )


def _before(shelf: Shelf) -> Shelf:
    """Undo an adoption, if it has got that far."""
    trying = _expect(shelf)
    if trying.step == "adopt":
        return replace(shelf, trying=None)
    return replace(shelf, current=shelf.previous or SHIPPED, previous=None, trying=None)


def _expect(shelf: Shelf) -> Attempt:
    assert shelf.trying is not None  # only what was begun goes on
    return shelf.trying


# ----- After the end of a process --------------------------------------------------------------


def recovered(shelf: Shelf, boot: str, at_s: float) -> Shelf:
    """Find out what the last process died of, if it was on its way with a newcomer."""
    trying = shelf.trying
    if trying is None:
        return shelf
    if trying.step == "paused":
        return replace(shelf, trying=replace(trying, step="probation", boot=boot))
    doing = (
        "while it was put into service"
        if trying.step == "adopt"
        else "in its first time of service"
    )
    if trying.boot != boot:
        why = f"{trying.name}: the machine itself ended {doing}; it may be tried again"
        return turned_away(_before(shelf), why)
    return refused(shelf, f"{trying.name}: its process ended {doing}", at_s)


def starting(shelf: Shelf, fingerprint: str, boot: str) -> Shelf:
    """A model is about to be loaded at the start of a process."""
    count = tries(shelf, fingerprint, boot) + 1
    return replace(shelf, starting={**shelf.starting, fingerprint: Starting(count, boot)})


def survived(shelf: Shelf, fingerprint: str) -> Shelf:
    """It cannot be loaded, and the process lives to tell."""
    left = {key: value for key, value in shelf.starting.items() if key != fingerprint}
    return replace(shelf, starting=left)


def started(shelf: Shelf, fingerprint: str, directory: str) -> Shelf:
    """It is loaded, has proved itself, and serves."""
    return replace(survived(shelf, fingerprint), served=directory)


def tries(shelf: Shelf, fingerprint: str, boot: str) -> int:
    """How many processes, since the machine was switched on, have come to nothing over it."""
    last = shelf.starting.get(fingerprint)
    return last.tries if last is not None and last.boot == boot else 0


# ----- Who is asked in which order -------------------------------------------------------------


def candidates(shelf: Shelf, pinned: str, shipped: str, store: str) -> tuple[str, ...]:
    """Directories of the models to be tried at a start, best first.

    Args:
        pinned: directory named by the settings, empty if none is. Behind it only the one that has
            served here before stands in; a new machine waits for the one it was told to use.
        shipped: directory of the one that ships.
        store: directory of the store, empty if there is none.
    """
    if pinned:
        wanted = [pinned, shelf.served]
    else:
        names = [shelf.current] if shelf.previous is None else [shelf.current, shelf.previous]
        wanted = [f"{store}/{name}" if name and store else shipped for name in names]
        wanted.append(shipped)
    return tuple(dict.fromkeys(one for one in wanted if one))
