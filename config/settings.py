"""The settings of one machine: one frozen, typed value, in sections.

    machine  camera  inference  detail  deposit  fraud  bin  motor  sensors  session  storage
    uplink  health  logging

An actor gets its own section, never the whole. Every name ends in its unit, except where the
number counts things; every number has its reason beside it. The bounds stand in the type, so that
a file is refused with the path of the key before anything has started.

What one value alone cannot say (a lease shorter than the run it guards) stands in `disagreements`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

ProfileName: TypeAlias = Literal["simulated", "jetson"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

# BCM numbers, as in the seeds and on every drawing of the 40-pin header.
GpioLine: TypeAlias = Annotated[int, Meta(ge=0, le=27, description="BCM number of a header pin")]

PathText: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=4096, pattern=r"\A[^\x00-\x1f\x7f]+\Z", description="a path")
]

# The slash tells a path from a secret that somebody wrote where its file should be named.
SecretFile: TypeAlias = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=r"\A[^\x00-\x1f\x7f]*/[^\x00-\x1f\x7f]*\Z",
        description="the path of a file that holds the secret, with a / in it, not the secret",
    ),
]

ServerUrl: TypeAlias = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"\Ahttps?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s?#@]*)?\Z",
        description="an address such as https://rvm.example.com, without user, password or query",
    ),
]


TlsPins: TypeAlias = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"\A *(sha256/)?[A-Za-z0-9+/]{43}= *(, *(sha256/)?[A-Za-z0-9+/]{43}= *)*\Z",
        description="SHA-256 of public keys (SPKI) in base64, with commas between them",
    ),
]


class MachineSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this machine is and which body it has."""

    # None: the daemon makes one at its first start and keeps it in the data directory. It becomes
    # part of every deposit's key, hence letters that need no quoting anywhere.
    hardware_id: (
        Annotated[
            str,
            Meta(
                pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
                description="up to 64 letters, digits, dots, dashes and underscores",
            ),
        ]
        | None
    ) = None

    # Which file of `config/profiles/` lies below all others; without a word, nothing real moves.
    profile: ProfileName = "simulated"


class CameraSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where pictures come from, the ring they are shared in, and when one is to be trusted."""

    # "chamber" is the pictures that ship; else a directory of pictures, a video file, /dev/video0,
    # v4l2:<name in /dev/v4l/by-id>, rtsp://…, http://…, gst:<pipeline> or pipe:<command>.
    source: PathText = "chamber"

    # A slot of the ring holds the largest frame: 1280×720 is what the detector is trained on, and
    # 4K is where a frame's copy alone would eat a tenth of the deadline.
    width_px_max: Annotated[int, Meta(ge=64, le=3840)] = 1280
    height_px_max: Annotated[int, Meta(ge=64, le=2160)] = 720

    # Two bursts of three and two spare: a burst is still there while the next item is looked at.
    # 2.8 MB each at 1280×720, and only where something was written.
    ring_slots: Annotated[int, Meta(ge=2, le=16)] = 8

    # What a camera is asked for. USB and CSI cameras have this mode, and a pipe has no other way
    # to know; a width that is no multiple of 4 would be padded by GStreamer.
    width_px: Annotated[int, Meta(ge=64, le=3840)] = 1280
    height_px: Annotated[int, Meta(ge=64, le=2160)] = 720
    frames_per_s: Annotated[float, Meta(ge=1, le=240)] = 30.0

    # From exposure until we hold the frame, where the driver does not say when it was exposed:
    # three buffers at 30 a second. A network camera has more; docs/camera.md says how to measure.
    latency_s: Annotated[float, Meta(ge=0, le=5)] = 0.1

    # What a decision is made of: three pictures outvote one that is noisy. A bit less than from one
    # frame to the next at 30 a second: none is missed because it came a moment early.
    burst_frames: Annotated[int, Meta(ge=1, le=9)] = 3
    burst_interval_s: Annotated[float, Meta(ge=0, le=1)] = 0.025

    # Faults of a single frame pass within three more; what does not is told before the item cycle
    # loses its patience (deposit.capture_timeout_s), so that the reason is known.
    capture_retries: Annotated[int, Meta(ge=0, le=100)] = 3
    capture_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 0.9

    # Fifteen frames that did not come are no hiccup.
    stall_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 0.5

    # Negotiating with a sensor takes 0.5 to 1 s, with a network camera two or three.
    open_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0

    # A read that hangs in the driver for so long does not come back: the process is replaced.
    stuck_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0

    # Looking for a camera that is gone costs a look at a directory; it shall be back within 3 s.
    reopen_s: Annotated[float, Meta(gt=0, le=60)] = 1.0

    # Opening costs about 3 J and streaming 1 to 2 W: closing pays from 3 s on. Customers come in
    # groups, hence longer. Whether a closed camera is still plugged in is seen in its directory.
    idle_sleep_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    presence_period_s: Annotated[float, Meta(gt=0, le=3600)] = 5.0

    # A proof while nobody comes: 3 J a minute are 0.05 W, and the machine does not stand open for
    # longer than that with eyes that see nothing.
    check_period_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0

    # No pixel in a hundred is brighter than this (of full scale): the lamp is off, the lens is
    # covered. The darkest chamber that was rendered has 16 %.
    black_level_percent: Annotated[float, Meta(ge=0, le=100)] = 4.0

    # So much of the picture at its brightest: a bright chamber with clear bottles has 8 %.
    over_exposed_percent: Annotated[float, Meta(gt=0, le=100)] = 50.0

    # A sensor's noise changes every part of a picture. So much of it to the bit as in the frame
    # before, so many frames in a row, is a picture that repeats; an inserted clock changes a few
    # per cent. A network camera sends only what has changed, and all of it every second or two.
    frozen_percent: Annotated[float, Meta(gt=0, le=100)] = 90.0
    frozen_frames: Annotated[int, Meta(ge=1, le=1000)] = 1
    frozen_coded_s: Annotated[float, Meta(ge=0, le=600)] = 5.0

    # A band of so much of the height that repeats, or is of one colour, while the rest is alive: a
    # frame of two halves. Six of them in ten seconds, and the camera is started anew.
    torn_percent: Annotated[float, Meta(gt=0, le=100)] = 8.0
    torn_frames_max: Annotated[int, Meta(ge=0, le=1000)] = 5
    torn_window_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0

    # Fine detail of the empty chamber against what it had when the machine was installed. Half of
    # it is lost with a blur of one pixel, four fifths with two; below the second number bottles
    # cannot be told apart any more, and none is taken.
    blurred_percent: Annotated[float, Meta(ge=0, le=100)] = 40.0
    blurred_refuse_percent: Annotated[float, Meta(ge=0, le=100)] = 15.0

    # A spot differs from the empty chamber by so much of full scale, more than lamps drift, in so
    # many looks at the empty chamber in a row. At the first share of the picture somebody shall
    # clean the window, at the second nothing is taken any more.
    spot_level_percent: Annotated[float, Meta(gt=0, le=100)] = 6.0
    dirty_looks: Annotated[int, Meta(ge=1, le=100)] = 5
    dirty_percent: Annotated[float, Meta(gt=0, le=100)] = 2.0
    dirty_refuse_percent: Annotated[float, Meta(gt=0, le=100)] = 25.0

    # So many frames in a row agree before a fault is told, and before it is over: no flutter.
    alarm_frames: Annotated[int, Meta(ge=1, le=1000)] = 3


class InferenceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The detector."""

    # None: the detector that ships. Else the directory of a model with its manifest.
    model: PathText | None = None

    # One core looks, the others stay free for guard, camera and storage (the Orin Nano has six).
    threads: Annotated[int, Meta(ge=1, le=16)] = 1

    # A picture takes under 0.5 s (seeds); four times that is a detector that hangs. Longer than
    # ten seconds no customer waits.
    deadline_s: Annotated[float, Meta(gt=0, le=10)] = 2.0

    # What runs the network; "auto" takes the fastest that is there and can run this model.
    backend: Literal["auto", "tensorrt", "onnxruntime", "opencv", "ultralytics"] = "auto"

    # The seeds' half second for one picture, so that a burst of three fits into the deadline. A
    # model that needs more in its trial does not get to serve.
    picture_s_max: Annotated[float, Meta(gt=0, le=10)] = 0.5

    # Reading and preparing a cold model takes seconds on an SD card; longer is a back end that
    # hangs. Building an engine for a GPU takes minutes, and the old model serves meanwhile.
    load_timeout_s: Annotated[float, Meta(gt=0, le=600)] = 30.0
    build_timeout_s: Annotated[float, Meta(gt=0, le=7200)] = 1200.0

    # ONNX Runtime takes 130 MB, TensorRT with its CUDA context some hundreds, ultralytics with
    # torch on a GPU over 1 GB: more than this, of the Orin Nano's 8 GB, is a model that eats.
    memory_mb_max: Annotated[int, Meta(ge=128, le=65_536)] = 2048

    # A process that is alive and sees nothing is found within two of these.
    canary_period_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0

    # Once a week every golden picture: what has drifted has drifted slowly.
    golden_period_s: Annotated[float, Meta(ge=60, le=31_536_000)] = 604_800.0

    # A newcomer that fails within its first minute of service gives way to the model before it; 0:
    # it has none.
    probation_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0

    # Pictures and words behind each decision, oldest thrown away first; 0: none are kept. A burst
    # of three at 448×336 takes 0.1 MB: five days at 2 000 items a day.
    evidence_mb: Annotated[int, Meta(ge=0, le=1_048_576)] = 1024

    # Nobody asks for a picture after a quarter of a year, and it may show somebody's hand.
    evidence_days: Annotated[float, Meta(gt=0, le=3650)] = 90.0

    # With less than this free no evidence is written: the rest belongs to ledger and logs.
    evidence_reserve_mb: Annotated[int, Meta(ge=0, le=1_048_576)] = 512


class DetailSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The second look at an item, beside the decision: its outline and its bar code."""

    # "grabcut" needs nothing but OpenCV; "segment" and "sam2" need a model, and the last one more
    # memory and time than a machine in a shop has to spare. An outline decides nothing.
    outline: Literal["none", "grabcut", "segment", "sam2"] = "none"

    # Directory of the model for "segment" or "sam2", with its manifest.
    outline_model: PathText | None = None

    # Whether the item's bar code is read from the same picture.
    barcode: bool = False

    # The list of known articles: ean,name,material,accepted. "chamber" is the example that ships.
    articles: PathText | None = None

    # More than one item is a refusal already; of a heap the surest few tell enough.
    items_max: Annotated[int, Meta(ge=1, le=32)] = 4

    # Outline and code of four items take 0.4 s on one core, 1.2 s at worst; with SAM2 at 512 px set
    # 10. What is not read by then is left out, and what hangs two seconds longer is ended.
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 2.0


class DepositSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the item cycle waits for what, and what it believes.

    The numbers of the transition table (docs/item-cycle.md), in the order of an item's way.
    """

    # Every actor has said that it is there: as long as a cold model takes from an SD card.
    boot_timeout_s: Annotated[float, Meta(gt=0, le=300)] = 30.0

    # Homing the gate, looking at the beams, taring the scale.
    selftest_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 10.0

    # The gate takes 0.5 s for its stroke; more than twice that is a gate that sticks.
    gate_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 1.2

    # The belt takes an item in within 0.5 s; the rest is for a hand that has not let go.
    infeed_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0

    # A camera that lives gives a frame within 0.1 s; the rest is time for one to be restarted.
    capture_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 1.0

    # The picture must show this item and not the hand that brought it: three frames at 10 a second.
    frame_age_s_max: Annotated[float, Meta(gt=0, le=2)] = 0.3

    # The detector's own deadline and one second for messages and the rule.
    decide_timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0

    # The belt needs 0.9 s from the scale over the drop edge; after three times that it is not
    # coming any more.
    transport_timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0

    # A fall of 0.3 m takes 0.25 s; after this the drop is not proven and nothing is credited.
    drop_timeout_s: Annotated[float, Meta(gt=0, le=5)] = 0.7

    # The belt goes on after the exit beam is free, so that nothing rests on the edge.
    run_on_s: Annotated[float, Meta(ge=0, le=1)] = 0.15

    # A synced record takes milliseconds; ten seconds outlive a restart of the storage actor.
    confirm_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0

    # A customer takes an item back within seconds; then it is offered once more, then the session
    # ends and the machine says so.
    return_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 15.0

    # One jam in reverse and forward again; a third one is for a technician.
    retries_max: Annotated[int, Meta(ge=0, le=10)] = 2
    recover_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 6.0
    reverse_s: Annotated[float, Meta(gt=0, le=3)] = 0.3

    # Three items in a row that were not seen to fall: the exit is broken, not the customers.
    unproven_max: Annotated[int, Meta(ge=1, le=100)] = 3

    # Without eyes, or after a fault that may pass, the machine tests itself again that often.
    retry_fault_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0

    # A jam may have healed: tried again after one, two, four and eight such pauses. What is stuck
    # after 7 minutes does not come loose by itself.
    fault_retries_max: Annotated[int, Meta(ge=0, le=10)] = 4

    # The longest item that is taken: a 1.5 l bottle has 0.31 m, two of 0.6 l nose to tail 0.46 m.
    length_m_max: Annotated[float, Meta(gt=0, le=1)] = 0.36
    length_m_min: Annotated[float, Meta(gt=0, le=1)] = 0.08

    # An item is as long at the exit as it was at the inlet, or it is another one. Two polls of a
    # beam and the slip of the belt make a centimetre and a half each.
    length_tolerance_m: Annotated[float, Meta(gt=0, le=1)] = 0.05

    # An empty PET bottle: 0.33 l has 10 g, 1.5 l has 34 g, with a cap and a rest of water 60 g.
    # A picture of a bottle on paper has 5 g.
    mass_g_min: Annotated[float, Meta(ge=0, le=1000)] = 8.0
    mass_g_max: Annotated[float, Meta(gt=0, le=5000)] = 60.0

    # And it weighs the same just before the belt takes it away; the scale's own noise is 0.5 g.
    mass_tolerance_g: Annotated[float, Meta(gt=0, le=1000)] = 4.0

    # Rest of a bottle on the way back: it may weigh so much more than nothing.
    empty_scale_g_max: Annotated[float, Meta(gt=0, le=100)] = 4.0

    # Without a scale the picture decides alone; a machine that has one does not accept without it.
    needs_scale: bool = True

    # What a beam's time is multiplied with to give a length: the belt's speed with a good supply.
    belt_m_per_s: Annotated[float, Meta(gt=0, le=5)] = 0.51

    # The scale answers within half a second, also that it did not come to rest.
    weigh_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 1.0

    # A picture on which nothing was recognised is taken once more; a third one shows the same.
    looks_max: Annotated[int, Meta(ge=1, le=10)] = 2

    # Zero wanders by 0.1 g a degree: an empty scale is tared again once a minute.
    tare_period_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0

    # A record that the ledger could not hold, and a neighbour that is gone, are tried that often.
    try_again_s: Annotated[float, Meta(gt=0, le=60)] = 1.0

    # The guard brakes for 0.25 s before it says that a movement is over; longer is silence.
    motor_answer_s: Annotated[float, Meta(gt=0, le=10)] = 1.0


class FraudSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is trusted how far."""

    # A customer with a bag puts in one item every 3 s; more than that is a machine playing ours.
    items_per_minute_max: Annotated[int, Meta(ge=1, le=600)] = 30

    # So many voided items within the window close the inlet for a while.
    voids_max: Annotated[int, Meta(ge=1, le=100)] = 3
    voids_window_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    lockout_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0

    # An item that was voided and comes again in the same session within this time, with the same
    # length and mass, is the same one: it goes back.
    memory_s: Annotated[float, Meta(gt=0, le=86_400)] = 120.0
    same_length_m: Annotated[float, Meta(gt=0, le=1)] = 0.015
    same_mass_g: Annotated[float, Meta(gt=0, le=100)] = 1.5


class BinSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bin below the belt."""

    # From the sensor down to the floor, and to where it counts as full.
    depth_m: Annotated[float, Meta(gt=0, le=5)] = 0.7

    # The platform sends somebody at the first, the inlet closes after the current item at the
    # second; it opens again below the third, so that it does not flutter.
    warn_percent: Annotated[float, Meta(gt=0, le=100)] = 80.0
    full_percent: Annotated[float, Meta(gt=0, le=100)] = 95.0
    reopen_percent: Annotated[float, Meta(ge=0, le=100)] = 90.0


class MotorSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Belt, gate and their guard."""

    # "hosted": the guard is a process of the daemon. "unit": a service of its own that outlives the
    # daemon (deploy/rvm-edge-guard.service), reached through the socket below.
    guard: Literal["hosted", "unit"] = "hosted"
    guard_socket: PathText = "/run/rvm-edge/guard.sock"

    # Whoever asked for a movement and does not renew it is dead or hangs: motors off. With the
    # guard's own tick that stays below the 300 ms that are promised; over 0.5 s nothing would be.
    lease_s: Annotated[float, Meta(ge=0.05, le=0.5)] = 0.25

    # Three renewals in a lease: one may come late and one may be lost.
    renew_s: Annotated[float, Meta(ge=0.01, le=0.25)] = 0.08

    # The encoder toggles every 15 ms at full speed: three looks each.
    tick_s: Annotated[float, Meta(ge=0.001, le=0.05)] = 0.005

    # While nothing moves: an opened door is to be seen within 50 ms.
    idle_tick_s: Annotated[float, Meta(ge=0.001, le=0.05)] = 0.025

    # 0.51 m from the weighing zone over the drop edge at 0.51 m/s, and 0.2 s to get up to speed.
    transport_s: Annotated[float, Meta(gt=0, le=10)] = 2.5

    # What runs longer pushes against something; the gate's stroke takes 0.5 s.
    run_s_max: Annotated[float, Meta(gt=0, le=30)] = 4.0
    gate_run_s_max: Annotated[float, Meta(gt=0, le=10)] = 1.5

    # Reversing at once draws twice the stall current; after 250 ms of braking it draws the stall
    # current and no more. A motor that stands may turn after 20 ms.
    dead_time_s: Annotated[float, Meta(ge=0.1, le=2)] = 0.25
    dead_time_still_s: Annotated[float, Meta(ge=0.001, le=0.25)] = 0.02

    # 0.7 of the stall current (3.9 A; the gate's end stop: 1.54 A) for 150 ms, once the inrush of
    # 120 ms is over. Without a current sensor the encoder alone tells.
    belt_stall_a: Annotated[float, Meta(gt=0, le=100)] = 2.7
    gate_stall_a: Annotated[float, Meta(gt=0, le=100)] = 1.2
    stall_s: Annotated[float, Meta(gt=0, le=2)] = 0.15
    inrush_s: Annotated[float, Meta(ge=0, le=1)] = 0.12

    # A motor that is off and draws more than this, or a belt that moves, is not off.
    off_current_a: Annotated[float, Meta(gt=0, le=10)] = 0.15

    # Braked, the belt stands after 211 ms and its current has died away; with the supply cut it
    # coasts for 1.15 s. What moves or draws current later does so without being told.
    settle_s: Annotated[float, Meta(gt=0, le=5)] = 0.5
    run_down_s: Annotated[float, Meta(gt=0, le=10)] = 2.0

    # A 12 V supply sags by 0.15 V per ampere; below this a stalled motor draws too little to tell.
    supply_v_min: Annotated[float, Meta(ge=0, le=60)] = 10.0

    # Twice what the item cycle tries: who insists beyond that grinds the gear.
    jams_max: Annotated[int, Meta(ge=1, le=100)] = 6

    # An open contact counts at once, a closed one after its bouncing.
    contact_release_s: Annotated[float, Meta(ge=0, le=1)] = 0.05

    # An item passes the gate's beam within seconds; covered for longer, it is dirty or blocked.
    gate_beam_stuck_s: Annotated[float, Meta(gt=0, le=3600)] = 20.0

    # A technician's touch of the button: half a belt's second at most.
    jog_s_max: Annotated[float, Meta(gt=0, le=0.5)] = 0.5

    # The belt is still when the encoder has been for so long.
    still_s: Annotated[float, Meta(gt=0, le=2)] = 0.1

    # A busy belt runs 2 s of every 2.7 s; what runs more is not doing its work.
    duty_percent_max: Annotated[float, Meta(gt=0, le=100)] = 90.0
    duty_window_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0

    # Belt forward and reverse, from the seeds (BOARD 11 and 13).
    gpio_lines: tuple[GpioLine, GpioLine] = (17, 27)

    # Gate open and close (BOARD 29 and 31), and what keeps the one-shot before the bridges up (7).
    gate_gpio_lines: tuple[GpioLine, GpioLine] = (5, 6)
    heartbeat_gpio_line: GpioLine = 4

    # Limits of the gate, the beam in its plane, the belt's encoder (BOARD 18 … 37).
    gate_open_gpio_line: GpioLine = 12
    gate_closed_gpio_line: GpioLine = 13
    gate_beam_gpio_line: GpioLine = 16
    encoder_gpio_line: GpioLine = 26

    # Contacts that open when the door opens or the button is hit: closed, they read high.
    door_gpio_line: GpioLine = 20
    estop_gpio_line: GpioLine = 21


class SensorLines(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which beam is wired to which pin, in the order in which an item passes them."""

    # The seeds' three are inside, exit and drop (BOARD 15, 16, 18); the entry is BOARD 22.
    entry: GpioLine = 25
    inside: GpioLine = 22
    exit: GpioLine = 23
    drop: GpioLine = 24


class SensorsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Beams, scale, bin and climate."""

    # See there: every line has a name and a reason of its own.
    gpio_lines: SensorLines = SensorLines()

    # A beam counts once it has been stable for 30 ms: contacts bounce for under 20 ms, and an item
    # of 66 mm at 0.51 m/s covers a beam for 130 ms. Seen through a clear bottle a beam flickers:
    # free again it counts only after longer.
    debounce_s: Annotated[float, Meta(ge=0, le=0.5)] = 0.03
    release_s: Annotated[float, Meta(ge=0, le=0.5)] = 0.06

    # The falling item covers the drop beam for 20 ms and more: there, shorter counts.
    drop_debounce_s: Annotated[float, Meta(ge=0, le=0.1)] = 0.005

    # Two looks while a falling item covers the drop beam, and a percent of one core.
    poll_s: Annotated[float, Meta(ge=0.002, le=0.1)] = 0.01

    # A beam that stays covered so long while nobody is served is dirty, blind or blocked.
    beam_stuck_s: Annotated[float, Meta(gt=0, le=3600)] = 20.0

    # A free beam that is interrupted so often for less than counts is loose, dirty or disturbed. A
    # bouncing contact or an item makes a handful; a clear bottle flickers only while it covers it.
    beam_blips_max: Annotated[int, Meta(ge=3, le=200)] = 20
    beam_blips_s: Annotated[float, Meta(gt=0, le=600)] = 10.0

    # While nobody asks, the scale is looked at for one window that often: is it alive?
    scale_period_s: Annotated[float, Meta(ge=0.5, le=600)] = 5.0

    # The scale gives 80 values a second; a hundred milliseconds of them, if they agree so well.
    scale_window_s: Annotated[float, Meta(gt=0, le=2)] = 0.1
    scale_spread_g_max: Annotated[float, Meta(gt=0, le=100)] = 3.0

    # Calibration of this very load cell (docs/hardware.md says how): what its converter counts with
    # nothing on it, and g per count. The default is a cell for 5 kg with 1 mV/V, 24 bits, gain 128.
    load_cell_zero_counts: Annotated[float, Meta(ge=-8_388_608, le=8_388_607)] = 0.0
    load_cell_g_per_count: Annotated[float, Meta(ge=-1, le=1)] = 0.00238

    # Zero may wander so far from the one at installation before somebody has to look at it.
    tare_drift_g_max: Annotated[float, Meta(gt=0, le=1000)] = 50.0

    # A live channel never gives the very same value that often: its noise floor is above a bit.
    frozen_readings: Annotated[int, Meta(ge=3, le=10_000)] = 200

    # Five echoes, the middle one counts; ultrasound needs 60 ms between two.
    bin_period_s: Annotated[float, Meta(ge=0.06, le=60)] = 0.5
    bin_readings: Annotated[int, Meta(ge=1, le=99)] = 5
    climate_period_s: Annotated[float, Meta(ge=1, le=600)] = 5.0

    # Where the kernel shows what it measures; names of its devices by channel are in the profile.
    sysfs_root: PathText = "/sys"


class SessionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is served, and for how long."""

    # "automatic": the first item opens a guest's session. "button": a guest has to ask for one at
    # the screen. "off": only users whom the platform knows are served.
    guests: Literal["automatic", "button", "off"] = "automatic"

    # A minute without an item and the customer has gone; the next one must not earn for them.
    # Twenty seconds before that the screen asks.
    idle_timeout_s: Annotated[float, Meta(ge=10, le=3600)] = 60.0
    warn_s: Annotated[float, Meta(ge=0, le=600)] = 20.0

    # The seeds' five minutes: without a credited item a session ends then, however often somebody
    # asks for more time; and a code that was shown is good for as long.
    expiry_s: Annotated[float, Meta(ge=10, le=3600)] = 300.0

    # A claim has to reach the platform within a month.
    claim_days: Annotated[int, Meta(ge=1, le=3650)] = 30


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The LMDB environment: ledger, outbox, journal."""

    # About 30 000 deposits of 2 kB with their journal, two weeks at 2 000 a day; address space, not
    # yet disk.
    map_mb: Annotated[int, Meta(ge=1, le=1_048_576)] = 64

    # A year offline. It grows up to here by itself; beyond, the machine stops accepting, visibly.
    map_mb_max: Annotated[int, Meta(ge=1, le=1_048_576)] = 1024

    # Records in one synced commit: at 256 the disk's sync no longer shows, and more only waits.
    group_commit_max: Annotated[int, Meta(ge=1, le=65_536)] = 256

    # Only money may write into the last tenth: an item on the belt can always be finished.
    reserve_percent: Annotated[float, Meta(ge=1, le=50)] = 10.0

    # What each class of the outbox may take of the map; money takes what there is.
    event_quota_percent: Annotated[float, Meta(gt=0, le=100)] = 20.0
    status_quota_percent: Annotated[float, Meta(gt=0, le=100)] = 5.0
    telemetry_quota_percent: Annotated[float, Meta(gt=0, le=100)] = 10.0
    media_quota_percent: Annotated[float, Meta(gt=0, le=100)] = 10.0


class UplinkSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The way to the platform."""

    # None: the machine works for itself and keeps everything for later.
    server_url: ServerUrl | None = None

    # None: not enrolled. The content is read where it is needed and shown nowhere.
    api_key_file: SecretFile | None = None

    # The seeds' 60 s: the platform calls a machine lost after three that are missing.
    heartbeat_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0

    # The seeds' 30 s: temperatures do not move faster.
    telemetry_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0

    # Three tries of TCP's SYN (1, 2, 4 s) and the TLS handshake over a mobile network.
    connect_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 10.0

    # Tokens and deposits in the clear are for the desk, never for the shop; and even there only
    # towards private addresses.
    allow_plain_http: bool = False

    # The same platform by two other ways. The tunnel is preferred to server_url, and that to the
    # way over the shop's own network.
    tunnel_url: ServerUrl | None = None
    local_url: ServerUrl | None = None

    # On top of the usual checks of a certificate; at least two, today's key and a spare one, or
    # the next change of keys locks the machine out. Report only: what does not fit is told in
    # status and the connection is kept, for the first days.
    pins: TlsPins | None = None
    pins_report_only: bool = False

    # None: the system's authorities. Else the platform's own, in PEM, and no others.
    ca_file: PathText | None = None

    # What an operator was given for this machine, good once; `rvm-edge enrol` needs none.
    enrolment_token_file: SecretFile | None = None

    # A path that carries nothing is asked so often whether it still would. With the two tries of
    # 8 s each that follow, a black hole is found within 40 s.
    probe_s: Annotated[float, Meta(ge=0.05, le=3600)] = 20.0

    # The preferred path has been good without a break for so long before it is taken again: a
    # tunnel that comes and goes must not take the machine with it.
    return_after_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0

    # A platform that is slow answers within this; what it does after that is found out by asking
    # again under the same key.
    call_timeout_s: Annotated[float, Meta(gt=0, le=300)] = 20.0

    # The platform rings when it has other settings for us; who has missed that asks by himself.
    settings_poll_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0

    # What harms shows itself within a minute: a restart that fails, a camera that does not come
    # back. Until then other settings are only tried, and taken back when the health falls.
    settings_watch_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0

    # Other settings wait for the machine to be empty and nobody to be served. After a quarter of an
    # hour of customers they come between two items.
    settings_wait_s_max: Annotated[float, Meta(ge=0, le=86_400)] = 900.0

    # Remote commands are fetched when the doorbell rings; without one they wait so long at most.
    command_poll_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0

    # A person's burst of clicks is carried out; a storm is told that the machine is busy, and the
    # journal of it grows by no more than this.
    commands_at_once_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    commands_per_s: Annotated[float, Meta(gt=0, le=100)] = 1.0

    # What the command `reboot` does: "daemon" ends the program, and its service manager starts it
    # again; "machine" asks systemd for a reboot of the computer, which the daemon's user has to be
    # allowed to.
    reboot: Literal["daemon", "machine"] = "daemon"

    # "Retry-After: 86400" of a platform in trouble is not to keep a machine away for a day.
    retry_after_s_max: Annotated[float, Meta(ge=1, le=86_400)] = 300.0

    # The seeds' port of a processing engine, as it is registered; nothing listens there unless
    # foreign jobs are taken.
    engine_port: Annotated[int, Meta(ge=1, le=65535)] = 5000

    # Pictures go no faster, so that a mobile network has room for what counts; 64 kB/s are three
    # bursts a minute of 1 MB each. 0: as fast as it goes.
    upload_kb_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = 64.0

    # Pictures and words behind a decision that go to the platform: of what a person there has to
    # decide, of everything (0.1 MB an item), or none. They show the chamber, and may show a hand.
    evidence: Literal["off", "review", "all"] = "review"


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an alarm is raised and, lower, when it is over: it must not flutter on the line."""

    # Heat and disks change over minutes; six looks a minute cost nothing.
    period_s: Annotated[float, Meta(ge=1, le=3600)] = 10.0

    # The seeds' 80 %; five below ends it, more than the noise of one look.
    cpu_alarm_percent: Annotated[float, Meta(gt=0, le=100)] = 80.0
    cpu_clear_percent: Annotated[float, Meta(gt=0, le=100)] = 75.0

    # The seeds' 85 %: the Orin Nano's GPU takes its memory from the same 8 GB.
    memory_alarm_percent: Annotated[float, Meta(gt=0, le=100)] = 85.0
    memory_clear_percent: Annotated[float, Meta(gt=0, le=100)] = 80.0

    # The seeds' 90 %: on the usual 64 GB that leaves 6 GB, weeks of logs and pictures.
    disk_alarm_percent: Annotated[float, Meta(gt=0, le=100)] = 90.0
    disk_clear_percent: Annotated[float, Meta(gt=0, le=100)] = 85.0

    # The seeds' 75 °C, well below where the Jetson slows itself down (97 °C and up).
    temperature_alarm_c: Annotated[float, Meta(ge=-40, le=125)] = 75.0
    temperature_clear_c: Annotated[float, Meta(ge=-40, le=125)] = 70.0


class LoggingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is written down, and how much of it is kept."""

    # Debug tells every message; on a machine in a shop that is noise and wear.
    level: LogLevel = "info"

    # 10 MB × 5: some weeks of an ordinary machine, and small enough to be mailed.
    rotate_mb: Annotated[int, Meta(ge=1, le=1024)] = 10
    files: Annotated[int, Meta(ge=1, le=100)] = 5


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All sections; `config.load.load` makes it, `rvm_edge` hands its parts down the tree."""

    machine: MachineSettings = MachineSettings()
    camera: CameraSettings = CameraSettings()
    inference: InferenceSettings = InferenceSettings()
    detail: DetailSettings = DetailSettings()
    deposit: DepositSettings = DepositSettings()
    fraud: FraudSettings = FraudSettings()
    bin: BinSettings = BinSettings()
    motor: MotorSettings = MotorSettings()
    sensors: SensorsSettings = SensorsSettings()
    session: SessionSettings = SessionSettings()
    storage: StorageSettings = StorageSettings()
    uplink: UplinkSettings = UplinkSettings()
    health: HealthSettings = HealthSettings()
    logging: LoggingSettings = LoggingSettings()


def section_args(section: Struct) -> dict[str, Any]:
    """Give a section as plain values, ready for msgpack.

    On the other side `msgspec.convert(args, CameraSettings)` makes it a section again, checked.
    """
    args: dict[str, Any] = msgspec.to_builtins(section)
    return args


# ----- What one value alone cannot say --------------------------------------------------------


class Disagreement(NamedTuple):
    """Settings that are right each for itself and wrong together."""

    keys: tuple[str, ...]
    reason: str


# (smaller, larger, why): the first must be below the second.
_BELOW = (
    ("motor.renew_s", "motor.lease_s", "a lease must be renewed before it ends"),
    ("motor.lease_s", "motor.transport_s", "a lease guards a run only if it is shorter"),
    ("motor.transport_s", "motor.run_s_max", "the guard would stop every transport"),
    ("motor.transport_s", "deposit.transport_timeout_s", "no transport could end in time"),
    ("motor.tick_s", "motor.renew_s", "the guard would not look between two renewals"),
    ("motor.dead_time_still_s", "motor.dead_time_s", "a motor that turns needs longer"),
    ("deposit.mass_g_min", "deposit.mass_g_max", "no item could be accepted"),
    ("deposit.length_m_min", "deposit.length_m_max", "no item could be accepted"),
    ("bin.warn_percent", "bin.full_percent", "the warning would come too late"),
    ("bin.reopen_percent", "bin.full_percent", "the inlet would open and close for ever"),
    ("session.warn_s", "session.idle_timeout_s", "the warning would come at once"),
    ("inference.deadline_s", "deposit.decide_timeout_s", "the cycle would not hear of a hang"),
    ("inference.picture_s_max", "inference.deadline_s", "no picture could be in time"),
    ("deposit.frame_age_s_max", "deposit.capture_timeout_s", "there is no time for a fresh frame"),
    ("camera.burst_frames", "camera.ring_slots", "a burst would overwrite itself"),
    ("camera.stall_timeout_s", "camera.capture_timeout_s", "the reason would come too late"),
    ("camera.capture_timeout_s", "deposit.capture_timeout_s", "the reason would come too late"),
    ("camera.blurred_refuse_percent", "camera.blurred_percent", "the warning would come too late"),
    ("camera.dirty_percent", "camera.dirty_refuse_percent", "the warning would come too late"),
    ("uplink.connect_timeout_s", "uplink.heartbeat_s", "heartbeats would queue up"),
    ("health.cpu_clear_percent", "health.cpu_alarm_percent", "the alarm would flutter"),
    ("health.memory_clear_percent", "health.memory_alarm_percent", "the alarm would flutter"),
    ("health.disk_clear_percent", "health.disk_alarm_percent", "the alarm would flutter"),
    ("health.temperature_clear_c", "health.temperature_alarm_c", "the alarm would flutter"),
)


def disagreements(settings: Settings) -> Iterator[Disagreement]:
    """Find what does not go together."""
    for smaller, larger, why in _BELOW:
        low, high = value_of(settings, smaller), value_of(settings, larger)
        if not low < high:
            yield Disagreement((smaller, larger), f"{low:g} must be below {high:g}: {why}")
    storage = settings.storage
    if storage.map_mb > storage.map_mb_max:
        yield Disagreement(
            ("storage.map_mb", "storage.map_mb_max"),
            f"{storage.map_mb} must not be above {storage.map_mb_max}: the map only grows",
        )
    uplink = settings.uplink
    for url in ("server_url", "tunnel_url", "local_url"):
        if (getattr(uplink, url) or "").startswith("http://") and not uplink.allow_plain_http:
            yield Disagreement(
                (f"uplink.{url}", "uplink.allow_plain_http"),
                "http:// is not encrypted: use https://, or allow it for a machine on the desk",
            )
    detail = settings.detail
    if detail.outline in ("segment", "sam2") and detail.outline_model is None:
        yield Disagreement(
            ("detail.outline", "detail.outline_model"),
            f'"{detail.outline}" draws with a model: name its directory, or take "grabcut"',
        )
    yield from _camera(settings)
    yield from _shared_lines(settings)


def _camera(settings: Settings) -> Iterator[Disagreement]:
    camera = settings.camera
    for side in ("width_px", "height_px"):
        wanted, most = getattr(camera, side), getattr(camera, f"{side}_max")
        if wanted > most:
            yield Disagreement(
                (f"camera.{side}", f"camera.{side}_max"),
                f"{wanted} must not be above {most}: a frame would not fit into the ring",
            )
    age_s = camera.latency_s + (camera.burst_frames - 1) * camera.burst_interval_s
    if age_s >= settings.deposit.frame_age_s_max:
        keys = ("burst_frames", "burst_interval_s", "latency_s")
        yield Disagreement(
            (*(f"camera.{key}" for key in keys), "deposit.frame_age_s_max"),
            f"the first frame would be {age_s:g} s old when the burst is complete",
        )


def _shared_lines(settings: Settings) -> Iterator[Disagreement]:
    users: dict[int, str] = {}
    claims = list(_motor_lines(settings.motor))
    for name, line in section_args(settings.sensors.gpio_lines).items():
        if line is not None:
            claims.append((f"sensors.gpio_lines.{name}", line))
    for key, line in claims:
        other = users.get(line)
        users[line] = key
        if other is not None:
            together = (key,) if other == key else (other, key)
            yield Disagreement(together, f"line {line} would have two uses")


def _motor_lines(motor: MotorSettings) -> Iterator[tuple[str, int]]:
    for name, value in section_args(motor).items():
        if name.endswith(("gpio_line", "gpio_lines")):
            for line in value if isinstance(value, (list, tuple)) else (value,):
                yield f"motor.{name}", line


def value_of(settings: Settings, key: str) -> Any:
    """Look a value up by its dotted key, `motor.lease_s`.

    Raises:
        AttributeError: no such key; a mistake of the caller.
    """
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value
