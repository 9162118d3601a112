"""The simulated machine in numbers.

Geometry runs along the chute: x = 0 is the plane of the gate, inward is positive, and an item at x
reaches from x (its rear) to x plus its length (its front). Sources: ``geometry`` the drawings of
the prototype; ``motor`` its bench measurements; what has neither is an assumption and says so.
"""

from __future__ import annotations

from msgspec import Struct

STEP_S = 0.001
"""One step of the physics."""
STEPS_PER_S = 1000
GRAVITY_M_S2 = 9.81


class MotorParameters(Struct, frozen=True, kw_only=True):
    """A DC gearmotor. L/R is 0.6 ms, less than a step: its current follows at once."""

    resistance_ohm: float
    # Volts per rad/s, and as well N·m per ampere.
    back_emf_v_s: float
    inertia_kg_m2: float
    # Grows with speed.
    viscous_nm_s: float
    # Does not: bearings, brushes and the first gear.
    friction_nm: float
    gear_ratio: float
    # What comes back from a load through the gears to the motor.
    efficiency: float


# A 12 V gearmotor: 0.27 A and 0.51 m/s running, 3.9 A when it cannot turn.
BELT_MOTOR = MotorParameters(
    resistance_ohm=2.4,
    back_emf_v_s=0.01146,
    inertia_kg_m2=4e-6,
    viscous_nm_s=1e-6,
    friction_nm=2.3e-3,
    gear_ratio=30.0,
    efficiency=0.7,
)

# Friction holds the gate's screw: 0.72 A running, 1.54 A against the end stop. The gear makes the
# stroke of 504 ms that was measured.
GATE_MOTOR = MotorParameters(
    resistance_ohm=6.0,
    back_emf_v_s=0.02,
    inertia_kg_m2=8e-6,
    viscous_nm_s=1e-6,
    friction_nm=0.0141,
    gear_ratio=21.55,
    efficiency=0.3,
)


class PowerParameters(Struct, frozen=True, kw_only=True):
    """The motors' supply, their bridges, and what enables them."""

    supply_v: float = 12.0
    # Cable and power supply: the voltage sags with every ampere.
    source_ohm: float = 0.15
    # Two transistors of an L298N in series.
    bridge_drop_v: float = 2.5
    # A retriggerable one-shot (74HC123) between heartbeat and the bridges' enable.
    one_shot_s: float = 0.12


class GateParameters(Struct, frozen=True, kw_only=True):
    """The gate: 0 closed, 1 open; a screw that nothing drives back."""

    motor: MotorParameters = GATE_MOTOR
    # Share of the stroke per rad behind the gear.
    gain_per_rad: float = 0.22
    # Where the limit switches close.
    closed_at: float = 0.001
    open_at: float = 0.999
    # How high it opens: the thickest bottle has 90 mm (assumed).
    height_m: float = 0.12
    # Half the thickness of its leaf (assumed).
    half_leaf_m: float = 0.002


class BeltParameters(Struct, frozen=True, kw_only=True):
    """The belt, from just before the gate to the throat of the bin."""

    motor: MotorParameters = BELT_MOTOR
    pulley_m: float = 0.02
    # The outer roller stands a finger's breadth before the gate, so that nothing that comes back
    # stays in the gate's plane (assumed).
    begin_m: float = -0.01
    # An item falls when its rear has passed here: the slide behind it carries its front.
    end_m: float = 0.66
    # Rubber on PET.
    friction: float = 0.35
    # A slotted disc on the pulley: 65 Hz at full speed.
    encoder_pitch_m: float = 0.00785


class BeamParameters(Struct, frozen=True, kw_only=True):
    """Where the light beams cross the chute."""

    # Before the gate: in its plane, a closed gate would never be asked to open.
    entry_m: float = -0.03
    gate_m: float = 0.0
    inside_m: float = 0.10
    exit_m: float = 0.62
    # Below the edge, in the throat of the bin (assumed).
    drop_below_m: float = 0.15


class ScaleParameters(Struct, frozen=True, kw_only=True):
    """The weighing bed under the camera and its load cell."""

    # 30 mm more than the weighing zone (0.15 to 0.45 m) at both ends, so that the longest item
    # that is taken (0.36 m) weighs what it weighs.
    begin_m: float = 0.12
    end_m: float = 0.48
    natural_hz: float = 25.0
    damping: float = 0.08
    noise_g: float = 0.5
    drift_g_per_c: float = 0.1
    # No load cell reads zero when it is empty: whoever forgets the tare notices (assumed).
    zero_g: float = 5.0
    # Nearer to its load than this it is called still, far below its noise.
    still_g: float = 0.01


class BinParameters(Struct, frozen=True, kw_only=True):
    """The bin and the ultrasonic sensor in its lid."""

    area_m2: float = 0.25
    depth_m: float = 0.7
    # Bottles lie loosely: so much of the room is theirs.
    packing: float = 0.55
    noise_m: float = 0.003
    # The heap is no plane: what lies under the sensor changes with every item.
    surface_m: float = 0.015
    lost_echoes: float = 0.02
    dead_zone_m: float = 0.02


class ClimateParameters(Struct, frozen=True, kw_only=True):
    """The air in the cabinet. The motors' own heat is left out: 0.1 W on average."""

    ambient_c: float = 25.0
    ambient_rh_percent: float = 60.0
    # Electronics and camera.
    power_w: float = 12.0
    # Cabinet to shop (assumed): 6 °C over ambient.
    resistance_c_per_w: float = 0.5
    time_constant_s: float = 1800.0
    noise_c: float = 0.05
    noise_rh_percent: float = 0.3


class SensorParameters(Struct, frozen=True, kw_only=True):
    """How often which sensor measures, in steps, and the noise of the electrical ones."""

    current_steps: int = 10
    current_noise_a: float = 0.01
    supply_noise_v: float = 0.02
    # 80 a second: 12.5 steps, hence counted in halves.
    scale_half_steps: int = 25
    echo_steps: int = 60
    climate_steps: int = 1000


class PeopleParameters(Struct, frozen=True, kw_only=True):
    """Hands, strings and customers."""

    # Where an item's front is when somebody brings it, and how they push it.
    approach_m: float = -0.05
    push_m_s: float = 0.45
    # A hand lets go when the front is so far in.
    let_go_m: float = 0.10
    # A string is pulled, and what came back is taken, that fast.
    pull_m_s: float = 0.6
    # What sticks out so far can be gripped; what has come so far is gone.
    grip_m: float = -0.03
    gone_m: float = -0.10
    # A hand is so thick.
    hand_m: float = 0.04


class Parameters(Struct, frozen=True, kw_only=True):
    """All of it."""

    power: PowerParameters = PowerParameters()
    gate: GateParameters = GateParameters()
    belt: BeltParameters = BeltParameters()
    beams: BeamParameters = BeamParameters()
    scale: ScaleParameters = ScaleParameters()
    bin: BinParameters = BinParameters()
    climate: ClimateParameters = ClimateParameters()
    sensors: SensorParameters = SensorParameters()
    people: PeopleParameters = PeopleParameters()
