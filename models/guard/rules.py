"""The guard's rules: when a motor may run, when it must stop, and what has to be said about it.

One machine, one guard. It is told what the inputs read (`look`, `view.measure`) and what is wanted
(`order`, `renew`, `stop`, `reset`), always with the time, and says which outputs are to be driven
(`outputs`) and what is to be answered. It has no thread, no clock and no pins.

    off ── order ─▶ dead ── dead time over ─▶ run ── done, failed ─▶ brake ── stands ─▶ off
                      ▲                                                │
                      └───────────── next order ◀──────────────────────┘

Always true, whatever it is told and in whatever order:

* of all four motor outputs at most one is high; a reversal has its dead time in between;
* nothing runs without a lease, a released stop and a closed door (but for a jog that is held);
* an open contact latches, and a reset starts nothing;
* every order that was taken ends with exactly one `MoveDone` or `MoveFailed`.
"""

from __future__ import annotations

from config.settings import MotorSettings
from models.guard.gate import GateRun
from models.guard.limits import Duty, is_valid
from models.guard.senses import STEP_M
from models.guard.terms import MOTORS, NEVER, Answer, Order, Outputs, Phase, Seen, Why
from models.guard.view import View
from protocol.machine import Direction, MotorName, MoveDone, MoveFailed, MoveFault

_GRAVITY = ("", "jam", "limit", "door", "estop", "uncommanded", "outputs")
"""Latches: a graver one takes the place of the one before."""
_FREEABLE = ("", "jam", "limit", "door")
"""Against these a technician who holds the button may jog: to free what is stuck."""


class Guard:
    """See the module.

    Attributes:
        latch: why nothing moves until `reset`; empty: nothing is latched.
        phase: of the drawing above.
        view: what the inputs say.
    """

    def __init__(self, limits: MotorSettings, now_s: float, *, has_current: bool = True) -> None:
        """Args: has_current: there are current sensors, so that a silent one is a fault."""
        self.latch = ""
        self.phase: Phase = "off"
        self.view = View(limits, now_s, has_current=has_current)
        self._limits = limits
        self._order: Order | None = None
        self._lease_until_s = NEVER
        self._may_start_s = NEVER
        self._start_s = NEVER
        self._ran_s = 0.0
        self._steps = 0  # of the encoder, when the run began
        self._is_reached = False
        self._allowed_s = 0.0
        self._off_s: dict[MotorName, float] = dict.fromkeys(MOTORS, NEVER)
        self._stands: dict[MotorName, bool] = dict.fromkeys(MOTORS, True)
        self._direction: dict[MotorName, Direction | None] = dict.fromkeys(MOTORS)
        self._is_cut = False  # the bridges were switched off: it coasts instead of braking
        self._duty = Duty(limits)
        self._gate = GateRun(limits, self.view)
        self._jams: dict[Direction, int] = {}
        self._beat = False
        self._broken: tuple[str, ...] = ()
        self._answers: list[Answer] = []

    # -- what is to be driven and shown ---------------------------------------------------------

    def outputs(self) -> Outputs:
        """What the lines have to be, now."""
        order = self._order
        if order is None or self.phase != "run":
            return Outputs(heartbeat=self._beat)
        way = order.direction
        return Outputs(way == "inward", way == "outward", way == "open", way == "close", self._beat)

    @property
    def moving(self) -> MotorName | None:
        """The motor that runs, waits for its dead time, or has still to come to rest."""
        if self._order is not None:
            return self._order.motor
        return next((motor for motor in MOTORS if not self._stands[motor]), None)

    def belt_still(self, now_s: float) -> bool:
        """Whether the belt stands, as far as can be known."""
        is_quiet = self.view.encoder.quiet_s(now_s) >= self._limits.still_s
        return self._stands["belt"] and is_quiet

    def trouble(self, now_s: float) -> tuple[str, ...]:
        """What is broken, a sentence each."""
        broken = [f"{line}: cannot be driven" for line in self._broken]
        return (*broken, *self.view.trouble(now_s))

    # -- what it is told ------------------------------------------------------------------------

    def look(self, seen: Seen, now_s: float) -> list[Answer]:
        """Take a look at the lines in, and go on."""
        self._answers = []
        self.view.look(seen, now_s)
        self._latch_contacts()
        fault = self._fault(now_s)
        if fault is not None:
            self._fail(fault, now_s)
        elif self.phase == "dead" and now_s >= self._may_start_s and self._others_stand():
            self._begin(now_s)
        elif self.phase == "run":
            self._end_if_due(now_s)
        self._come_to_rest(now_s)
        self._watch_idle(now_s)
        self._toggle(now_s)
        return self._answers

    def order(self, order: Order, now_s: float, sent_s: float) -> list[Answer]:
        """Somebody wants a movement; its lease counts from when that was said."""
        self._answers = []
        running = self._order
        if running is not None and (running.move, running.asker) == (order.move, order.asker):
            return []  # said twice; its one end will be told
        refusal = self._refusal(order, now_s, sent_s)
        if refusal is not None:
            said = MoveFailed(order.move, order.motor, refusal.reason, refusal.detail)
            self._answers.append(Answer(order.asker, said))
        elif self.view.is_at_limit(order):
            done = MoveDone(order.move, order.motor, order.direction, reached=True, ran_s=0.0)
            self._answers.append(Answer(order.asker, done))
        else:
            self._take(order, now_s, sent_s)
        return self._answers

    def renew(self, move: str, now_s: float, sent_s: float) -> bool:
        """The lease begins anew, if it has not ended; whether there was one to renew."""
        order = self._order
        if order is None or order.move != move or order.is_jog or now_s >= self._lease_until_s:
            return False
        self._lease_until_s = max(self._lease_until_s, self._leased(now_s, sent_s))
        return True

    def stop(self, why: str, now_s: float) -> list[Answer]:
        """Brake whatever runs; it has failed."""
        self._answers = []
        self._fail(Why("stopped", why), now_s)
        return self._answers

    def reset(self, now_s: float) -> str:
        """Forget the latch, if its cause is gone; nothing moves by it.

        Returns:
            Why not; empty: done.
        """
        fault = self.view.contact_fault(None)
        if fault is not None:
            return fault.detail
        moved = [self.view.uncommanded(m, self._off_s[m], now_s) for m in self._idle()]
        if any(moved):
            return next(filter(None, moved))
        if self.latch == "limit" and self.view.seen.gate == "unknown":
            return "the gate's limits cannot both be closed"
        self.latch = ""
        self._broken = ()
        self._jams.clear()
        return ""

    def cannot_drive(self, lines: tuple[str, ...], now_s: float) -> list[Answer]:
        """These outputs do not obey."""
        self._answers = []
        self._broken = tuple(sorted({*self._broken, *lines}))
        self._trip("outputs", Why("outputs", f"cannot be driven: {', '.join(lines)}"), now_s)
        return self._answers

    # -- taking an order ------------------------------------------------------------------------

    def _refusal(self, order: Order, now_s: float, sent_s: float) -> Why | None:
        if not is_valid(order):
            return Why("invalid", f"{order.motor} {order.direction} for {order.run_s:g} s")
        if now_s - sent_s >= self._limits.lease_s:
            return Why("lease", f"it was asked for {now_s - sent_s:.2f} s ago")
        fault = self.view.contact_fault(order)
        if fault is not None:
            return fault
        if self.latch and not (order.is_held and self.latch in _FREEABLE):
            return Why("latched", f"{self.latch}: reset it at the machine")
        if self._order is not None:
            return Why("busy", f"{self._order.move} is not over")
        if self._duty.left_s(order.motor, now_s) <= 0:
            return Why("duty", f"the {order.motor} ran too much; it has to cool down")
        return self.view.gate_fault(order)

    def _take(self, order: Order, now_s: float, sent_s: float) -> None:
        limits, motor = self._limits, order.motor
        self._order = order
        self._allowed_s = min(self._duty.most_s(motor), self._duty.left_s(motor, now_s))
        self._lease_until_s = self._leased(now_s, sent_s)
        if order.is_jog:
            self._lease_until_s = now_s + limits.dead_time_s + limits.still_s + order.run_s
        self._may_start_s = now_s + limits.dead_time_still_s
        if self._direction[motor] not in (None, order.direction):
            self._may_start_s = max(self._may_start_s, self._off_s[motor] + limits.dead_time_s)
        self._is_reached = False
        self._ran_s = 0.0
        self.phase = "dead"

    def _leased(self, now_s: float, sent_s: float) -> float:
        return min(now_s, sent_s) + self._limits.lease_s

    def _others_stand(self) -> bool:
        """Only one motor at a time: the other one must have come to rest."""
        order = self._order
        return order is not None and all(self._stands[m] for m in MOTORS if m != order.motor)

    # -- running --------------------------------------------------------------------------------

    def _begin(self, now_s: float) -> None:
        order = self._order
        assert order is not None
        self.phase = "run"
        self._start_s = now_s
        self._stands[order.motor] = False
        self._direction[order.motor] = order.direction
        self._steps = self.view.encoder.steps
        self.view.current[order.motor].restart(now_s + self._limits.inrush_s)
        if order.motor == "gate":
            self._gate.begin(order)

    def _fault(self, now_s: float) -> Why | None:
        """The first reason why the present order must not go on."""
        order = self._order
        if order is None:
            return None
        fault = self.view.contact_fault(order)
        if fault is not None or self.phase == "brake":
            return fault
        if now_s >= self._lease_until_s:
            return Why("lease", "nobody renewed it")
        fault = self.view.gate_fault(order)
        if fault is None and self.phase == "run" and not self.view.is_at_limit(order):
            fault = self.view.stall_fault(order, self._start_s, now_s)
            if fault is None and order.motor == "gate":
                fault = self._gate.fault(order, self._start_s, now_s)
        return fault

    def _end_if_due(self, now_s: float) -> None:
        order = self._order
        assert order is not None
        ran_s = now_s - self._start_s
        if self.view.is_at_limit(order):
            self._is_reached = True
            self._halt(now_s)
            self._gate.reached(order, ran_s)
        elif ran_s >= self._allowed_s and order.run_s > self._allowed_s:
            self._fail(self._overrun(ran_s), now_s)
        elif ran_s >= order.run_s and order.until == "limit":
            self._fail(Why("overrun", f"no limit after {ran_s:.2f} s"), now_s)
        elif ran_s >= order.run_s:
            self._halt(now_s)

    def _overrun(self, ran_s: float) -> Why:
        assert self._order is not None
        motor = self._order.motor
        if self._allowed_s < self._duty.most_s(motor):
            return Why("duty", f"the {motor} ran too much; it has to cool down")
        return Why("overrun", f"still running after {ran_s:.2f} s")

    # -- stopping -------------------------------------------------------------------------------

    def _halt(self, now_s: float, *, cut: bool = False) -> None:
        """Outputs low. Cut: switch the bridges off as well, whatever that does to braking."""
        order = self._order
        if order is not None and self.phase == "run":
            self._ran_s = now_s - self._start_s
            self._off_s[order.motor] = now_s
            self._duty.ran(order.motor, self._start_s, now_s)
            self._is_cut = cut
        if cut:
            self._lease_until_s = NEVER
            self._is_cut = True
        self.phase = "brake"

    def _fail(self, why: Why, now_s: float) -> None:
        """End the present order, if there is one; its outputs will be low when this is told."""
        order = self._order
        if order is None:
            return
        self._halt(now_s, cut=why.reason in ("door", "estop", "lease", "uncommanded", "outputs"))
        self._order = None
        said = MoveFailed(
            order.move, order.motor, why.reason, why.detail, self._ran_s, self._travel_m(order)
        )
        self._answers.append(Answer(order.asker, said))
        self._count_failure(order, why.reason)

    def _count_failure(self, order: Order, reason: MoveFault) -> None:
        seen = self.view.seen
        is_read = seen.gate_is_open is not None and seen.gate_is_closed is not None
        if reason == "limit" and self._ran_s > 0 and is_read:
            self._latch("limit")
        if reason == "jam" and order.motor == "gate":
            self._gate.jammed(order, self._ran_s)
        if reason in ("jam", "no_motion"):
            self._jams[order.direction] = self._jams.get(order.direction, 0) + 1
            if self._jams[order.direction] >= self._limits.jams_max:
                self._latch("jam")

    def _travel_m(self, order: Order) -> float:
        if order.motor != "belt" or not self._ran_s:
            return 0.0
        way_m = (self.view.encoder.steps - self._steps) * STEP_M
        return way_m if order.direction == "inward" else -way_m

    def _come_to_rest(self, now_s: float) -> None:
        """Notice that what was switched off stands, and say so."""
        for motor in self._idle():
            if not self._stands[motor] and self._has_settled(motor, now_s):
                self._stands[motor] = True
        if self.phase != "brake" or not all(self._stands.values()):
            return
        self.phase = "off"
        order, self._order = self._order, None
        if order is not None:
            self._jams.pop(order.direction, None)
            done = MoveDone(
                order.move,
                order.motor,
                order.direction,
                reached=self._is_reached,
                ran_s=self._ran_s,
                travel_m=self._travel_m(order),
                peak_a=self.view.current[order.motor].peak_a,
            )
            self._answers.append(Answer(order.asker, done))

    def _has_settled(self, motor: MotorName, now_s: float) -> bool:
        limits, off_s = self._limits, now_s - self._off_s[motor]
        if motor == "gate":  # at its end stop it stands; else the worm has to run down
            return off_s >= (limits.dead_time_still_s if self._is_reached else limits.dead_time_s)
        encoder = self.view.encoder
        if encoder.is_dead or self.view.seen.encoder is None:
            return off_s >= (limits.run_down_s if self._is_cut else limits.dead_time_s)
        return min(off_s, encoder.quiet_s(now_s)) >= limits.still_s

    # -- what must never happen -----------------------------------------------------------------

    def _idle(self) -> list[MotorName]:
        running = self._order.motor if self._order is not None and self.phase == "run" else None
        return [motor for motor in MOTORS if motor != running]

    def _latch_contacts(self) -> None:
        if not self.view.door.believed:
            self._latch("door")
        if not self.view.estop.believed:
            self._latch("estop")

    def _watch_idle(self, now_s: float) -> None:
        if self.latch == "uncommanded":
            return
        for motor in self._idle():
            what = self.view.uncommanded(motor, self._off_s[motor], now_s)
            if what:
                self._trip("uncommanded", Why("uncommanded", what), now_s)

    def _trip(self, latch: str, why: Why, now_s: float) -> None:
        self._latch(latch)
        self._halt(now_s, cut=True)
        self._fail(why, now_s)

    def _latch(self, latch: str) -> None:
        if _GRAVITY.index(latch) > _GRAVITY.index(self.latch):
            self.latch = latch

    def _toggle(self, now_s: float) -> None:
        """Keep the one-shot before the bridges up: only by changes, and only under a lease."""
        is_on = (
            self.phase != "off"
            and now_s < self._lease_until_s
            and self.view.contact_fault(self._order) is None
        )
        self._beat = is_on and not self._beat
