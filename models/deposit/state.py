"""What the item cycle knows, as one frozen value."""

from __future__ import annotations

from typing import Literal

import msgspec

from config.settings import BinSettings, DepositSettings, FraudSettings, MotorSettings
from models.bin import Bin
from models.deposit.facts import NEIGHBOURS, Neighbour
from models.fraud import Suspicion
from models.passage import Passage
from models.reasons import Reason
from protocol.machine import Direction, GateState, MotorName
from protocol.storage import DepositRecord, DepositState

Phase = Literal[
    "boot",  # waits for guard and sensors, settles what the last run left open
    "selftest",  # gate home, beams clear, scale tared
    "idle",  # waits for an item
    "opening",  # the gate opens
    "infeed",  # the belt takes the item in
    "closing",  # the gate closes
    "identifying",  # scale and picture
    "reserving",  # the ledger holds it; weighed once more
    "transporting",  # the belt takes it away
    "confirming",  # the belt stands; has it fallen?
    "crediting",  # the ledger holds the proof
    "rejecting",  # the belt stops, the gate opens
    "return_wait",  # the belt brings it back; somebody takes it
    "leaving",  # the gate closes behind it
    "recovering",  # a motor is stuck: a bit back, then again
    "bin_full",
    "fault",
    "service",
    "estop",
]

STOPPED: frozenset[Phase] = frozenset(("service", "estop"))
"""Only somebody at the machine leads out."""

RESTING: frozenset[Phase] = frozenset((*STOPPED, "idle", "bin_full", "fault"))
"""Nothing of ours moves, and no item is dealt with."""

ARRIVING: frozenset[Phase] = frozenset(("opening", "infeed", "closing", "identifying", "reserving"))
"""An item is dealt with, and nothing has moved for its sake that could not be undone."""


class Rules(msgspec.Struct, frozen=True):
    """The settings that the cycle goes by."""

    deposit: DepositSettings = DepositSettings()
    motor: MotorSettings = MotorSettings()
    fraud: FraudSettings = FraudSettings()
    bin: BinSettings = BinSettings()


def timeout_s(phase: Phase, rules: Rules) -> float:
    """How long a phase may take; 0: for ever."""
    limits = rules.deposit
    by_phase: dict[Phase, float] = {
        "boot": limits.boot_timeout_s,
        "selftest": limits.selftest_timeout_s,
        "opening": limits.gate_timeout_s + limits.motor_answer_s,
        "infeed": limits.infeed_timeout_s,
        "closing": limits.infeed_timeout_s,
        "identifying": limits.capture_timeout_s,
        "reserving": limits.weigh_timeout_s,
        "transporting": limits.transport_timeout_s,
        "confirming": limits.drop_timeout_s,
        "crediting": limits.confirm_timeout_s,
        "rejecting": limits.recover_timeout_s,
        "return_wait": limits.return_timeout_s,
        "leaving": limits.return_timeout_s,
        "recovering": limits.recover_timeout_s,
        "fault": limits.retry_fault_s,
    }
    return by_phase.get(phase, 0.0)


class Body(msgspec.Struct, frozen=True):
    """The machine as guard and sensors describe it; None: it cannot be read.

    Attributes:
        is_guarded, is_sensed: whether guard and sensors have said how things stand.
        faults: sensors that are not to be trusted.
    """

    is_guarded: bool = False
    is_sensed: bool = False
    door_closed: bool | None = None
    estop_released: bool | None = None
    gate: GateState = "unknown"
    beam_gate: bool | None = None
    latch: str = ""
    entry: bool | None = None
    inside: bool | None = None
    exit: bool | None = None
    drop: bool | None = None
    faults: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        return self.is_guarded and self.is_sensed

    @property
    def is_way_out_clear(self) -> bool:
        """Whether nothing is seen from the hand to the scale."""
        return self.entry is False and self.beam_gate is False and self.inside is False


class Motion(msgspec.Struct, frozen=True):
    """A movement that was asked for and is not over.

    Attributes:
        by_ns: when the guard must have answered.
        is_full: it goes on to the limit switch.
        is_stopping: it was told to stop.
    """

    name: str
    motor: MotorName
    direction: Direction
    by_ns: int
    is_full: bool = False
    is_stopping: bool = False


class Item(msgspec.Struct, frozen=True):
    """The item in the machine.

    Attributes:
        record: what is known of it for the ledger.
        stored: the state in which the ledger holds it; None: not at all.
        is_settled: its end is decided and told: it only has to leave.
        is_inside: it has passed the gate, or may have.
        is_deep: it has got as far as the inside beam, which has to see it come back.
        is_found: it lay there, and nobody knows its story.
        is_resumed: it was on its way when the story was interrupted; it may have fallen since.
        decision: of the acceptance rule; empty before it has spoken.
        verdict: the reason of that decision.
        detections: what was seen, as canonical bytes.
        has_weight: the scale has answered.
        mass_again_g: the second time, just before the belt takes it away.
        looks: pictures taken.
        picture_after_ns: an older one will not do.
        offers: how often it was brought back to its owner.
        has_shown: the entry has seen it come back.
    """

    record: DepositRecord
    stored: DepositState | None = None
    is_settled: bool = False
    is_inside: bool = False
    is_deep: bool = False
    is_found: bool = False
    is_resumed: bool = False
    decision: str = ""
    verdict: str = ""
    detections: bytes = b""
    has_weight: bool = False
    mass_again_g: float | None = None
    looks: int = 0
    picture_after_ns: int = 0
    offers: int = 0
    has_shown: bool = False


class Cycle(msgspec.Struct, frozen=True):
    """Everything that the next decision depends on.

    Attributes:
        phase: of the table in docs/item-cycle.md.
        stage: which answer the phase waits for, where it waits for several.
        deadline_ns: when the phase has had its time; 0: never.
        name: hardware id and boot epoch: prefix of the ids of deposits.
        count: of deposits in this epoch; moves, weighings: the same, for names.
        motion: the movement that is on.
        weighing: tag of the weighing whose answer is awaited.
        owed: records that the ledger has to hold, oldest first.
        is_writing: the first of them is on its way.
        write_at_ns: the ledger could not hold it; when it is tried again. 0: it was not refused.
        open: deposits that an earlier run, or a restart of the body, left undecided.
        reason: of the last refusal or fault.
        fault: why the phase is ``fault``, or becomes it once the item has gone.
        stop: why the phase is ``service`` or ``estop``.
        resume: phase to go back to from ``recovering``.
        backwards: the movement that got stuck, to be made the other way for a moment.
        tries: retries of the present phase's movement.
        unproven: items in a row that were not seen to fall.
        is_swept: what lay in the machine was brought out once, in this self-test.
        retries: how often the machine has got out of being stuck by itself since it last paid.
        doubts: camera or inference failed so: they have to prove themselves.
        was_open: it took items when it last rested: a short self-test is no reason to close.
        is_greeted: the session knows of the item that waits.
        tare_at_ns: when the scale is to be tared again; 0: it has no zero yet.
        arrived_ns: when the entry beam was last covered.
        done: items dealt with.
    """

    phase: Phase = "boot"
    stage: str = ""
    deadline_ns: int = 0
    name: str = ""
    count: int = 0
    moves: int = 0
    weighings: int = 0
    session: str = ""
    body: Body = Body()
    lost: frozenset[Neighbour] = NEIGHBOURS
    item: Item | None = None
    passage: Passage = Passage()
    motion: Motion | None = None
    weighing: str = ""
    owed: tuple[DepositRecord, ...] = ()
    is_writing: bool = False
    write_at_ns: int = 0
    open: tuple[DepositRecord, ...] = ()
    reason: str = ""
    fault: Reason | None = None
    stop: Reason | None = None
    resume: Phase = "idle"
    backwards: tuple[MotorName, Direction] = ("belt", "inward")
    tries: int = 0
    unproven: int = 0
    is_swept: bool = False
    retries: int = 0
    doubts: Reason | None = None
    was_open: bool = False
    is_greeted: bool = False
    tare_at_ns: int = 0
    arrived_ns: int = 0
    suspicion: Suspicion = Suspicion()
    bin: Bin = Bin()
    done: int = 0
