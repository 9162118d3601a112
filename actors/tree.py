"""The whole machine on one screen: who there is, who supervises whom, what restarts with what.

Start order is written order; stop order is its reverse. Nobody else starts an actor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actors.absent import Absent
from actors.camera import FRAMES, Camera
from actors.deposit.actor import Deposit
from actors.detail import Detail
from actors.health import Health
from actors.inference import Inference
from actors.motor.actor import Motor
from actors.motor.link import GuardLink
from actors.sensors.actor import Sensors
from actors.session.actor import Session
from actors.storage import Storage
from actors.uplink import Courier, Link, Media, Reports
from actors.uplink.birth import capabilities, shares_evidence
from actors.uplink.channel import Channel
from actors.uplink.commands import Commands
from actors.uplink.sync import Sync
from config.settings import Settings
from models.vision.frames import ring_size_bytes
from supervisors import ChildSpec, Host, Limits, MailboxSpec, Strategy, SupervisorSpec
from supervisors.shares import SharedMemory

_PRESERVE = MailboxSpec(capacity=1024, on_restart="preserve")
_ADDRESSES = {
    "storage": "/storage",
    "motor": "/machine/motor",
    "sensors": "/machine/sensors",
    "camera": "/vision/camera",
    "inference": "/vision/inference",
    "detail": "/vision/detail/look",
    "session": "/service/session",
    "deposit": "/service/deposit",
    "link": "/uplink/link",
    "courier": "/uplink/courier",
    "reports": "/uplink/reports",
    "media": "/uplink/media",
    "channel": "/uplink/channel",
    "commands": "/uplink/commands",
    "sync": "/uplink/sync",
    "health": "/health",
    "daemon": "/daemon",
}


class Driver(NamedTuple):
    """One driver as ``module:callable``, with its arguments; empty where there is nothing."""

    target: str = ""
    args: Mapping[str, Any] = {}


class Drivers(NamedTuple):
    """What stands for the hardware.

    Attributes:
        guard_gpio: the lines of the guard's process.
        sensor_gpio: the lines of the sensors.
        analog: the channels of both.
        source: where the camera gets its pictures.
        source_where: argument of ``source``.
        world: a child that simulates what is around the machine.
    """

    guard_gpio: Driver = Driver()
    sensor_gpio: Driver = Driver()
    analog: Driver = Driver()
    source: str = ""
    source_where: str = ""
    world: ChildSpec | None = None


def machine(
    settings: Settings, drivers: Drivers, data_dir: Path, hardware_id: str
) -> SupervisorSpec:
    """The root: when it gives up, the process ends and systemd starts it again."""
    there_are = tuple(_paths(_root(settings, drivers, data_dir, hardware_id, ())))
    return _root(settings, drivers, data_dir, hardware_id, there_are)


def _paths(spec: SupervisorSpec, prefix: str = "") -> Iterator[str]:
    """Addresses of all actors below a supervisor, in the order in which they start."""
    for child in spec.children:
        path = f"{prefix}/{child.id}"
        if isinstance(child.start, SupervisorSpec):
            yield from _paths(child.start, path)
        else:
            yield path


def _root(
    settings: Settings,
    drivers: Drivers,
    data_dir: Path,
    hardware_id: str,
    there_are: tuple[str, ...],
) -> SupervisorSpec:
    """Args: there_are: addresses of all actors, for the platform."""
    world = () if drivers.world is None else (drivers.world,)
    can = capabilities(
        settings,
        has_camera=bool(drivers.source),
        has_scale=bool(drivers.analog.target),
        is_simulated=drivers.world is not None,
    )
    born = {"capabilities": can, "actors": there_are}
    return SupervisorSpec(
        (
            _storage(settings, data_dir),
            *world,
            ChildSpec("machine", _body(settings, drivers)),
            ChildSpec("vision", _vision(settings, drivers, data_dir)),
            ChildSpec("service", _service(settings, data_dir, hardware_id)),
            ChildSpec("uplink", _uplink(settings, data_dir, hardware_id, born)),
            ChildSpec("console", _console()),
            ChildSpec("updates", Absent, args={"what": "signed model releases"}),
            ChildSpec("health", Health, args=_health(settings, data_dir)),
        ),
    )


def _storage(settings: Settings, data_dir: Path) -> ChildSpec:
    args = {"directory": str(data_dir), "limits": settings.storage}
    return ChildSpec("storage", Storage, args=args, mailbox=_PRESERVE, critical=True)


def _body(settings: Settings, drivers: Drivers) -> SupervisorSpec:
    """Motor and sensors stand and fall together, and their failure is the machine's."""
    sensors = {
        **_lines(drivers.sensor_gpio, drivers.analog),
        "limits": settings.sensors,
        "bin_depth_m": settings.bin.depth_m,
    }
    return SupervisorSpec(
        (
            _motor(settings, drivers),
            ChildSpec(
                "sensors", Sensors, args=sensors, critical=True, rearm_on=("device", "config")
            ),
        ),
        strategy=Strategy.ONE_FOR_ALL,
    )


def _motor(settings: Settings, drivers: Drivers) -> ChildSpec:
    """The guard, or the way to the one that is a service of its own."""
    args = {**_lines(drivers.guard_gpio, drivers.analog), "limits": settings.motor}
    rearm_on = ("device", "config")
    if settings.motor.guard == "unit":
        return ChildSpec("motor", GuardLink, args=args, critical=True, rearm_on=rearm_on)
    return ChildSpec(
        "motor",
        Motor,
        host=Host.PROCESS,
        args=args,
        critical=True,
        fail_safe="actors.motor.actor:make_safe",
        limits=Limits(nice=-5, oom_score_adj=-100, beat_timeout_s=1.0),
        outlives_core_s=0.5,  # long enough to pull its outputs low
        rearm_on=rearm_on,
    )


def _lines(gpio: Driver, analog: Driver) -> Mapping[str, Any]:
    return {
        "gpio": gpio.target,
        "gpio_args": dict(gpio.args),
        "analog": analog.target,
        "analog_args": dict(analog.args),
        "tell": _ADDRESSES["deposit"],
    }


def _vision(settings: Settings, drivers: Drivers, data_dir: Path) -> SupervisorSpec:
    """A broken camera is quarantined and probed; the machine goes on without eyes, and says so."""
    return SupervisorSpec(
        (
            ChildSpec(
                "camera",
                Camera,
                host=Host.PROCESS,
                args={
                    "source": drivers.source,
                    "where": drivers.source_where,
                    "limits": settings.camera,
                    "home": str(data_dir / "camera"),
                },
                shares=(FRAMES,),
                rearm_on=("device", "config"),
            ),
            _inference(settings, data_dir),
            *_detail(settings),
        ),
        strategy=Strategy.REST_FOR_ONE,
        on_exhausted="quarantine",
        init_failure="restart",
    )


def _inference(settings: Settings, data_dir: Path) -> ChildSpec:
    """What decides, with a limit of memory and the time that a cold model takes."""
    limits = settings.inference
    # Only a machine that insists on an engine builds one before it serves.
    build_s = limits.build_timeout_s if limits.backend == "tensorrt" else 0.0
    args = {
        "limits": limits,
        "store": str(data_dir / "models"),
        "evidence": str(data_dir / "evidence"),
        "cache": str(data_dir / "engines"),
        "detail": _ADDRESSES["detail"] if _detail(settings) else "",
        "evidence_to": _ADDRESSES["media"] if shares_evidence(settings.uplink) else "",
        "allows_faults": settings.machine.profile == "simulated",
    }
    return ChildSpec(
        "inference",
        Inference,
        host=Host.PROCESS,
        args=args,
        shares=(FRAMES,),
        # The one that should serve, and two that may have to stand in.
        start_timeout_s=3 * limits.load_timeout_s + build_s,
        limits=Limits(memory_mb=limits.memory_mb_max),
        rearm_on=("model", "config"),
    )


def _detail(settings: Settings) -> tuple[ChildSpec, ...]:
    """The second look: there only when something of it is switched on.

    Nobody is to pay a process for nothing. It is the last of its group and a process of its own,
    behind all others: the decision restarts without it, runs before it, and gets the memory first.
    It has a supervisor of its own, because its crashes must not use up the restarts of the eyes.
    """
    detail = settings.detail
    if detail.outline == "none" and not detail.barcode:
        return ()
    look = ChildSpec(
        "look",
        Detail,
        host=Host.PROCESS,
        args={"limits": detail, "threads": settings.inference.threads},
        shares=(FRAMES,),
        start_timeout_s=60.0,  # torch and SAM2 from an SD card
        limits=Limits(memory_mb=2048, nice=10, oom_score_adj=800),
        rearm_on=("model", "config"),
    )
    group = SupervisorSpec((look,), on_exhausted="quarantine", init_failure="restart")
    return (ChildSpec("detail", group),)


def _service(settings: Settings, data_dir: Path, hardware_id: str) -> SupervisorSpec:
    deposit = {
        "hardware_id": hardware_id,
        "addresses": _ADDRESSES,
        "limits": settings.deposit,
        "motor": settings.motor,
        "fraud": settings.fraud,
        "bin": settings.bin,
    }
    session = {
        "hardware_id": hardware_id,
        "addresses": _ADDRESSES,
        "limits": settings.session,
        "key_file": str(data_dir / "keys" / "device.key"),
    }
    return SupervisorSpec(
        (
            ChildSpec("deposit", Deposit, args=deposit, critical=True),
            ChildSpec("session", Session, args=session),
        ),
        strategy=Strategy.REST_FOR_ONE,
        on_exhausted="quarantine",
        init_failure="restart",
    )


def _uplink(
    settings: Settings, data_dir: Path, hardware_id: str, born: Mapping[str, Any]
) -> SupervisorSpec:
    """Args: born: what the platform is told of this machine, besides its settings."""
    link = {
        **born,
        "limits": settings.uplink,
        "hardware_id": hardware_id,
        "key_file": str(data_dir / "keys" / "device.key"),
        "storage": _ADDRESSES["storage"],
        "listeners": tuple(
            _ADDRESSES[name]
            for name in ("courier", "reports", "commands", "channel", "sync", "media")
        ),
    }
    outgoing = {
        "limits": settings.uplink,
        "link": _ADDRESSES["link"],
        "storage": _ADDRESSES["storage"],
    }
    reports = {
        "limits": settings.uplink,
        "inference": settings.inference,
        "hardware_id": hardware_id,
        "addresses": _ADDRESSES,
    }
    channel = {
        "limits": settings.uplink,
        "link": _ADDRESSES["link"],
        "listeners": (_ADDRESSES["commands"], _ADDRESSES["sync"]),
    }
    commands = {
        "limits": settings.uplink,
        "motor": settings.motor,
        "addresses": _ADDRESSES,
        "models": str(data_dir / "models"),
    }
    sync = {
        "limits": settings.uplink,
        "link": _ADDRESSES["link"],
        "deposit": _ADDRESSES["deposit"],
        "listeners": (_ADDRESSES["link"], _ADDRESSES["reports"]),
    }
    return SupervisorSpec(
        (
            ChildSpec("link", Link, args=link, rearm_on=("network", "config")),
            ChildSpec("courier", Courier, args=outgoing),
            ChildSpec("reports", Reports, args=reports),
            ChildSpec("commands", Commands, args=commands),
            ChildSpec("channel", Channel, args=channel, rearm_on=("config",)),
            ChildSpec("sync", Sync, args=sync),
            ChildSpec("media", Media, args=outgoing),
        ),
        on_exhausted="quarantine",
        init_failure="restart",
    )


def _console() -> SupervisorSpec:
    return SupervisorSpec(
        (
            ChildSpec("api", Absent, args={"what": "the local HTTP interface"}),
            ChildSpec("kiosk", Absent, args={"what": "the customer's screen"}),
        ),
        on_exhausted="quarantine",
        init_failure="restart",
    )


def _health(settings: Settings, data_dir: Path) -> Mapping[str, object]:
    health = settings.health
    return {
        "directory": str(data_dir),
        "period_s": health.period_s,
        "thresholds": {
            "cpu_percent": (health.cpu_alarm_percent, health.cpu_clear_percent),
            "memory_percent": (health.memory_alarm_percent, health.memory_clear_percent),
            "disk_percent": (health.disk_alarm_percent, health.disk_clear_percent),
            "temperature_c": (health.temperature_alarm_c, health.temperature_clear_c),
        },
    }


def frame_ring(settings: Settings) -> tuple[SharedMemory, int, int]:
    """The shared area of the frame ring, its slots, and the bytes of each."""
    camera = settings.camera
    slot_bytes = camera.width_px_max * camera.height_px_max * 3
    size_bytes = ring_size_bytes(camera.ring_slots, slot_bytes)
    return SharedMemory(FRAMES, size_bytes), camera.ring_slots, slot_bytes
