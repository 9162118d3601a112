"""The settings value: complete, bounded, documented, and ready to be handed to an actor."""

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import msgspec
import pytest

import config.settings
from config.keys import keys, tables
from config.layers import PATH_KEYS
from config.load import load
from config.settings import Settings, disagreements, section_args, value_of

UNITS = tuple(
    f"_{unit}{bound}"
    for unit in ("s", "mb", "percent", "c", "px", "m", "g", "a", "v", "days")
    for bound in ("", "_max", "_min")
)
COUNTS = {
    "camera.ring_slots",
    "camera.burst_frames",
    "camera.capture_retries",
    "camera.frozen_frames",
    "camera.torn_frames_max",
    "camera.dirty_looks",
    "camera.alarm_frames",
    "inference.threads",
    "deposit.looks_max",
    "deposit.retries_max",
    "deposit.fault_retries_max",
    "deposit.unproven_max",
    "detail.items_max",
    "fraud.items_per_minute_max",
    "fraud.voids_max",
    "motor.jams_max",
    "sensors.beam_blips_max",
    "sensors.frozen_readings",
    "sensors.load_cell_g_per_count",
    "sensors.load_cell_zero_counts",
    "sensors.bin_readings",
    "storage.group_commit_max",
    "uplink.commands_at_once_max",
    "uplink.engine_port",
    "logging.files",
}
SECTIONS = [field.name for field in msgspec.structs.fields(Settings)]
SOURCE = Path(config.settings.__file__)


def test_the_defaults_agree_with_each_other():
    assert list(disagreements(Settings())) == []


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        ({"burst_frames": 3, "ring_slots": 3}, "a burst would overwrite itself"),
        ({"width_px": 1920}, "1920 must not be above 1280"),
        ({"height_px": 1080}, "1080 must not be above 720"),
        ({"burst_interval_s": 0.1}, "the first frame would be 0.3 s old"),
        ({"latency_s": 0.25}, "the first frame would be 0.3 s old"),
        ({"capture_timeout_s": 1.0}, "the reason would come too late"),
        ({"dirty_percent": 30.0}, "the warning would come too late"),
    ],
)
def test_a_camera_that_could_not_work_is_refused(camera, says):
    found = list(disagreements(Settings(camera=config.settings.CameraSettings(**camera))))
    assert len(found) == 1
    assert says in found[0].reason


def test_defaults_lie_within_their_own_bounds():
    # A default is not checked when a Struct is made, only when one is decoded.
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()


def test_the_value_is_frozen_and_hashable():
    with pytest.raises(AttributeError):
        Settings().motor.lease_s = 1.0
    assert hash(Settings()) == hash(Settings())


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_survives_the_way_to_its_actor(section):
    value = getattr(Settings(), section)
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(section_args(value)))
    assert msgspec.convert(sent, type(value)) == value


def test_a_section_refuses_what_it_does_not_know():
    args = {**section_args(Settings().motor), "lease_ms": 250}
    with pytest.raises(msgspec.ValidationError, match="lease_ms"):
        msgspec.convert(args, config.settings.MotorSettings)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_every_number_has_its_unit_in_its_name_or_counts_things():
    numbers = {key.name for key in keys().values() if is_number(key.default)}
    lines = {name for name in numbers if "gpio_line" in name}
    assert {name for name in numbers - lines if not name.endswith(UNITS)} == COUNTS


def is_bounded(bounds: msgspec.Meta) -> bool:
    return bounds.le is not None and (bounds.ge is not None or bounds.gt is not None)


def test_every_number_has_bounds():
    unbounded = {
        key.name
        for key in keys().values()
        if is_number(key.default)
        and not any(is_bounded(one) for one in getattr(key.kind, "__metadata__", ()))
    }
    assert unbounded == set()


def test_every_field_has_a_reason_beside_it():
    """A comment above a field also speaks for the fields that follow it without a gap."""
    with SOURCE.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    bare = []
    for section in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        if not isinstance(section, ast.ClassDef) or section.name in {"Settings", "Disagreement"}:
            continue
        documented = False
        for field in section.body:
            if isinstance(field, ast.AnnAssign):
                if not lines[field.lineno - 2].strip():
                    documented = False
                if not documented and not {field.lineno - 1, field.end_lineno} & commented:
                    bare.append(f"{section.name}.{field.target.id}")
                documented = True
    assert bare == []


def test_the_paths_that_are_resolved_are_all_the_paths_there_are():
    texts = {name for name in keys() if name.endswith("_file")}
    assert set(PATH_KEYS) == texts | {
        "camera.source",
        "detail.articles",
        "detail.outline_model",
        "inference.model",
    }
    assert set(PATH_KEYS) <= set(keys())


def test_secrets_are_only_ever_named_by_a_file():
    words = ("key", "token", "secret", "password")
    named = [name for name in keys() if any(word in name.rpartition(".")[2] for word in words)]
    assert named
    assert all(name.endswith("_file") for name in named)


def test_tables_are_the_sections_and_the_tables_in_them():
    assert tables() == {*SECTIONS, "sensors.gpio_lines"}


def test_value_of_finds_every_key_at_its_default():
    for key in keys().values():
        assert value_of(Settings(), key.name) == key.default


def test_nothing_said_gives_the_defaults_and_the_simulated_profile():
    with_profile = msgspec.structs.replace(Settings().uplink, allow_plain_http=True)
    assert load().settings == msgspec.structs.replace(Settings(), uplink=with_profile)


def test_config_is_light():
    program = "import sys, config.load; config.load.load(); print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=SOURCE.parent.parent,
    ).stdout.split()
    heavy = {"numpy", "cv2", "aiohttp", "asyncio", "lmdb", "pykka"}
    assert heavy & set(told) == set()
