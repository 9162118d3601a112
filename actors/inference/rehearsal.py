"""The trial of a newcomer, in a process of its own that nobody misses.

    rehearsal = Rehearsal(job, limits, clock)
    rehearsal.poll()        None while it goes on; `Passed`, or `Stumbled` with the reason

Why not in the process that serves: a model that crashes, hangs or eats memory would take the one
that serves with it, and a customer's item too. Here it takes itself, while the other one goes on
deciding; a GPU engine may take its minutes to be built. What has passed is loaded once more beside
the old one, which then costs less than a second. The process is niced, dies with its parent, is the
first that the kernel shoots when memory ends, and is watched from outside: by what it says, for how
long it is silent, and for what it takes. What it does stands in `rehearsing.py`.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.vision.trial import Began, Job, Passed, Step, Stumbled, TrialLimits, Word
from supervisors.boot import isolated

if TYPE_CHECKING:
    from supervisors.clock import Clock

_LAST_WORDS = 600
_READ_BYTES = 1 << 16
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Rehearsal:
    """A trial that goes on; `close` ends it wherever it is.

    Attributes:
        step: what it is at.
    """

    def __init__(self, job: Job, limits: TrialLimits, clock: Clock) -> None:
        """Start it."""
        self._job, self._limits, self._clock = job, limits, clock
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        self._buffer = b""
        self._fingerprint = ""
        self._answer: Passed | Stumbled | None = None
        self.step: Step = "boot"
        self._since_s = clock.monotonic()
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_fd, False)
        self._pipe = read_fd
        try:
            self._process = self._launch(write_fd)
        except BaseException:
            os.close(read_fd)
            self._last_words.close()
            raise
        finally:
            os.close(write_fd)

    def _launch(self, write_fd: int) -> subprocess.Popen[bytes]:
        arguments = [msgspec.json.encode(self._job).decode(), str(write_fd), str(os.getpid())]
        return subprocess.Popen(
            isolated(sys.executable, "actors.inference.rehearsing", arguments),
            stdin=subprocess.DEVNULL,
            stdout=self._last_words,
            stderr=self._last_words,
            pass_fds=(write_fd,),
            env={**os.environ, **_ONE_THREAD},
        )

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def poll(self) -> Passed | Stumbled | None:
        """Hear what it has said, and end it if it has gone too far. Never waits."""
        if self._answer is not None:
            return self._answer
        has_ended = self._process.poll() is not None
        self._hear()
        if self._answer is None:
            why = self._end_of_process() if has_ended else self._excess()
            if why:
                self._answer = Stumbled(self.step, "Ended", why, self._fingerprint)
        if self._answer is not None:
            self.close()
        return self._answer

    def close(self) -> None:
        """End its process, whatever it is at."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            self._last_words.close()

    def _hear(self) -> None:
        try:
            while chunk := os.read(self._pipe, _READ_BYTES):
                self._buffer += chunk
        except BlockingIOError:
            pass  # that was all for now
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                self._take(msgspec.json.decode(line, type=Word))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                why = f"it says what no rehearsal says: {error}"
                self._answer = Stumbled(self.step, "Ended", why, self._fingerprint)

    def _take(self, word: Word) -> None:
        if isinstance(word, Began):
            self.step, self._since_s = word.step, self._clock.monotonic()
            self._fingerprint = word.fingerprint or self._fingerprint
        elif isinstance(word, Stumbled):
            self._answer = msgspec.structs.replace(word, fingerprint=self._fingerprint)
        else:
            self._answer = word

    def _excess(self) -> str:
        used_mb = _resident_mb(self._process.pid)
        if used_mb > self._limits.memory_mb_max:
            allowed = f"{self._limits.memory_mb_max} MB are allowed (inference.memory_mb_max)"
            return f"it eats memory: {used_mb:.0f} MB at the step {self.step!r}, {allowed}"
        limit_s = self._limits.step_s(self.step)
        if self._clock.monotonic() - self._since_s > limit_s:
            what = f"at the step {self.step!r}, with {used_mb:.0f} MB"
            return f"it hangs: no sign of it for {limit_s:g} s, {what}"
        return ""

    def _end_of_process(self) -> str:
        code = self._process.returncode
        if code < 0:
            return f"it crashed at the step {self.step!r}: {_signal_name(-code)}"
        self._last_words.seek(0, os.SEEK_END)
        self._last_words.seek(max(0, self._last_words.tell() - _LAST_WORDS))
        lines = self._last_words.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return f"it ended at the step {self.step!r} with status {code}{said}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0  # it has just ended
    return pages * resource.getpagesize() / 1e6
