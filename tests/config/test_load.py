"""Layers: who wins, who is asked, and how everything that is wrong is told."""

import itertools
import json

import pytest

from config.errors import SettingsError
from config.keys import keys
from config.load import LAYERS, PROFILES, load

# One value for each layer, all different; the profile's stands in jetson.toml.
KEY = "storage.map_mb"
VALUES = {
    "defaults": 64,
    "profile": 256,
    "file": 101,
    ".env": 102,
    "environment": 103,
    "override": 104,
}


def loaded(folder, speaking):
    """Load with `map_mb` said by the layers in `speaking`, each with its own value."""
    arguments = {"environment": {}, "working_directory": folder, "overrides": {}}
    if "profile" in speaking:
        arguments["profile"] = "jetson"
    if "file" in speaking:
        arguments["file"] = folder / "machine.toml"
        arguments["file"].write_text(f"[storage]\nmap_mb = {VALUES['file']}\n")
    if ".env" in speaking:
        (folder / ".env").write_text(f"RVM_EDGE_STORAGE_MAP_MB={VALUES['.env']}\n")
    if "environment" in speaking:
        arguments["environment"]["RVM_EDGE_STORAGE_MAP_MB"] = str(VALUES["environment"])
    if "override" in speaking:
        arguments["overrides"] = {"storage": {"map_mb": VALUES["override"]}}
    return load(**arguments)


@pytest.mark.parametrize(("lower", "higher"), list(itertools.combinations(VALUES, 2)))
def test_the_higher_layer_wins(tmp_path, lower, higher):
    settings = loaded(tmp_path, {lower, higher})
    assert settings.settings.storage.map_mb == VALUES[higher]
    told = settings.explain(KEY)
    assert (told.winner, told.value) == (higher, VALUES[higher])
    speaking = {one.layer: one.value for one in told.layers if one.speaks}
    assert speaking == {name: VALUES[name] for name in ("defaults", lower, higher)}


@pytest.mark.parametrize("other", ["defaults", "file", ".env", "environment", "override"])
def test_the_command_line_chooses_the_profile_over_every_layer(tmp_path, other):
    arguments = {"profile": "jetson", "working_directory": tmp_path}
    if other == "file":
        arguments["file"] = tmp_path / "machine.toml"
        arguments["file"].write_text('machine.profile = "simulated"\n')
    elif other == ".env":
        (tmp_path / ".env").write_text("RVM_EDGE_MACHINE_PROFILE=simulated\n")
    elif other == "environment":
        arguments["environment"] = {"RVM_EDGE_MACHINE_PROFILE": "simulated"}
    elif other == "override":
        arguments["overrides"] = {"machine.profile": "simulated"}
    told = load(**arguments)
    assert told.settings.machine.profile == "jetson"
    assert told.settings.camera.source == "/dev/video0"
    assert told.explain("machine.profile").winner == "command line"


def test_any_layer_may_choose_the_profile(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text('[machine]\nprofile = "jetson"\n')
    assert load(file=file).settings.camera.source == "/dev/video0"
    simulated = {"RVM_EDGE_MACHINE_PROFILE": "simulated"}
    assert load(file=file, environment=simulated).settings.camera.source == "chamber"


def test_the_env_file_of_the_data_directory_wins_over_the_working_directory(tmp_path):
    here, data = tmp_path / "here", tmp_path / "data"
    for folder, value in ((here, 101), (data, 102)):
        folder.mkdir()
        (folder / ".env").write_text(f"RVM_EDGE_STORAGE_MAP_MB={value}\n")
    told = load(working_directory=here, data_directory=data).explain(KEY)
    assert told.value == 102
    assert told.origin == f"{data}/.env, line 1: RVM_EDGE_STORAGE_MAP_MB"
    assert [one.value for one in told.layers if one.layer == ".env"] == [101, 102]


def test_one_folder_for_both_is_read_once(tmp_path):
    layers = load(working_directory=tmp_path, data_directory=tmp_path).layers
    assert [layer.name for layer in layers].count(".env") == 1


def test_keys_win_one_by_one(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text("[motor]\nlease_s = 0.2\nrun_s_max = 5.0\n")
    motor = load(file=file, overrides={"motor": {"lease_s": 0.3}}).settings.motor
    assert (motor.lease_s, motor.run_s_max, motor.transport_s) == (0.3, 5.0, 2.5)


def test_layers_come_in_the_order_that_is_told():
    names = [layer.name for layer in load(profile="jetson").layers]
    assert names == [name for name in LAYERS if name in names]


def test_a_whole_number_is_a_number():
    told = load(overrides={"inference.deadline_s": 1}).settings.inference.deadline_s
    assert (told, type(told)) == (1.0, float)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_right(name):
    told = load(profile=name)
    assert told.settings.machine.profile == name
    (layer,) = (one for one in told.layers if one.name == "profile")
    assert layer.says
    assert "machine.profile" not in layer.says  # it cannot choose itself


# ----- Paths ----------------------------------------------------------------------------------


def test_paths_begin_where_they_were_said(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "data").mkdir()
    file = tmp_path / "etc" / "machine.toml"
    file.write_text('inference.model = "../models/new"\ncamera.source = "chamber"\n')
    (tmp_path / "data" / ".env").write_text("RVM_EDGE_UPLINK_API_KEY_FILE=./key\n")
    told = load(
        file=file,
        data_directory=tmp_path / "data",
        working_directory=tmp_path / "here",
        environment={"RVM_EDGE_CAMERA_SOURCE": "pictures"},
    ).settings
    assert told.inference.model == f"{tmp_path}/models/new"
    assert told.uplink.api_key_file == f"{tmp_path}/data/key"
    assert told.camera.source == f"{tmp_path}/here/pictures"


def test_a_name_is_not_a_path_and_an_absolute_path_stays(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text('camera.source = "chamber"\ninference.model = "/models/new"\n')
    told = load(file=file).settings
    assert (told.camera.source, told.inference.model) == ("chamber", "/models/new")


@pytest.mark.parametrize(
    "camera", ["v4l2:usb-046d_C920-index0", "rtsp://u:p@cam/live", "gst:videotestsrc", "pipe:./cam"]
)
def test_a_camera_is_no_path(tmp_path, camera):
    file = tmp_path / "machine.toml"
    file.write_text(f'camera.source = "{camera}"\n')
    assert load(file=file).settings.camera.source == camera


def test_the_home_directory_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/rvm")
    told = load(overrides={"inference.model": "~/new"}, working_directory=tmp_path)
    assert told.settings.inference.model == "/home/rvm/new"


# ----- Explaining -----------------------------------------------------------------------------


def test_explain_tells_what_a_key_takes_and_which_variable_sets_it():
    told = load().explain("motor.lease_s")
    assert told.takes == "a number from 0.05 to 0.5"
    assert told.variable == "RVM_EDGE_MOTOR_LEASE_S"
    assert (told.winner, told.origin, told.value) == ("defaults", "config/settings.py", 0.25)


def test_explain_refuses_a_key_that_is_not_there():
    with pytest.raises(SettingsError) as caught:
        load().explain("motor.leas_s")
    assert str(caught.value) == (
        "config explain: motor.leas_s: there is no such setting; did you mean motor.lease_s?"
    )
    with pytest.raises(SettingsError, match="`rvm-edge config show` lists them"):
        load().explain("weather")


def test_all_keys_are_explained():
    assert [one.key for one in load().explain_all()] == list(keys())


def test_no_secret_is_read_or_told(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("s3cret-content")
    told = load(
        overrides={"uplink.api_key_file": str(secret)},
        environment={"RVM_API_KEY": "s3cret-variable"},
    )
    assert told.explain("uplink.api_key_file").value == str(secret)
    assert "s3cret" not in f"{told.explain_all()}{told.notes}{told.settings}{told.layers}"


# ----- Contradictions between layers ----------------------------------------------------------


def refused(**arguments):
    with pytest.raises(SettingsError) as caught:
        load(**arguments)
    return caught.value


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            {"motor.renew_s": 0.25},
            (
                "motor.renew_s: 0.25 does not go with motor.lease_s = 0.25 from "
                "config/settings.py: 0.25 must be below 0.25: "
                "a lease must be renewed before it ends"
            ),
        ),
        (
            {"motor.lease_s": 0.4, "motor.transport_s": 0.3},
            (
                "motor.lease_s: 0.4 does not go with motor.transport_s = 0.3 from override: "
                "0.4 must be below 0.3: a lease guards a run only if it is shorter"
            ),
        ),
        (
            {"motor.run_s_max": 1},
            (
                "motor.run_s_max: 1.0 does not go with motor.transport_s = 2.5 from "
                "config/settings.py: 2.5 must be below 1: the guard would stop every transport"
            ),
        ),
        (
            {"deposit.transport_timeout_s": 1},
            (
                "deposit.transport_timeout_s: 1.0 does not go with motor.transport_s = 2.5 from "
                "config/settings.py: 2.5 must be below 1: no transport could end in time"
            ),
        ),
        (
            {"inference.deadline_s": 3},
            (
                "inference.deadline_s: 3.0 does not go with deposit.decide_timeout_s = 3.0 from "
                "config/settings.py: 3 must be below 3: the cycle would not hear of a hang"
            ),
        ),
        (
            {"deposit.frame_age_s_max": 1},
            (
                "deposit.frame_age_s_max: 1.0 does not go with deposit.capture_timeout_s = 1.0 "
                "from config/settings.py: 1 must be below 1: there is no time for a fresh frame"
            ),
        ),
        (
            {"uplink.heartbeat_s": 5},
            (
                "uplink.heartbeat_s: 5.0 does not go with uplink.connect_timeout_s = 10.0 from "
                "config/settings.py: 10 must be below 5: heartbeats would queue up"
            ),
        ),
        (
            {"storage.map_mb": 2048},
            (
                "storage.map_mb: 2048 does not go with storage.map_mb_max = 1024 from "
                "config/settings.py: 2048 must not be above 1024: the map only grows"
            ),
        ),
        (
            {"uplink.server_url": "http://rvm.example.com", "uplink.allow_plain_http": False},
            (
                'uplink.server_url: "http://rvm.example.com" does not go with '
                "uplink.allow_plain_http = false from override: http:// is not encrypted: use "
                "https://, or allow it for a machine on the desk"
            ),
        ),
        (
            {"motor.gpio_lines": [17, 22]},
            (
                "motor.gpio_lines: [17, 22] does not go with sensors.gpio_lines.inside = 22 from "
                "config/settings.py: line 22 would have two uses"
            ),
        ),
        (
            {"motor.gpio_lines": [17, 17]},
            "motor.gpio_lines: [17, 17]: line 17 would have two uses",
        ),
        (
            {"sensors": {"gpio_lines": {"exit": 24}}},
            (
                "sensors.gpio_lines.exit: 24 does not go with sensors.gpio_lines.drop = 24 from "
                "config/settings.py: line 24 would have two uses"
            ),
        ),
    ],
)
def test_settings_that_do_not_go_together(overrides, text):
    assert str(refused(overrides=overrides)) == f"override: {text}"


@pytest.mark.parametrize("what", ["cpu", "memory", "disk", "temperature"])
def test_an_alarm_ends_below_where_it_begins(what):
    unit = "c" if what == "temperature" else "percent"
    (problem,) = refused(overrides={f"health.{what}_alarm_{unit}": 60}).problems
    assert problem.key == f"health.{what}_alarm_{unit}"
    assert problem.text.endswith("must be below 60: the alarm would flutter")


def test_who_spoke_last_is_to_blame(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text("[motor]\nrun_s_max = 2.0\n")
    (problem,) = refused(file=file, environment={"RVM_EDGE_MOTOR_TRANSPORT_S": "2.5"}).problems
    assert (problem.layer, problem.key) == ("environment", "motor.transport_s")
    assert f"motor.run_s_max = 2.0 from {file}" in problem.text


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text('[motor]\nlease_s = "x"\nrun_s = 3\n[camera]\nring_slots = 0\n')
    error = refused(
        file=file,
        environment={"RVM_EDGE_MOTOR_LEASE": "1", "LOG_LEVEL": "loud"},
        profile="jetsn",
    )
    assert [(one.layer, one.key) for one in error.problems] == [
        ("file", "motor.lease_s"),
        ("file", "motor.run_s"),
        ("file", "camera.ring_slots"),
        ("environment", None),
        ("environment", "logging.level"),
        ("command line", "machine.profile"),
    ]
    lines = str(error).splitlines()
    assert lines[0] == "6 settings are wrong:"
    assert lines[1] == (
        f'  {file}: motor.lease_s: "x" (text) is not allowed; it takes a number from 0.05 to 0.5'
    )
    assert lines[6] == (
        '  command line: machine.profile: "jetsn" (text) is not allowed; '
        'it takes one of "simulated", "jetson"'
    )
    assert json.loads(json.dumps([one.key for one in error.problems]))
