"""`rvm-edge diagnostics`: one file with all that helps somebody far away, and no secret.

A tar.gz of at most 5 MB, made within 30 s, whether the machine runs or not. What cannot be had is
named in `missing.txt` and stops nothing. It is written beside its place and renamed: whoever finds
it finds all of it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rvm_edge import version
from rvm_edge.client import EXIT_REFUSED, EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate
from rvm_edge.logs import plain

if TYPE_CHECKING:
    from config.settings import Settings
    from supervisors.clock import Clock

BYTES_MAX = 5_000_000
DOCTOR_S = 12.0
_ASK_S = 4.0
_MB = 1_000_000
_SECRET_LENGTH_MIN = 8
_SECRET_BYTES_MAX = 4096
_REASON_MAX = 500
_HIDDEN = "***"
_CLAIM = "claim"
"""A claim is as good as its credits to whoever holds it."""
_SYSTEM = ("/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/mounts", "/etc/os-release")


class Source(NamedTuple):
    """One member of the archive.

    Attributes:
        bytes_max: before compression; all of them together are less than the archive may have, so
            that it keeps its size even where nothing can be compressed.
        read: gives its text.
        keeps_end: of what is too long the end is kept.
    """

    name: str
    bytes_max: int
    read: Callable[[], str]
    keeps_end: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (default: here)")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.add_argument("--config", metavar="F", help="settings file (TOML)")
    parser.add_argument("--profile", choices=("simulated", "jetson"), help="as for start")
    parser.epilog = (
        "Status and stacks of the running machine, events, the last messages, the end of the log,\n"
        "settings, what doctor says, the ledger's counts. Secrets and keys are left out.\n\n"
        "exit status: 0 done, 1 it cannot be written, 2 wrong usage"
    )


def run(args: argparse.Namespace) -> int:
    """Make it."""
    from config.errors import SettingsError
    from rvm_edge.start import load_settings
    from supervisors.clock import SystemClock

    directory, clock = locate(args.data_dir), SystemClock()
    settings: Settings | None
    try:
        settings, _ = load_settings(args, directory)
    except SettingsError as error:
        print(f"rvm-edge diagnostics: {error}; going on without", file=sys.stderr)
        settings = None
    stamp = datetime.fromtimestamp(clock.wall(), timezone.utc).strftime("%Y%m%d-%H%M%S")
    out: Path = args.out or Path.cwd() / f"rvm-edge-diagnostics-{stamp}.tar.gz"
    if not out.parent.is_dir():
        print(f"rvm-edge diagnostics: there is no directory {out.parent}", file=sys.stderr)
        return EXIT_USAGE
    try:
        missing = collect(directory, out, settings, clock)
    except OSError as error:
        print(f"rvm-edge diagnostics: cannot write {out}: {error.strerror}", file=sys.stderr)
        return EXIT_REFUSED
    size = out.stat().st_size
    told = {"file": str(out), "bytes": size, "missing": missing}
    print(json.dumps(told) if args.json else f"{out}: {size} bytes")
    if missing and not args.json:
        print(f"not to be had: {', '.join(missing)}")
    return 0


def collect(directory: Path, out: Path, settings: Settings | None, clock: Clock) -> dict[str, str]:
    """Write the archive.

    Args:
        directory: the machine's data directory.
        settings: in force; None: they cannot be read.

    Returns:
        What could not be had, and why.

    Raises:
        OSError: it cannot be written.
    """
    secrets = _secrets(directory, settings)
    missing: dict[str, str] = {}
    beside = out.with_name(f"{out.name}.new")
    at = clock.wall()
    try:
        with _private(beside) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for source in sources(directory, settings):
                try:
                    text = source.read()
                except (OSError, ValueError, ClientError, subprocess.SubprocessError) as error:
                    why = _without(str(plain(str(error))), secrets)[:_REASON_MAX]
                    missing[source.name] = why or type(error).__name__
                    continue
                _add(archive, source.name, _cut(_without(text, secrets), source), at)
            told = "".join(f"{name}: {why}\n" for name, why in missing.items())
            _add(archive, "missing.txt", told.encode(errors="replace"), at)
        beside.replace(out)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return missing


def sources(directory: Path, settings: Settings | None) -> Iterator[Source]:
    """What goes into the archive, most helpful first."""
    from protocol.control import GetStacks, GetStatus, SendCommand

    def asked(request: Any) -> Callable[[], str]:
        return lambda: _json(ask(directory, request, _ASK_S))

    yield Source("summary.json", 20_000, lambda: _summary(directory))
    yield Source("status.json", _MB // 2, asked(GetStatus()))
    yield Source("stacks.json", _MB // 4, asked(GetStacks()))
    yield Source("settings.json", 100_000, lambda: _settings(settings))
    yield Source("doctor.json", _MB // 5, lambda: _doctor(directory))
    yield Source("store.json", 50_000, asked(SendCommand("/storage", "describe", {}, _ASK_S)))
    commands = SendCommand("/storage", "list_commands", {"limit": 100}, _ASK_S)
    yield Source("commands.json", _MB // 5, lambda: _commands(ask(directory, commands, _ASK_S)))
    yield Source("events.jsonl", _MB, lambda: _lines(directory / "events.jsonl", _MB), True)
    log = directory / "logs" / "rvm-edge.jsonl"
    yield Source("log.jsonl", 3 * _MB // 2, lambda: _lines(log, 3 * _MB // 2), True)
    yield Source("flight.jsonl", _MB // 2, lambda: _flight(directory), True)
    for path in map(Path, _SYSTEM):
        yield Source(f"system/{path.name}", 20_000, partial(path.read_text, errors="replace"))


# ----- The members ----------------------------------------------------------------------------


def _summary(directory: Path) -> str:
    hardware_id = directory / "hardware_id"
    disk = os.statvfs(directory)
    return _json(
        {
            "version": version(),
            "python": sys.version,
            "system": " ".join(platform.uname()),
            "hardware_id": hardware_id.read_text().strip() if hardware_id.exists() else None,
            "data_dir": str(directory),
            "disk_free_bytes": disk.f_bavail * disk.f_frsize,
            "files": sorted(
                f"{path.relative_to(directory)} {path.stat().st_size}"
                for path in directory.glob("*")
                if path.is_file()
            ),
        }
    )


def _settings(settings: Settings | None) -> str:
    from config.keys import public
    from config.settings import section_args

    if settings is None:
        msg = "the settings cannot be read"
        raise ValueError(msg)
    shown = {
        section: {name: public(f"{section}.{name}", value) for name, value in values.items()}
        for section, values in section_args(settings).items()
    }
    return _json(shown)


def _commands(listed: Any) -> str:
    """The newest remote commands; their arguments as they were meant, to be looked through too."""
    records = [{**record, "args": _args(record["args"])} for record in listed["records"]]
    return _json({**listed, "records": records})


def _args(raw: bytes | str) -> Any:
    """Args: raw: JSON; where the control socket cannot carry bytes, as base64."""
    try:
        text = raw if isinstance(raw, bytes) else base64.b64decode(raw, validate=True)
        return json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return "unreadable"


def _doctor(directory: Path) -> str:
    """In a process of its own: it looks at libraries that may take theirs with them."""
    command = [sys.executable, "-m", "rvm_edge", "doctor", "--json", "--data-dir", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOCTOR_S)
    return _json(json.loads(done.stdout))


def _flight(directory: Path) -> str:
    from supervisors.recorder import read_flight

    return "".join(json.dumps(row) + "\n" for row in read_flight(directory))


def _lines(path: Path, bytes_max: int) -> str:
    """The end of a file of JSON lines, each without what looks like a secret."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - bytes_max))
        lines = file.read(bytes_max).decode(errors="replace").splitlines()
    return "".join(f"{_line(line)}\n" for line in lines[size > bytes_max :])


def _line(line: str) -> str:
    try:
        return json.dumps(_deep(json.loads(line)))
    except (ValueError, RecursionError):
        return str(plain(line))


def _json(value: Any) -> str:
    return json.dumps(_deep(value), indent=1, default=str)


def _deep(value: Any, name: str = "") -> Any:
    """Without secrets at any depth; `plain` turns what is deep into text."""
    if name == _CLAIM and value:
        return _HIDDEN
    if isinstance(value, dict) and plain("", name) != _HIDDEN:
        return {str(key): _deep(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deep(item, name) for item in value]
    return plain(value, name)


# ----- Secrets and sizes ----------------------------------------------------------------------


def _secrets(directory: Path, settings: Settings | None) -> tuple[str, ...]:
    """What stands in the files that hold secrets, to be looked for by its letters."""
    found: set[str] = set()
    for path in _secret_files(directory, settings):
        try:
            with path.expanduser().open("rb") as file:
                content = file.read(_SECRET_BYTES_MAX)
        except (OSError, RuntimeError):
            continue
        lines = content.decode(errors="replace").splitlines()
        found.update((content.hex(), *(line.strip() for line in lines)))
    return tuple(text for text in found if len(text) >= _SECRET_LENGTH_MIN)


def _secret_files(directory: Path, settings: Settings | None) -> Iterator[Path]:
    """Those that are set, the machine's own keys, and what systemd has handed over."""
    if settings is not None:
        uplink = settings.uplink
        named = (uplink.api_key_file, uplink.enrolment_token_file)
        yield from (Path(name) for name in named if name is not None)
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    for folder in (directory / "keys", *([Path(handed_over)] if handed_over else [])):
        with contextlib.suppress(OSError):  # not there, or not ours to read, and so not shown
            yield from sorted(folder.iterdir())


def _without(text: str, secrets: tuple[str, ...]) -> str:
    """Without these, as they are, in JSON, and in JSON that is a text in JSON."""
    for secret in secrets:
        form = secret
        for _ in range(3):
            text = text.replace(form, _HIDDEN)
            form = json.dumps(form)[1:-1]
    return text


def _cut(text: str, source: Source) -> bytes:
    data = text.encode(errors="replace")
    if len(data) <= source.bytes_max:
        return data
    if not source.keeps_end:
        return data[: source.bytes_max]
    return data[-source.bytes_max :].partition(b"\n")[2]  # from the next whole line on


def _private(path: Path) -> io.BufferedWriter:
    """A new file for this user alone."""
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(fd, "wb")


def _add(archive: tarfile.TarFile, name: str, data: bytes, at: float) -> None:
    member = tarfile.TarInfo(f"rvm-edge-diagnostics/{name}")
    member.size, member.mtime, member.mode = len(data), int(at), 0o600
    archive.addfile(member, io.BytesIO(data))
