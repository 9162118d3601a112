"""The drawing of the tree in `docs/architecture.md`, made from the tree itself so it cannot lie.

python -m rvm_edge.outline            print it
python -m rvm_edge.outline --write    put it between the markers of docs/architecture.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from actors import tree
from actors.absent import Absent
from actors.tree import Drivers
from config.settings import Settings
from rvm_edge.drivers import choose_drivers
from supervisors import ChildSpec, Host, SupervisorSpec

BEGIN, END = "<!-- tree:begin -->", "<!-- tree:end -->"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"

_NOWHERE = Path("/nowhere")  # a spec names the data directory and does not touch it
_STYLES = """\
    classDef supervisor fill:#dbe7f6,stroke:#3b6ea5,color:#14202e
    classDef thread fill:#f4f4f1,stroke:#8a8a80,color:#1c1c1a
    classDef process fill:#dff0df,stroke:#3f8f4f,color:#12301a
    classDef simulated fill:#fff3d6,stroke:#b98a1d,color:#3a2b05
    classDef absent fill:#ffffff,stroke:#b0b0b0,color:#6b6b6b,stroke-dasharray:4 3"""


def draw() -> str:
    """The whole machine on the simulated profile, as a mermaid flowchart in its fence."""
    settings = Settings()
    drivers = choose_drivers(settings, _NOWHERE)
    spec = tree.machine(settings, drivers, _NOWHERE, "")
    real = tree.machine(settings, Drivers(), _NOWHERE, "")
    simulated = {child.id for child in spec.children} - {child.id for child in real.children}
    lines = [_supervisor("root", "/", spec), *_below(spec, "root", "", simulated)]
    body = "\n".join(f"    {line}" for line in lines)
    return f"```mermaid\nflowchart LR\n{body}\n{_STYLES}\n```"


def _below(spec: SupervisorSpec, parent: str, prefix: str, simulated: set[str]) -> list[str]:
    lines: list[str] = []
    for child in spec.children:
        name = prefix + child.id.replace("-", "_")
        if isinstance(child.start, SupervisorSpec):
            lines.append(f"{parent} --> {_supervisor(name, child.id, child.start)}")
            lines += _below(child.start, name, f"{name}_", set())
        else:
            lines.append(f"{parent} --> {_worker(name, child, is_simulated=child.id in simulated)}")
    return lines


def _supervisor(name: str, title: str, spec: SupervisorSpec) -> str:
    end = "escalates" if spec.on_exhausted == "escalate" else "quarantines"
    return f'{name}(["{title}<br>{spec.strategy.value}, {end}"]):::supervisor'


def _worker(name: str, child: ChildSpec, *, is_simulated: bool) -> str:
    if child.start is Absent:
        return f'{name}["{child.id}<br>not there yet"]:::absent'
    style = "process" if child.host is Host.PROCESS else "thread"
    facts = [style, *(["critical"] if child.critical else [])]
    if is_simulated:
        style, facts = "simulated", [style, "simulated profile only"]
    return f'{name}["{child.id}<br>{", ".join(facts)}"]:::{style}'


def insert(page: str, drawing: str) -> str:
    """The page with this drawing between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"the page needs the markers {BEGIN} and {END}"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n{drawing}\n{END}{after}"


def main(argv: list[str]) -> int:
    """Print the drawing, or write it into the page."""
    if argv not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not argv:
        print(draw())
        return 0
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8"), draw()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
