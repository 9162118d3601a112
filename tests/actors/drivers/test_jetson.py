"""Jetson.GPIO's defects that our driver works around, and the driver where the library cannot run.

The defects are pinned on the unmodified library: when one of these tests fails, the library has
changed, and the way around it in ``actors/drivers/jetson.py`` wants a second look. Functions that
take a chip run in a process of their own.
"""

import errno
import importlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.drivers import make, ports
from actors.drivers.ports import DriverMissing, LineBusy, LineError, LineUnknown
from config.settings import MotorSettings, SensorsSettings
from supervisors.testing import eventually
from tests.actors.drivers.fake_cdev import BCM_OFFSETS, run_fresh

PAGE = Path(__file__).parents[3] / "docs" / "hardware.md"
LINES = {ports.BELT_IN: 17, ports.BELT_OUT: 27, ports.BEAM_INSIDE: 22, ports.BEAM_EXIT: 23}
FORWARD, REVERSE, BEAM, OTHER_BEAM = (BCM_OFFSETS[bcm] for bcm in (17, 27, 22, 23))


def raw():
    """The library itself, as its README says to use it."""
    gpio = importlib.import_module("Jetson.GPIO")
    gpio.setwarnings(False)
    gpio.setmode(gpio.BCM)
    return gpio


def ours(**more):
    return make("actors.drivers.jetson:JetsonGpio", lines={**LINES, **more})


# -- the defects, on the library itself ------------------------------------------------------------


def d1_without_initial_both_inputs_of_a_bridge_go_high(chip):
    gpio = raw()
    gpio.setup([17, 27], gpio.OUT)
    assert [(one.offset, one.level) for one in chip.trace] == [(FORWARD, 1), (REVERSE, 1)]


def d2_giving_up_one_channel_closes_the_chip_of_all(chip):
    gpio = raw()
    gpio.setup([17, 27], gpio.OUT, initial=gpio.LOW)
    gpio.setup(22, gpio.IN)
    chip_fd = _info(gpio, 22).chip_fd
    gpio.cleanup(17)
    assert chip.open_chips() == 0
    with pytest.raises(OSError, match="event handle"):
        gpio.add_event_detect(22, gpio.BOTH)
    ledger = os.open("/dev/null", os.O_RDONLY)
    assert ledger == chip_fd  # another file of the daemon gets that number
    gpio.cleanup(27)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ledger)


def d3_setting_a_channel_up_again_does_the_same(chip):
    gpio = raw()
    gpio.setup(17, gpio.OUT, initial=gpio.LOW)
    gpio.setup(27, gpio.OUT, initial=gpio.LOW)
    before = _info(gpio, 27).chip_fd
    gpio.setup(17, gpio.OUT, initial=gpio.LOW)
    now = _info(gpio, 17).chip_fd
    # The old number is still on the other channel's books: with it, it closes what is not its own.
    assert _info(gpio, 27).chip_fd == before
    gpio.cleanup(27)
    with pytest.raises(OSError):
        os.fstat(now)


def d4_edges_soon_after_registering_are_swallowed(chip):
    gpio = raw()
    gpio.setup(22, gpio.IN)
    calls = []
    soon = threading.Timer(0.2, chip.set, (BEAM, 1))
    soon.start()
    gpio.add_event_detect(22, gpio.BOTH, callback=calls.append)
    assert gpio.input(22) == 1
    assert calls == []


def d5_edges_that_come_together_stay_unread(chip):
    gpio = raw()
    gpio.setup(22, gpio.IN)
    calls = []
    gate = threading.Event()

    def slow(channel):
        calls.append(channel)
        gate.wait(10)

    gpio.add_event_detect(22, gpio.BOTH, callback=slow)
    chip.set(BEAM, 1)
    eventually(lambda: calls)
    for level in (0, 1, 0, 1, 0, 1, 0):
        chip.set(BEAM, level)
    gate.set()
    eventually(lambda: len(calls) >= 2)
    threading.Event().wait(0.5)  # time enough for all that are waiting
    assert len(calls) < 8


def d6_an_exception_in_a_callback_ends_the_hints(chip):
    gpio = raw()
    gpio.setup(22, gpio.IN)
    calls = []
    ended = threading.Event()
    threading.excepthook = lambda args: ended.set()
    sys.unraisablehook = lambda args: ended.set()

    def fail(channel):
        calls.append(channel)
        raise ValueError

    gpio.add_event_detect(22, gpio.BOTH, callback=fail)
    chip.set(BEAM, 1)
    assert ended.wait(10)
    chip.set(BEAM, 0)
    threading.Event().wait(0.5)
    assert len(calls) == 1


def d7_after_registering_the_library_reads_from_the_number_it_has_closed(chip):
    gpio = raw()
    gpio.setup(22, gpio.IN)
    chip.steal = True  # another thread opens a file just then, and gets the number
    gpio.add_event_detect(22, gpio.BOTH, callback=lambda channel: None)
    assert _info(gpio, 22).line_handle == chip.stolen[0]
    with pytest.raises(OSError, match="ioctl"):
        gpio.input(22)


def _info(gpio, channel):
    return importlib.import_module("Jetson.GPIO.gpio")._channel_to_info(channel)


# -- the driver, around them -----------------------------------------------------------------------


def other_lines_and_files_survive_when_some_are_given_up(chip):
    first, second = ours(), ours()
    first.claim_output(ports.BELT_IN)
    first.claim_output(ports.BELT_OUT)
    second.claim_input(ports.BEAM_INSIDE)
    first.close()
    ledger = os.open("/dev/null", os.O_RDONLY)
    assert chip.owned() == {BEAM}
    second.on_edge(ports.BEAM_INSIDE, lambda edge: None)  # needs the chip
    second.close()
    os.fstat(ledger)
    assert chip.owned() == set()
    assert chip.open_chips() == 1


def an_edge_just_after_registering_is_told_all_the_same(chip):
    gpio = ours()
    gpio.claim_input(ports.BEAM_INSIDE)
    told = []
    soon = threading.Timer(0.2, chip.set, (BEAM, 1))
    soon.start()
    gpio.on_edge(ports.BEAM_INSIDE, told.append)
    assert [(edge.line, edge.level) for edge in told] == [(ports.BEAM_INSIDE, True)]


def a_line_is_read_where_it_is_though_its_number_was_taken(chip):
    gpio = ours()
    gpio.claim_input(ports.BEAM_INSIDE)
    chip.steal = True
    gpio.on_edge(ports.BEAM_INSIDE, lambda edge: None)
    chip.set(BEAM, 1)
    assert gpio.read(ports.BEAM_INSIDE) is True
    gpio.close()
    os.fstat(chip.stolen[0])  # and what took it is left alone
    assert chip.owned() == set()


def a_refused_line_names_itself_its_number_and_the_cure(chip):
    gpio = ours(no_such_pin=28)
    chip.foreign.add(FORWARD)
    with pytest.raises(LineBusy, match=r"belt_in cannot be claimed on BCM 17.*gpioinfo"):
        gpio.claim_output(ports.BELT_IN)
    with pytest.raises(LineUnknown, match="no_such_pin cannot be claimed on BCM 28"):
        gpio.claim_input("no_such_pin")
    chip.foreign.clear()
    gpio.claim_output(ports.BELT_IN)  # it has cost nothing
    assert chip.levels[FORWARD] == 0


def a_line_that_the_kernel_refuses_is_an_error_and_no_level(chip):
    gpio = ours()
    gpio.claim_output(ports.BELT_IN)
    os.close(_info(raw(), 17).line_handle)
    with pytest.raises(LineError, match="belt_in cannot be driven"):
        gpio.write(ports.BELT_IN, True)
    with pytest.raises(LineError, match="belt_in cannot be read"):
        gpio.read(ports.BELT_IN)


def a_chip_of_another_name_is_an_error_with_the_line(chip):
    chip._label = "some-expander"
    with pytest.raises(LineError, match=r"belt_in cannot be claimed.*tegra234-gpio"):
        ours().claim_output(ports.BELT_IN)


def the_model_can_be_said_where_nothing_says_it(chip):
    del os.environ["JETSON_TESTING_MODEL_NAME"]
    with pytest.raises(DriverMissing, match="say its model"):
        ours()
    gpio = make("actors.drivers.jetson:JetsonGpio", lines=LINES, model="JETSON_ORIN_NANO")
    gpio.claim_input(ports.BEAM_INSIDE)
    assert gpio.read(ports.BEAM_INSIDE) is False


def the_wiring_page_names_the_pins_of_the_library(chip):
    from rvm_edge.drivers import guard_lines, sensor_lines

    boards = {info.line_offset: board for board, info in _pins("BOARD").items()}
    expected = {
        line: (bcm, boards[_pins("BCM")[bcm].line_offset])
        for line, bcm in {**guard_lines(MotorSettings()), **sensor_lines(SensorsSettings())}.items()
    }
    assert set(expected) == set(ports.LINES)
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {line: (int(bcm), int(board)) for line, bcm, board in rows} == expected
    assert set(BCM_OFFSETS.values()) <= set(boards)


def _pins(mode):
    return importlib.import_module("Jetson.GPIO.gpio")._channel_data_by_mode[mode]


ON_THE_CHIP = (
    d1_without_initial_both_inputs_of_a_bridge_go_high,
    d2_giving_up_one_channel_closes_the_chip_of_all,
    d3_setting_a_channel_up_again_does_the_same,
    d4_edges_soon_after_registering_are_swallowed,
    d5_edges_that_come_together_stay_unread,
    d6_an_exception_in_a_callback_ends_the_hints,
    d7_after_registering_the_library_reads_from_the_number_it_has_closed,
    other_lines_and_files_survive_when_some_are_given_up,
    an_edge_just_after_registering_is_told_all_the_same,
    a_line_is_read_where_it_is_though_its_number_was_taken,
    a_refused_line_names_itself_its_number_and_the_cure,
    a_line_that_the_kernel_refuses_is_an_error_and_no_level,
    a_chip_of_another_name_is_an_error_with_the_line,
    the_model_can_be_said_where_nothing_says_it,
    the_wiring_page_names_the_pins_of_the_library,
)


@pytest.mark.parametrize("check", ON_THE_CHIP, ids=lambda check: check.__name__)
def test_on_a_chip_in_memory(check):
    pytest.importorskip("Jetson", reason="Jetson.GPIO is Linux only")
    run_fresh(check)


# -- where the library cannot run ------------------------------------------------------------------


@pytest.fixture
def forgotten():
    """The library, if it is there, has not been imported."""
    names = [name for name in sys.modules if name.partition(".")[0] == "Jetson"]
    kept = {name: sys.modules.pop(name) for name in names}
    yield
    sys.modules.update(kept)


def test_on_anything_but_a_jetson_the_driver_says_so(forgotten):
    pytest.importorskip("Jetson", reason="Jetson.GPIO is Linux only")
    if os.path.exists("/dev/gpiochip0"):  # noqa: PTH110
        pytest.skip("this machine has a GPIO chip")
    with pytest.raises(DriverMissing, match="there is no /dev/gpiochip0: this is no Jetson"):
        ours()


def test_without_the_library_the_driver_names_what_to_install(forgotten, monkeypatch):
    monkeypatch.setitem(sys.modules, "Jetson", None)
    with pytest.raises(DriverMissing, match=r"pip install 'rvm-edge\[jetson\]'") as caught:
        ours()
    assert isinstance(caught.value, LineError)
    assert caught.value.errno == errno.ENOSYS


def test_the_module_is_imported_without_the_library():
    code = "import sys; sys.modules['Jetson'] = None; import actors.drivers.jetson"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
