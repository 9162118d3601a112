"""Files and the environment: what is read, and what is said where it cannot be."""

import contextlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import SettingsError
from config.keys import keys
from config.load import Loaded, load
from config.sources import BYTES_MAX, PREFIX, SEED_NAMES, UNUSED_SEED_NAMES, variable_names

quickly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refused(**arguments):
    with pytest.raises(SettingsError) as caught:
        load(**arguments)
    return str(caught.value)


def refused_file(folder, content: bytes):
    file = folder / "machine.toml"
    file.write_bytes(content)
    return refused(file=file).removeprefix(f"{file}: ")


# ----- TOML files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[motor]\nlease_s = \n", "line 2, column 11: is not TOML: Invalid value"),
        (b"[motor\n", "line 1, column 7: is not TOML: Expected ']' at the end of a table declar"),
        (b"[motor]\nlease_s", "line 2, column 8 (its end): is not TOML: Expected '=' after a key"),
        (b"a = 1\na = 2\n", "line 2, column 6: is not TOML: Cannot overwrite a value"),
        (b'[camera]\nsource = "\xff"\n', "line 2, column 11: byte 0xff is not UTF-8; save it as "),
        (b"\xef\xbb\xbf[motor]\n", "begins with a byte order mark; save it as UTF-8 without one"),
        (b"\xff\xfe[\0", "is UTF-16; save it as UTF-8"),
        (b"#" * (BYTES_MAX + 1), "is larger than 1 MB; is it a settings file?"),
        (b"a = " + b"[" * 100_000, "is not TOML that can be read: it is nested too deeply"),
        (b"a = " + b"9" * 5000, "is not TOML that can be read: Exceeds the limit"),
        (b"a\0b = 1", "line 1, column 2: is not TOML: Expected '=' after a key"),
    ],
)
def test_a_file_that_is_not_toml(tmp_path, content, text):
    assert refused_file(tmp_path, content).startswith(text)


def test_a_file_that_is_not_there(tmp_path):
    assert refused(file=tmp_path / "no.toml") == f"{tmp_path}/no.toml: there is no such file"


def test_a_directory_is_no_file(tmp_path):
    assert refused(file=tmp_path) == f"{tmp_path}: is a directory; name a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    file = tmp_path / "machine.toml"
    file.touch(mode=0)
    assert refused(file=file) == f"{file}: this user may not read it; see its mode and its owner"


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.open", lambda *_: (_ for _ in ()).throw(PermissionError()))
    text = refused(file=tmp_path / "machine.toml")
    assert "this user may not read it; see its mode and its owner" in text


def test_a_path_through_a_file(tmp_path):
    (tmp_path / "file").touch()
    text = refused(file=tmp_path / "file" / "machine.toml")
    assert text.endswith("cannot be read: Not a directory")


def test_no_end_of_a_device(tmp_path):
    assert "is larger than 1 MB" in refused(file=type(tmp_path)("/dev/zero"))


def test_an_empty_file_says_nothing(tmp_path):
    file = tmp_path / "machine.toml"
    file.touch()
    assert load(file=file).settings == load().settings


def test_all_ways_to_write_a_table_are_one(tmp_path):
    file = tmp_path / "machine.toml"
    texts = ("[motor]\nlease_s = 0.2", "motor.lease_s = 0.2", "motor = { lease_s = 0.2 }")
    for text in texts:
        file.write_text(text)
        assert load(file=file).settings.motor.lease_s == 0.2


def test_windows_line_ends(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_bytes(b"[motor]\r\nlease_s = 0.2\r\n")
    assert load(file=file).settings.motor.lease_s == 0.2


@quickly
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_whatever_a_file_holds_there_are_settings_or_a_reason(tmp_path, content):
    file = tmp_path / "machine.toml"
    file.write_bytes(content)
    try:
        told = str(load(file=file).layers)
    except SettingsError as error:
        told = str(error)
    assert str(file) in told


# ----- Environment ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("RVM_SERVER_URL", "https://rvm.example.com", "uplink.server_url", None),
        ("HARDWARE_ID", "jetson-orin-nano-001", "machine.hardware_id", None),
        ("MOTOR_GPIO_LINES", "18,19", "motor.gpio_lines", (18, 19)),
        ("SENSOR_GPIO_LINES", "8, 9, 10", "sensors.gpio_lines.exit", 9),
        ("MODEL_PATH", "/models/best", "inference.model", None),
        ("LOG_LEVEL", "WARNING", "logging.level", "warning"),
        ("HEARTBEAT_INTERVAL", "90", "uplink.heartbeat_s", 90.0),
    ],
)
def test_the_names_of_the_seeds(name, text, key, value):
    told = load(environment={name: text}).explain(key)
    assert told.value == (text if value is None else value)
    assert (told.winner, told.origin) == ("environment", f"environment variable {name}")


def test_all_names_of_the_seeds_are_known():
    assert {*SEED_NAMES, *UNUSED_SEED_NAMES} == {
        "RVM_SERVER_URL", "RVM_WS_URL", "RVM_API_KEY", "HARDWARE_ID", "GPIO_CHIP",
        "MOTOR_GPIO_LINES", "SENSOR_GPIO_LINES", "MODEL_PATH", "MODEL_VERSION",
        "DETECTION_THRESHOLD", "LOG_LEVEL", "HEARTBEAT_INTERVAL", "OFFLINE_BUFFER_SIZE",
    }  # fmt: skip


@pytest.mark.parametrize("name", list(UNUSED_SEED_NAMES))
def test_a_name_of_the_seeds_that_sets_nothing_is_noted(name):
    told = load(environment={name: "s3cret"})
    assert told.settings == load().settings
    (note,) = told.notes
    assert note.startswith(f"environment variable {name} has no effect: ")
    assert "s3cret" not in note


@pytest.mark.parametrize("name", list(variable_names()))
def test_every_key_has_a_variable_of_its_own(name):
    key = variable_names()[name]
    assert load(environment={name: ""}).explain(key).winner in {"defaults", "profile"}
    assert f"environment variable {name}: {key}: " in refused(environment={name: "\x01"})


def test_no_two_keys_share_a_variable():
    assert list(variable_names().values()) == list(keys())


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        (
            {"RVM_EDGE_MOTR_LEASE_S": "1"},
            (
                "environment variable RVM_EDGE_MOTR_LEASE_S: there is no such setting; "
                "did you mean RVM_EDGE_MOTOR_LEASE_S?"
            ),
        ),
        (
            {"RVM_EDGE_WEATHER": "1"},
            (
                "environment variable RVM_EDGE_WEATHER: there is no such setting; "
                "its name would be RVM_EDGE_<SECTION>_<KEY>"
            ),
        ),
        (
            {"SENSOR_GPIO_LINES": "22,23"},
            (
                "environment variable SENSOR_GPIO_LINES: sensors.gpio_lines: takes 3 numbers with "
                "commas between them: inside, exit, drop"
            ),
        ),
        (
            {"SENSOR_GPIO_LINES": "22,x,24"},
            (
                'environment variable SENSOR_GPIO_LINES: sensors.gpio_lines.exit: "x" (text) is '
                "not allowed; it takes a whole number from 0 to 27 (BCM number of a header pin)"
            ),
        ),
        (
            {"HEARTBEAT_INTERVAL": "60", "RVM_EDGE_UPLINK_HEARTBEAT_S": "61"},
            (
                "environment variable RVM_EDGE_UPLINK_HEARTBEAT_S: uplink.heartbeat_s: is also "
                "said by environment variable HEARTBEAT_INTERVAL, and differently; say it once"
            ),
        ),
        (
            {"RVM_EDGE_CAMERA_SOURCE": "\udcff"},
            (
                'environment variable RVM_EDGE_CAMERA_SOURCE: camera.source: "?" (text) is not '
                "allowed; it takes a path"
            ),
        ),
    ],
)
def test_a_wrong_variable(variables, text):
    assert refused(environment=variables) == text


def test_what_is_no_setting_is_left_alone():
    told = load(environment={"RVM_EDGE_DATA_DIR": "/x", "PATH": "/bin", "MOTOR": "1"})
    assert (told.settings, told.notes) == (load().settings, ())


def test_the_same_said_twice_is_no_contradiction():
    both = {"HEARTBEAT_INTERVAL": "90", "RVM_EDGE_UPLINK_HEARTBEAT_S": "90.0"}
    assert load(environment=both).settings.uplink.heartbeat_s == 90


@quickly
@given(
    st.dictionaries(
        st.sampled_from([*SEED_NAMES, *list(variable_names())])
        | st.text(max_size=5).map(PREFIX.__add__),
        st.text(max_size=8) | st.integers().map(str) | st.floats().map(str),
        max_size=4,
    )
)
def test_whatever_the_environment_says_there_are_settings_or_a_reason(variables):
    with contextlib.suppress(SettingsError):
        assert isinstance(load(environment=variables), Loaded)


# ----- .env files -----------------------------------------------------------------------------


def test_an_env_file_is_read_like_the_environment(tmp_path):
    (tmp_path / ".env").write_text(
        "# the seeds' file\n"
        "RVM_SERVER_URL=https://api.myrvm-server.com\n"
        "RVM_API_KEY=your-secure-api-key-here\n"
        "MOTOR_GPIO_LINES=17,27\n"
        "SENSOR_GPIO_LINES=22,23,24\n"
        "DETECTION_THRESHOLD=0.7\n"
        "LOG_LEVEL=INFO\n"
        "OTHER_PROGRAM=1\n"
    )
    told = load(working_directory=tmp_path)
    assert told.settings.uplink.server_url == "https://api.myrvm-server.com"
    assert told.explain("logging.level").origin == f"{tmp_path}/.env, line 7: LOG_LEVEL"
    assert [note.partition(" has ")[0] for note in told.notes] == [
        f"{tmp_path}/.env, line 6: DETECTION_THRESHOLD",
        f"{tmp_path}/.env, line 3: RVM_API_KEY",
    ]


def test_the_last_line_of_an_env_file_wins(tmp_path):
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\nLOG_LEVEL=error\n")
    assert load(data_directory=tmp_path).settings.logging.level == "error"


def test_a_bad_line_is_named_and_not_repeated(tmp_path):
    (tmp_path / ".env").write_text("LOG_LEVEL=info\ns3cret\n")
    assert refused(data_directory=tmp_path) == (
        f"{tmp_path}/.env: line 2: is not NAME=value (or a quote is not closed)"
    )


def test_an_env_file_that_is_not_utf_8(tmp_path):
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    assert refused(data_directory=tmp_path) == (
        f"{tmp_path}/.env: line 1, column 11: byte 0xff is not UTF-8; save it as UTF-8"
    )


def test_no_env_file_and_a_directory_of_that_name_say_nothing(tmp_path):
    assert load(data_directory=tmp_path / "nowhere").settings == load().settings
    (tmp_path / ".env").mkdir()  # some people's virtual environment
    assert load(data_directory=tmp_path).settings == load().settings
