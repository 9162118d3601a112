"""The names of what leads into the world and out of it.

They are those of `actors.drivers.ports`, which a rule may not import; a test compares the two.
"""

from __future__ import annotations

BELT_IN, BELT_OUT = "belt_in", "belt_out"
GATE_OPEN, GATE_CLOSE = "gate_open", "gate_close"
HEARTBEAT = "heartbeat"
OUTPUTS = (BELT_IN, BELT_OUT, GATE_OPEN, GATE_CLOSE, HEARTBEAT)

DOOR_CLOSED, ESTOP_RELEASED = "door_closed", "estop_released"
GATE_IS_OPEN, GATE_IS_CLOSED = "gate_is_open", "gate_is_closed"
ENCODER = "encoder"
BEAM_ENTRY, BEAM_GATE, BEAM_INSIDE = "beam_entry", "beam_gate", "beam_inside"
BEAM_EXIT, BEAM_DROP = "beam_exit", "beam_drop"
BEAMS = (BEAM_ENTRY, BEAM_GATE, BEAM_INSIDE, BEAM_EXIT, BEAM_DROP)
LIMITS = (GATE_IS_OPEN, GATE_IS_CLOSED)
CONTACTS = (DOOR_CLOSED, ESTOP_RELEASED)
INPUTS = (*CONTACTS, *LIMITS, ENCODER, *BEAMS)
LINES = (*OUTPUTS, *INPUTS)

BELT_CURRENT_A, GATE_CURRENT_A, SUPPLY_V = "belt_current_a", "gate_current_a", "supply_v"
WEIGHT_G, BIN_DISTANCE_M = "weight_g", "bin_distance_m"
TEMPERATURE_C, HUMIDITY_PERCENT = "temperature_c", "humidity_percent"
CHANNELS = (
    BELT_CURRENT_A, GATE_CURRENT_A, SUPPLY_V,
    WEIGHT_G, BIN_DISTANCE_M, TEMPERATURE_C, HUMIDITY_PERCENT,
)  # fmt: skip

MOTORS = ("belt", "gate")
