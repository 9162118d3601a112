"""What a `.pt` would do is found without doing it."""

import io
import itertools
import os
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.backends.pickles import _globals, check_pickle
from models.vision.errors import PickleRefused, WeightsUnreadable


class Calls:
    """Unpickled, it calls what it was given."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def pt(program, *, name="model/data.pkl", more=()):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, program)
        archive.writestr("model/data/0", b"\0" * 16)
        for other, inside in more:
            archive.writestr(other, inside)
    return content.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_of_the_shell_is_named_and_not_made(tmp_path, protocol):
    trace = tmp_path / "trace"
    program = pickle.dumps({"model": Calls(os.system, f"touch {trace}")}, protocol)
    with pytest.raises(PickleRefused, match=r"evil\.pt would call posix\.system"):
        check_pickle(pt(program), "evil.pt")
    with pytest.raises(PickleRefused, match=r"posix\.system"):
        check_pickle(program if protocol > 1 else b"\x80\x02" + program, "bare.pt")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (b"\x80\x02cbuiltins\neval\n.", "builtins.eval"),
        (b"\x80\x02(S'x'\nios\nsystem\n.", "os.system"),
        # Layers by module, but not a class: a function, a module in it, a path through it.
        (b"\x80\x02ctorch.nn.modules.conv\n_pair\n.", "torch.nn.modules.conv._pair"),
        (b"\x80\x02ctorch.nn.modules\nconv.Conv2d.os.system\n.", "conv.Conv2d.os.system"),
        (b"\x80\x04\x8c\x15torch.nn.modules.conv\x8c\tX.y.Popen\x93.", r"X\.y\.Popen"),
        # The name is fetched from the memo, where it was put before.
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94000h\x00h\x01\x93.", "worked out while it runs"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.", "os.system"),
        (b"\x80\x02\x82\x01.", "worked out while it runs"),
    ],
)
def test_tricks(program, says):
    with pytest.raises(PickleRefused, match=says):
        check_pickle(pt(program), "evil.pt")


def test_parts_of_a_network_are_taken():
    names = (
        "torch.nn.modules.conv\nConv2d",
        "ultralytics.nn.modules.block\nC3k2",
        "ultralytics.nn.tasks\nDetectionModel",
        "collections\nOrderedDict",
        "torch._utils\n_rebuild_tensor_v2",
    )
    check_pickle(pt(b"\x80\x02" + b"".join(f"c{name}\n0".encode() for name in names) + b"N."), "ok")


def test_a_state_of_plain_values_is_taken():
    check_pickle(pt(pickle.dumps({"a": [1, 2.5, "x", None, (True, {3})]}, 2)), "ok")


@pytest.mark.parametrize(
    "content",
    [
        pt(b"N.", name="data.pkl"),
        pt(b"N.", more=[("model/constants.pkl", b"N.")]),
        pt(b"N.", more=[("other/data.pkl", b"N.")]),
    ],
)
def test_a_zip_of_another_make_is_refused(content):
    with pytest.raises(PickleRefused, match="save the model again"):
        check_pickle(content, "odd.pt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_programs_of_one_name_are_refused():
    evil = pickle.dumps(Calls(os.system, "true"), 2)
    for first, second in ((evil, b"N."), (b"N.", evil)):
        with pytest.raises(PickleRefused):
            check_pickle(pt(first, more=[("model/data.pkl", second)]), "two.pt")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 and no more", b"text", pt(b"N.")[:-30], pt(b"\x80\x02c"), pt(b"\xff")],
)
def test_what_is_no_whole_file_is_said_so(content):
    with pytest.raises(WeightsUnreadable, match="save the model again"):
        check_pickle(content, "torn.pt")


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_harmless(content):
    for form in (content, pt(content)):
        try:
            check_pickle(form, "garbage.pt")
        except (PickleRefused, WeightsUnreadable):
            continue


def text(word):
    return pickle.SHORT_BINUNICODE + bytes([len(word)]) + word


EVIL, GOOD = text(b"os") + text(b"system"), text(b"collections") + text(b"OrderedDict")
OPERATIONS = (
    *(EVIL, GOOD, text(b"os")),
    *(pickle.POP, pickle.DUP, pickle.MARK, pickle.POP_MARK, pickle.NONE, pickle.TUPLE2),
    *(pickle.MEMOIZE, pickle.BINPUT + b"\0", pickle.BINGET + b"\0", b"\x80\x04"),
    *(pickle.STACK_GLOBAL, b"cos\nsystem\n", pickle.EXT1 + b"\1"),
)
PYTHON_UNPICKLER = pickle._Unpickler  # the one that does not allocate what a program only claims


class Watched(PYTHON_UNPICKLER):
    """Carries a program out, but gives nothing real for a name, and writes the names down."""

    def __init__(self, program):
        super().__init__(io.BytesIO(program))
        self.asked = set()

    def find_class(self, module, name):
        self.asked.add(f"{module}.{name}")
        return lambda *_: None

    def get_extension(self, code):
        self.asked.add("an extension")
        self.append(lambda *_: None)


def test_what_passes_asks_for_nothing_else_when_it_runs():
    """Every order of four operations between two names and a call of one: 65 536 small programs."""
    passed = 0
    for operations in itertools.product(OPERATIONS, repeat=4):
        program = b"\x80\x04" + EVIL + b"".join(operations) + pickle.STACK_GLOBAL + b"."
        if set(_globals(program, "tried.pt")) <= {"collections.OrderedDict"}:
            passed += 1
            watched = Watched(program)
            try:
                watched.load()
            except Exception:  # noqa: BLE001 - most orders make no sense; the names count
                pass
            assert watched.asked <= {"collections.OrderedDict"}, operations
    assert passed > 100


def test_the_files_of_ultralytics_are_taken(yolo_files):
    for name in ("yolo26n.pt", "yolo11n.pt"):
        check_pickle((yolo_files / name).read_bytes(), name)
