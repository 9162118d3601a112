"""The tree as a value: what the design draws, and nothing that a process could not be given."""

import msgspec

from actors import tree
from config.settings import (
    CameraSettings,
    DepositSettings,
    DetailSettings,
    MachineSettings,
    SessionSettings,
    Settings,
    UplinkSettings,
)
from rvm_edge.drivers import choose_drivers
from rvm_edge.operator import VERBS
from supervisors import Host, SupervisorSpec
from supervisors.actor import build, commands_of

DRAWN = """
/storage thread
/world process
/machine one_for_all escalate
/machine/motor process
/machine/sensors thread
/vision rest_for_one quarantine
/vision/camera process
/vision/inference process
/service rest_for_one quarantine
/service/deposit thread
/service/session thread
/uplink one_for_one quarantine
/uplink/link thread
/uplink/courier thread
/uplink/reports thread
/uplink/commands thread
/uplink/channel thread
/uplink/sync thread
/uplink/media thread
/console one_for_one quarantine
/console/api thread
/console/kiosk thread
/updates thread
/health thread
"""


def machine(tmp_path, settings=Settings()) -> SupervisorSpec:  # noqa: B008 - frozen
    drivers = choose_drivers(settings, tmp_path)
    return tree.machine(settings, drivers, tmp_path, "m")


def walk(spec, prefix=""):
    for child in spec.children:
        path = f"{prefix}/{child.id}"
        yield path, child
        if isinstance(child.start, SupervisorSpec):
            yield from walk(child.start, path)


def line(path, child):
    if isinstance(child.start, SupervisorSpec):
        return f"{path} {child.start.strategy.value} {child.start.on_exhausted}"
    return f"{path} {child.host.value}"


def test_the_tree_is_the_one_that_is_drawn(tmp_path):
    lines = [line(path, child) for path, child in walk(machine(tmp_path))]
    assert lines == DRAWN.split("\n")[1:-1]


def test_every_actor_could_live_in_a_process(tmp_path):
    for path, child in walk(machine(tmp_path)):
        if isinstance(child.start, type):
            args = msgspec.msgpack.decode(msgspec.msgpack.encode(dict(child.args)))
            assert isinstance(build(child.start, args), child.start), path


def test_what_calls_drivers_or_native_code_has_a_process_of_its_own(tmp_path):
    hosts = {path: child.host for path, child in walk(machine(tmp_path))}
    for path in ("/machine/motor", "/vision/camera", "/vision/inference"):
        assert hosts[path] is Host.PROCESS


def test_the_motor_is_brought_to_rest_whoever_ends_it(tmp_path):
    motor = dict(walk(machine(tmp_path)))["/machine/motor"]
    assert motor.fail_safe == "actors.motor.actor:make_safe"
    assert motor.critical


def test_no_command_of_an_actor_is_hidden_by_a_verb_of_its_supervisor(tmp_path):
    for path, child in walk(machine(tmp_path)):
        if isinstance(child.start, type):
            assert not set(VERBS) & set(commands_of(child.start)), path


def birth(tmp_path, **settings):
    spec = machine(tmp_path, Settings(**settings))
    return spec, dict(walk(spec))["/uplink/link"].args


def test_the_platform_is_told_of_everybody_there_is(tmp_path):
    for detail in (DetailSettings(), DetailSettings(barcode=True)):
        spec, args = birth(tmp_path, detail=detail)
        actors = [path for path, child in walk(spec) if isinstance(child.start, type)]
        assert list(args["actors"]) == actors
        assert ("/vision/detail/look" in actors) is detail.barcode


def test_the_platform_is_told_what_the_machine_can_do(tmp_path):
    _, args = birth(tmp_path)
    always = ("media.multipart", "media.resumable")
    assert args["capabilities"] == ("camera", "guests", *always, "scale", "simulated")
    _, args = birth(
        tmp_path,
        machine=MachineSettings(profile="jetson"),
        camera=CameraSettings(source="chamber"),
        detail=DetailSettings(barcode=True, outline="grabcut"),
        session=SessionSettings(guests="off"),
        deposit=DepositSettings(needs_scale=False),
        uplink=UplinkSettings(server_url="https://rvm.example.com"),
    )
    assert args["capabilities"] == ("barcode", "evidence.review", *always, "outline")


def test_without_a_platform_nobody_prepares_pictures_for_it(tmp_path):
    def told(**uplink):
        spec = machine(tmp_path, Settings(uplink=UplinkSettings(**uplink)))
        return dict(walk(spec))["/vision/inference"].args["evidence_to"]

    assert told() == ""
    assert told(server_url="https://rvm.example.com") == "/uplink/media"
    assert told(local_url="https://rvm.example.com", evidence="all") == "/uplink/media"
    assert told(server_url="https://rvm.example.com", evidence="off") == ""
