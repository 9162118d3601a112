"""The settings of one machine: one frozen, typed value, in sections.

    machine  camera  inference  deposit  motor  sensors  session  storage  uplink  health  logging

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
    """Where pictures come from, and the ring they are shared in."""

    # "chamber" is the pictures that ship; else a directory of pictures, a video file or a device.
    source: PathText = "chamber"

    # A slot of the ring holds the largest frame: 1280×720 is what the detector is trained on, and
    # 4K is where a frame's copy alone would eat a tenth of the deadline.
    width_px_max: Annotated[int, Meta(ge=64, le=3840)] = 1280
    height_px_max: Annotated[int, Meta(ge=64, le=2160)] = 720

    # One is being written, one being read, one is the newest, one spare; 2.8 MB each at 1280×720.
    ring_slots: Annotated[int, Meta(ge=2, le=16)] = 4


class InferenceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The detector."""

    # None: the detector that ships. Else the directory of a model with its manifest.
    model: PathText | None = None

    # One core looks, the others stay free for guard, camera and storage (the Orin Nano has six).
    threads: Annotated[int, Meta(ge=1, le=16)] = 1

    # A picture takes under 0.5 s (seeds); four times that is a detector that hangs. Longer than
    # ten seconds no customer waits.
    deadline_s: Annotated[float, Meta(gt=0, le=10)] = 2.0


class DepositSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the item cycle waits for whom."""

    # A camera that lives gives a frame within 0.1 s; the rest is time for one to be restarted.
    capture_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 1.0

    # The picture must show this item and not the hand that brought it: three frames at 10 a second.
    frame_age_s_max: Annotated[float, Meta(gt=0, le=2)] = 0.3

    # The detector's own deadline and one second for messages and the rule.
    decide_timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0

    # The belt runs 1.2 s for an item; after more than twice that it is not coming any more.
    transport_timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0

    # A synced record takes milliseconds; ten seconds outlive a restart of the storage actor.
    confirm_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0

    # A customer takes an item back within seconds; after this the inlet is looked at afresh.
    return_timeout_s: Annotated[float, Meta(gt=0, le=120)] = 15.0


class MotorSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The belt's motor and its guard."""

    # Whoever asked for a movement and does not renew it is dead or hangs: motors off. With the
    # guard's own tick that stays below the 300 ms that are promised; over 0.5 s nothing would be.
    lease_s: Annotated[float, Meta(ge=0.05, le=0.5)] = 0.25

    # Three renewals in a lease: one may come late and one may be lost.
    renew_s: Annotated[float, Meta(ge=0.01, le=0.25)] = 0.08

    # 0.51 m from the weighing zone over the drop edge at 0.51 m/s, and 0.2 s to get up to speed.
    transport_s: Annotated[float, Meta(gt=0, le=10)] = 1.2

    # Three transports: what runs longer pushes against something.
    run_s_max: Annotated[float, Meta(gt=0, le=30)] = 4.0

    # Forward and reverse, from the seeds (BOARD 11 and 13).
    gpio_lines: tuple[GpioLine, GpioLine] = (17, 27)


class SensorLines(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which input is wired to which pin; None where a machine has none."""

    # The seeds' three (BOARD 15, 16, 18), in the order in which an item passes the beams.
    entry: GpioLine = 22
    exit: GpioLine = 23
    drop: GpioLine = 24

    # Contacts that open when the door opens or the button is hit; the seeds have neither.
    door: GpioLine | None = None
    emergency_stop: GpioLine | None = None


class SensorsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Beams and contacts."""

    # See there: every line has a name and a reason of its own.
    gpio_lines: SensorLines = SensorLines()

    # A beam counts once it has been stable for 30 ms: contacts bounce for under 20 ms, and an item
    # of 66 mm at 0.51 m/s covers a beam for 130 ms.
    debounce_s: Annotated[float, Meta(ge=0, le=0.5)] = 0.03

    # Six looks while an item covers a beam, and a fraction of a percent of one core.
    poll_s: Annotated[float, Meta(ge=0.005, le=0.1)] = 0.02


class SessionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is served, and for how long."""

    # Five minutes without an item and the customer has gone; the next one must not earn for them.
    idle_timeout_s: Annotated[float, Meta(ge=10, le=3600)] = 300.0


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The LMDB environment: ledger, outbox, journal."""

    # About 60 000 deposits of 1 kB, a month at 2 000 a day; address space, not yet disk.
    map_mb: Annotated[int, Meta(ge=1, le=1_048_576)] = 64

    # A year offline. It grows up to here by itself; beyond, the machine stops accepting, visibly.
    map_mb_max: Annotated[int, Meta(ge=1, le=1_048_576)] = 1024

    # Records in one synced commit: at 256 the disk's sync no longer shows, and more only waits.
    group_commit_max: Annotated[int, Meta(ge=1, le=65_536)] = 256

    # Only money may write into the last tenth: an item on the belt can always be finished.
    reserve_percent: Annotated[float, Meta(ge=1, le=50)] = 10.0


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

    # Tokens and deposits in the clear are for the desk, never for the shop.
    allow_plain_http: bool = False


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
    deposit: DepositSettings = DepositSettings()
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
    ("inference.deadline_s", "deposit.decide_timeout_s", "the cycle would not hear of a hang"),
    ("deposit.frame_age_s_max", "deposit.capture_timeout_s", "there is no time for a fresh frame"),
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
    if (uplink.server_url or "").startswith("http://") and not uplink.allow_plain_http:
        yield Disagreement(
            ("uplink.server_url", "uplink.allow_plain_http"),
            "http:// is not encrypted: use https://, or allow it for a machine on the desk",
        )
    yield from _shared_lines(settings)


def _shared_lines(settings: Settings) -> Iterator[Disagreement]:
    users: dict[int, str] = {}
    claims = [("motor.gpio_lines", line) for line in settings.motor.gpio_lines]
    for name, line in section_args(settings.sensors.gpio_lines).items():
        if line is not None:
            claims.append((f"sensors.gpio_lines.{name}", line))
    for key, line in claims:
        other = users.get(line)
        users[line] = key
        if other is not None:
            together = (key,) if other == key else (other, key)
            yield Disagreement(together, f"line {line} would have two uses")


def value_of(settings: Settings, key: str) -> Any:
    """Look a value up by its dotted key, `motor.lease_s`.

    Raises:
        AttributeError: no such key; a mistake of the caller.
    """
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value
