"""A core in a process of its own, with hosts in every state one can be in, for tests to kill."""

import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from supervisors.testing import eventually
from tests.supervisors.hosted import HostedAsync
from tests.supervisors.trees import ask, do, hosted, tree
from tests.supervisors.words import Do


def main(argv: list[str]) -> int:
    """Start, print the pids of all that must go with this process, and wait; a word: a variant."""
    folder = Path(tempfile.mkdtemp())
    ids = ("idle", "gil", "hang", "frozen", "parent", "heir")
    specs = [hosted(id_, shutdown=0.3) for id_ in ids]
    with tree(*specs, hosted("async", kind=HostedAsync), hosted("fresh", fresh=True)) as sup:
        pids = {id_: ask(sup, id_).pid for id_ in sup.rows}
        for id_ in ("parent", "heir"):
            do(sup, id_, "children", str(folder / id_))
            pids[f"{id_}'s child"] = int((folder / id_).read_text())
        pids["zygote"] = sup.system.zygote_pid or 0
        sup.tell("gil", Do("gil_long"))
        sup.tell("hang", Do("hang_long"))
        for id_ in ("gil", "hang"):
            running = sup.rows[id_].running
            eventually(lambda: running.vitals.current)  # type: ignore[union-attr]  # noqa: B023
        os.kill(pids["frozen"], signal.SIGSTOP)
        if "loaded" in argv:
            for _ in range(4):
                threading.Thread(target=_burn, daemon=True).start()
        print(json.dumps(pids), flush=True)  # noqa: T201 - the test reads it
        sys.stdin.read()
    return 0


def _burn() -> None:
    while True:
        pass
