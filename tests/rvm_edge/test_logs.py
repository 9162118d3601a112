"""The log: valid JSON whatever comes, bounded, without secrets, and harmless when it cannot."""

import json
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rvm_edge.logs import Log, plain
from supervisors.testing import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def log(tmp_path, clock):
    log = Log(tmp_path, clock, "info", 1, 3)
    yield log
    log.close()


def lines(directory):
    text = (directory / "rvm-edge.jsonl").read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def test_a_line(tmp_path, log, capsys):
    log.write("/machine/motor", "warning", "slow", {"for_s": 0.5})
    (line,) = lines(tmp_path)
    assert line == {
        "timestamp": 1_700_000_000.0,
        "level": "warning",
        "actor": "/machine/motor",
        "event": "slow",
        "for_s": 0.5,
    }
    assert json.loads(capsys.readouterr().err)["event"] == "slow"


def test_below_its_level_nothing_is_written(tmp_path, log):
    log.write("/", "debug", "detail", {})
    log.event({"at": 1.0, "path": "/a", "event": "started", "incarnation": 1})
    log.event({"at": 1.0, "path": "/a", "event": "quarantined", "reason": "x"})
    (line,) = lines(tmp_path)
    assert (line["event"], line["level"]) == ("quarantined", "error")


class Strange:
    def __str__(self):
        raise RuntimeError("no words")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.just(Strange())
    | st.just({1, 2}),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1), values, max_size=5), st.text(), st.text())
def test_whatever_is_said_stays_json(fields, path, event):
    record = {str(key): plain(value, str(key)) for key, value in fields.items()}
    text = json.dumps({**record, "event": plain(event), "path": plain(path)})
    assert "\n" not in text
    json.loads(text, parse_constant=pytest.fail)


def test_quotes_and_line_ends_do_not_break_a_line(tmp_path, log):
    nasty = '"}\n{"level": "critical", \x00\x1b[31m\ud800'
    log.write("/a", "info", nasty, {"what": nasty, "nan": float("nan"), "event": "mine"})
    (line,) = lines(tmp_path)
    assert line["event"] == nasty
    assert line["event_"] == "mine"
    assert line["nan"] == "nan"


def test_an_endless_value_has_an_end():
    endless: list = []
    endless.append(endless)
    assert len(json.dumps(plain(endless))) < 500
    assert len(plain("x" * 1_000_000)) < 10_000


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": "s3cret"},
        {"Authorization": "Bearer s3cret"},
        {"settings": {"server": {"access_token": "s3cret"}}},
        {"list": [{"password": "s3cret"}]},
        {"why": "401 for Authorization: Bearer s3cret.s3cret"},
        {"url": "https://user:s3cret@rvm.example.com/api"},
        {"why": "GET /claim?token=s3cret&x=1 failed"},
    ],
)
def test_secrets_stay_out(tmp_path, log, capsys, fields):
    log.write("/uplink/link", "info", "said", fields)
    assert "s3cret" not in (tmp_path / "rvm-edge.jsonl").read_text()
    assert "s3cret" not in capsys.readouterr().err
    assert "***" in (tmp_path / "rvm-edge.jsonl").read_text()


def test_the_name_of_a_secret_file_is_no_secret(tmp_path, log):
    log.write("/", "info", "said", {"api_key_file": "/etc/rvm/key"})
    assert lines(tmp_path)[0]["api_key_file"] == "/etc/rvm/key"


def test_a_crash_loop_is_counted_and_told(tmp_path, log, clock):
    for _ in range(1000):
        log.write("/vision/camera", "error", "child_terminated", {})
    log.write("/health", "info", "alarm", {})
    clock.advance(1.5)
    log.write("/vision/camera", "error", "child_terminated", {})
    told = lines(tmp_path)
    assert sum(line["event"] == "child_terminated" for line in told) == 11
    (summary,) = [line for line in told if line["event"] == "repeated"]
    assert (summary["what"], summary["times"]) == ("child_terminated", 990)
    assert [line["event"] for line in told].count("alarm") == 1


def test_what_is_still_counted_is_told_at_the_end(tmp_path, clock):
    log = Log(tmp_path, clock, "info", 1, 3)
    for _ in range(15):
        log.write("/a", "info", "again", {})
    log.close()
    assert lines(tmp_path)[-1] == {**lines(tmp_path)[-1], "event": "repeated", "times": 5}


def test_made_up_names_do_not_fill_the_memory(log):
    for number in range(10_000):
        log.write("/a", "info", f"event {number}", {})
    assert len(log._counts) < 5000


@pytest.mark.parametrize(("files", "kept"), [(3, 3), (1, 2)])
def test_it_rotates(tmp_path, clock, files, kept):
    log = Log(tmp_path, clock, "info", 0.01, files)
    for number in range(400):
        clock.advance(2.0)
        log.write("/a", "info", "line", {"number": number, "text": "x" * 100})
    log.close()
    found = sorted(tmp_path.iterdir())
    assert len(found) == kept
    assert all(file.stat().st_size <= 11_000 for file in found)
    for file in found:
        assert [json.loads(line) for line in file.read_text().splitlines()]


def test_no_place_for_a_file(tmp_path, clock, capsys):
    (tmp_path / "logs").write_text("in the way")
    log = Log(tmp_path / "logs", clock, "info", 1, 3)
    log.write("/a", "info", "said", {})
    log.close()
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert told == ["no_log_file", "said"]


def test_a_disk_that_is_full_costs_the_line_and_nothing_else(tmp_path, clock, capsys):
    (tmp_path / "rvm-edge.jsonl").symlink_to("/dev/full")
    log = Log(tmp_path, clock, "info", 1, 3)
    log.write("/a", "info", "said", {})
    log.close()
    told = capsys.readouterr().err
    assert json.loads(told)["event"] == "said"


@pytest.mark.parametrize("stream", ["gone", "closed", "full"])
def test_nobody_there_to_read(tmp_path, clock, monkeypatch, stream):
    broken = {"gone": lambda: None, "closed": _closed, "full": lambda: open("/dev/full", "w")}  # noqa: PTH123, SIM115
    monkeypatch.setattr(sys, "stderr", made := broken[stream]())
    log = Log(tmp_path, clock, "info", 1, 3)
    log.write("/a", "info", "said", {})
    log.close()
    assert lines(tmp_path)[0]["event"] == "said"
    if stream == "full":
        with pytest.raises(OSError, match="No space"):
            made.close()


def _closed():
    stream = open("/dev/null", "w")  # noqa: PTH123, SIM115
    stream.close()
    return stream


def test_the_journal_gets_priorities(tmp_path, clock, monkeypatch, capsys):
    monkeypatch.setenv("JOURNAL_STREAM", "9:12345")
    log = Log(tmp_path, clock, "debug", 1, 3)
    log.write("/a", "error", "said", {})
    log.write("/a", "debug", "more", {})
    log.close()
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith('<3>{"level": "error"')
    assert second.startswith("<7>")


def test_a_thread_that_dies_is_in_the_log(tmp_path, log, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", log.thread_died)
    thread = threading.Thread(target=lambda: 1 / 0, name="unlucky")
    thread.start()
    thread.join()
    (line,) = lines(tmp_path)
    assert (line["event"], line["thread"]) == ("thread_died", "unlucky")
    assert "ZeroDivisionError" in line["stack"]


def test_many_threads_write_whole_lines(tmp_path, log):
    def write(name):
        for number in range(100):
            log.write(f"/{name}", "info", f"event {number}", {"text": "x" * 500})

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(tmp_path)) == 400
