"""How each layer is read.

The defaults, a TOML file, the environment, a `.env` file, a mapping, and the platform's word.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from config import dotenv
from config.errors import Problem
from config.keys import from_text, keys, nearest
from config.layers import Layer, Said, Sentence, flat, layer_of
from config.platform import ServerWord

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BYTES_MAX = 1_000_000  # a settings file has a few kB; this also ends /dev/zero
PREFIX: Final = "RVM_EDGE_"

# Names with the prefix that are no settings: where the data lies, and a switch of the tests.
NOT_SETTINGS = frozenset({"RVM_EDGE_DATA_DIR", "RVM_EDGE_WHEEL"})

# The seeds' names. Several keys take a list, in this order.
SEED_NAMES: Mapping[str, tuple[str, ...]] = {
    "RVM_SERVER_URL": ("uplink.server_url",),
    "HARDWARE_ID": ("machine.hardware_id",),
    "MOTOR_GPIO_LINES": ("motor.gpio_lines",),
    "SENSOR_GPIO_LINES": (
        "sensors.gpio_lines.inside",
        "sensors.gpio_lines.exit",
        "sensors.gpio_lines.drop",
    ),
    "MODEL_PATH": ("inference.model",),
    "LOG_LEVEL": ("logging.level",),
    "HEARTBEAT_INTERVAL": ("uplink.heartbeat_s",),
}

# The seeds' names that set nothing here; who uses them shall be told, not left in the dark.
UNUSED_SEED_NAMES: Mapping[str, str] = {
    "RVM_WS_URL": "the platform names its WebSocket itself",
    "RVM_API_KEY": "a secret does not belong there: put it in a file, and its path in "
    "uplink.api_key_file",
    "GPIO_CHIP": "the driver knows the board's chips",
    "MODEL_VERSION": "the model's manifest says it",
    "DETECTION_THRESHOLD": "the model's manifest has one for each class",
    "OFFLINE_BUFFER_SIZE": "everything is kept until storage.map_mb_max is full",
}

_AT = re.compile(
    r"(?P<what>.*?) \(at (?P<place>line \d+, column \d+|end of document)\)\Z", re.DOTALL
)


class Unreadable(Exception):
    """A file that gives no text; the message is the reason."""


def defaults() -> Layer:
    """Give what `settings.py` says."""
    origin = "config/settings.py"
    says = {key.name: Said(key.default, origin) for key in keys().values()}
    return Layer("defaults", origin, says)


def toml_file(name: str, path: Path) -> Layer:
    """Read a TOML file; relative paths in it begin at its folder."""
    origin = str(path)
    try:
        tree = _parsed(_text_of(path))
    except Unreadable as error:
        return _unreadable(name, origin, error)
    folder = path.absolute().parent
    return layer_of(name, origin, flat(tree, origin), folder=folder)


def mapping(name: str, tree: Mapping[str, object], folder: Path | None) -> Layer:
    """Take settings as the program gives them: nested, or by dotted keys."""
    return layer_of(name, name, flat(tree, name), folder=folder)


def platform(word: ServerWord) -> Layer:
    """Take what the platform says; relative paths are none of its business."""
    origin = f"the platform's version {word.version}"
    return layer_of("server", origin, flat(word.settings, origin))


def environment(variables: Mapping[str, str], folder: Path | None) -> Layer:
    """Take the environment's variables, the seeds' and ours."""
    said = [(name, text, f"environment variable {name}") for name, text in variables.items()]
    return _variables("environment", "environment", said, folder=folder)


def env_file(path: Path) -> Layer:
    """Read a `.env` file; one that is not there says nothing."""
    origin = str(path)
    try:
        if not path.is_file():  # a virtual environment may be called so, too
            return Layer(".env", origin)
        lines = list(dotenv.parse(_text_of(path)))
    except (OSError, Unreadable, dotenv.BadLine) as error:
        return _unreadable(".env", origin, error)
    # As in a shell, the last of several lines wins.
    last = {line.name: (line.value, f"{origin}, line {line.number}: {line.name}") for line in lines}
    said = [(name, text, where) for name, (text, where) in last.items()]
    return _variables(".env", origin, said, folder=path.absolute().parent)


def _unreadable(name: str, origin: str, error: Exception) -> Layer:
    return Layer(
        name, origin, problems=(Problem(layer=name, origin=origin, key=None, text=str(error)),)
    )


# ----- Variables ------------------------------------------------------------------------------


def variable_of(key: str) -> str:
    """Name the variable that sets a key: `RVM_EDGE_MOTOR_LEASE_S`."""
    return PREFIX + key.upper().replace(".", "_")


def variable_names() -> dict[str, str]:
    """Give our own variables and the keys they set."""
    return {variable_of(name): name for name in keys()}


def _variables(
    layer: str, origin: str, said: list[tuple[str, str, str]], *, folder: Path | None
) -> Layer:
    sentences: list[Sentence] = []
    problems: list[Problem] = []
    notes: list[str] = []
    ours = variable_names()
    for name, text, where in sorted(said):
        if not text.strip():
            continue  # `NAME=` says nothing, as in a unit file that leaves a place free
        wanted = (ours[name],) if name in ours else SEED_NAMES.get(name)
        if wanted is not None:
            found = list(_sentences(wanted, text.strip(), where))
            sentences += found
            if not found:
                problems.append(_not_a_list(layer, where, wanted))
        elif name in UNUSED_SEED_NAMES:
            notes.append(f"{where} has no effect: {UNUSED_SEED_NAMES[name]}")
        elif name.startswith(PREFIX) and name not in NOT_SETTINGS:
            problems.append(_unknown_variable(layer, name, where))
    return layer_of(layer, origin, sentences, folder=folder, problems=problems, notes=notes)


def _sentences(wanted: tuple[str, ...], text: str, where: str) -> Iterator[Sentence]:
    parts = [text] if len(wanted) == 1 else text.split(",")
    if len(parts) == len(wanted):
        for name, part in zip(wanted, parts, strict=True):
            yield Sentence(name, from_text(part.strip(), keys()[name].kind), where)


def _not_a_list(layer: str, where: str, wanted: tuple[str, ...]) -> Problem:
    table = wanted[0].rpartition(".")[0]
    names = ", ".join(name.rpartition(".")[2] for name in wanted)
    takes = f"{len(wanted)} numbers with commas between them: {names}"
    return Problem(layer=layer, origin=where, key=table, text=f"takes {takes}", allowed=takes)


def _unknown_variable(layer: str, name: str, where: str) -> Problem:
    # Without the prefix: it alone makes any two of them alike.
    found = nearest(
        name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in variable_names()]
    )
    meant = found and PREFIX + found
    cure = f"did you mean {meant}?" if meant else f"its name would be {PREFIX}<SECTION>_<KEY>"
    text = f"there is no such setting; {cure}"
    return Problem(layer=layer, origin=where, key=None, text=text, nearest=meant)


# ----- Files ----------------------------------------------------------------------------------


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except IsADirectoryError:
        raise Unreadable("is a directory; name a file") from None
    except PermissionError:
        raise Unreadable("this user may not read it; see its mode and its owner") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > BYTES_MAX:
        raise Unreadable(f"is larger than {BYTES_MAX // 1_000_000} MB; is it a settings file?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("is UTF-16; save it as UTF-8")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("begins with a byte order mark; save it as UTF-8 without one")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line, column = _position(raw[: error.start].decode())
        byte = raw[error.start]
        place = f"line {line}, column {column}"
        raise Unreadable(f"{place}: byte 0x{byte:02x} is not UTF-8; save it as UTF-8") from None


def _parsed(text: str) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = tomllib.loads(text)
        return tree
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(_toml_says(str(error), text)) from None
    except RecursionError:
        raise Unreadable("is not TOML that can be read: it is nested too deeply") from None
    except ValueError as error:  # a number of a thousand digits
        raise Unreadable(f"is not TOML that can be read: {error}") from None


def _toml_says(message: str, text: str) -> str:
    found = _AT.match(message)
    if found is None:
        return f"is not TOML: {message}"
    place = found["place"]
    if place == "end of document":
        place = "line {}, column {} (its end)".format(*_position(text))
    return f"{place}: is not TOML: {found['what'].strip()}"


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")
