"""What the pages in docs/ say is what the code does."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import Message
from protocol.system import Ping
from rvm_edge import outline
from supervisors import (
    Actor,
    Backoff,
    ChildSpec,
    Supervisor,
    SupervisorSpec,
    dynamic,
    exits,
    handles,
)
from supervisors.plan import State
from supervisors.status import snapshot
from supervisors.testing import eventually

DOCS = Path(__file__).resolve().parents[2] / "docs"
SLOW = Backoff(initial_s=20.0, maximum_s=20.0)
OPEN_MAPS = {"facts", "by_cause"}  # their keys are not ours to list
OF_THE_DAEMON = {"version", "machine", "profile", "data_dir", "phase", "settings"} | {
    f"settings.{name}" for name in ("version", "state", "behind", "rolled_back", "troubles")
}
TYPES = {
    "text": {str},
    "integer": {int},
    "number": {int, float},
    "boolean": {bool},
    "object": {dict},
    "list": {list},
    "null": {type(None)},
}


class Crash(Message, frozen=True, tag="docs.crash"):
    pass


class Block(Message, frozen=True, tag="docs.block"):
    pass


class Worker(Actor):
    gate = threading.Event()

    @handles(Crash)
    def crash(self, message: Crash) -> None:
        raise RuntimeError("as told")

    @handles(Block)
    def block(self, message: Block) -> None:
        self.ctx.note(blocked=True)
        self.gate.wait(4.0)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table(text: str, first: str) -> dict[str, list[str]]:
    """Rows of all tables whose first column is called ``first``, by that column."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in block.splitlines()]
        if rows[0][0] == first:
            found.update({row[0]: row[1:] for row in rows[2:]})
    return found


# ----- architecture.md ------------------------------------------------------------------------


def test_the_drawing_of_the_tree_is_the_tree():
    text = page("architecture.md")
    assert outline.insert(text, outline.draw()) == text, (
        "the tree has changed: python -m rvm_edge.outline --write"
    )


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="tree:begin"):
        outline.insert("nothing to see", "drawing")


def test_the_drawing_is_printed_and_written(tmp_path, monkeypatch, capsys):
    copy = tmp_path / "page.md"
    copy.write_text(f"before\n{outline.BEGIN}\nold\n{outline.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(outline, "PAGE", copy)
    assert outline.main([]) == 0
    assert outline.main(["--write"]) == 0
    assert outline.main(["--wrong"]) == 2
    drawing = capsys.readouterr().out
    written = copy.read_text(encoding="utf-8")
    assert written == f"before\n{outline.BEGIN}\n{drawing}{outline.END}\nafter\n"


# ----- runtime.md -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block", re.findall(r"```python\n(.*?)```", page("runtime.md"), re.DOTALL), ids=len
)
def test_every_example_runs(block):
    exec(compile(block, "docs/runtime.md", "exec"), {"__name__": "docs"})


def in_state(state: str) -> Supervisor:
    """A supervisor whose child ``it`` is in a state of the table."""
    children = () if state == "unknown id" else (ChildSpec("it", Worker),)
    sup = Supervisor.start(SupervisorSpec(children, intensity=None, backoff=SLOW))
    if state == "stopped":
        sup.terminate_child("it")
    elif state == "restart pending":
        sup.tell("it", Crash())
        eventually(lambda: sup.rows["it"].state is State.RESTARTING)
    return sup


STATES = ("child runs", "stopped", "restart pending", "unknown id")


@pytest.mark.parametrize("state", STATES)
def test_the_answers_of_the_interface(state):
    rows = table(page("runtime.md"), "call")
    assert len(rows) == 6
    for call, answers in rows.items():
        name = call.split("`")[0]
        argument = ChildSpec("it", Worker) if name == "start_child" else "it"
        with in_state(state) as sup:
            answer = getattr(sup, name)(argument)
        assert type(answer).__name__ == answers[STATES.index(state)], (name, state)


def test_the_answers_that_the_table_has_no_room_for():
    class Fails(Actor):
        def on_start(self) -> None:
            raise RuntimeError("as told")

    with Supervisor.start(SupervisorSpec(())) as sup:
        assert type(sup.start_child(ChildSpec("it", Fails))).__name__ == "StartFailed"
        assert sup.which_children() == ()
        wrong = ChildSpec("it", Worker, significant=True, restart="temporary")
        assert type(sup.start_child(wrong)).__name__ == "InvalidSpec"
    assert type(sup.start_child(ChildSpec("it", Worker))).__name__ == "NoProc"
    with Supervisor.start(dynamic(ChildSpec("it", Worker))) as sup:
        sup.start_child({})
        assert type(sup.restart_child("it-1")).__name__ == "SimpleOneForOne"
        assert type(sup.delete_child("it-1")).__name__ == "SimpleOneForOne"


def test_every_exit_reason_is_in_the_table():
    known = {reason.__name__: reason for reason in exits.ExitReason.__args__}
    rows = table(page("runtime.md"), "reason")
    assert rows.keys() == known.keys()
    normal = {name for name, row in rows.items() if row[-1] == "yes"}
    assert normal == {"Normal", "Shutdown"}


# ----- status.md ------------------------------------------------------------------------------


def fields(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """All fields of a status with their values, in the words of the page."""
    if path:
        yield path, value
    if isinstance(value, dict) and path.rpartition(".")[2] not in OPEN_MAPS:
        for key, inner in value.items():
            yield from fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from (found for found in fields(inner, f"{path}[]") if found[0] != f"{path}[]")


@pytest.fixture
def status() -> Iterator[dict[str, object]]:
    """Of a small tree: one is busy, one waits for its restart, one has done its work."""
    below = SupervisorSpec((ChildSpec("done", Worker),))
    children = (*(ChildSpec(id_, Worker) for id_ in ("busy", "pending")), ChildSpec("below", below))
    spec = SupervisorSpec(children, intensity=None, backoff=SLOW)
    with Supervisor.start(spec) as sup:
        sup.request("/below/done", Ping())
        sup.tell("pending", Crash())
        sup.tell("busy", Block())
        eventually(lambda: sup.rows["pending"].state is State.RESTARTING)
        eventually(lambda: sup.rows["busy"].running.vitals.current is not None)
        yield snapshot(sup.system, sup)
        Worker.gate.set()


def test_every_field_is_documented_with_its_type(status):
    documented = table(page("status.md"), "field")
    emitted = list(fields(status))
    assert documented.keys() - {path for path, _ in emitted} == OF_THE_DAEMON
    for path, value in emitted:
        kinds = documented[path][0].split(" or ")
        assert type(value) in {type_ for kind in kinds for type_ in TYPES[kind]}, (path, value)


@pytest.fixture
def machine(tmp_path) -> Iterator[list[str]]:
    """The command line that asks a real daemon for its status."""
    python = [sys.executable, "-I", "-m", "rvm_edge"]
    at = ["--data-dir", str(tmp_path)]
    with (tmp_path / "said").open("w") as said:
        daemon = subprocess.Popen([*python, "start", *at], stdout=said, stderr=said)
    yield [*python, "status", "--json", *at]
    daemon.terminate()
    daemon.wait(20.0)


def test_the_daemon_says_nothing_that_is_not_documented(machine):
    def ask() -> bytes:
        return subprocess.run(machine, capture_output=True, check=False).stdout

    documented = table(page("status.md"), "field")
    emitted = {path for path, _ in fields(json.loads(eventually(ask)))}
    assert emitted <= documented.keys()
    assert emitted >= OF_THE_DAEMON


def test_every_state_is_documented():
    assert table(page("status.md"), "state").keys() == {state.value for state in State} | {"busy"}
