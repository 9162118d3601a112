"""Settings from all layers, and for every key who won.

    defaults < profile < file < .env < environment < server < override < command line

A higher layer wins, key by key. Every layer is checked on its own, and everything that is wrong
with any of them is told at once. The server's may not say everything: `config.platform`.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from config import sources
from config.errors import Problem, SettingsError
from config.keys import allowed, keys, nearest, public, shown
from config.layers import Layer, Said
from config.platform import ServerWord, overstepped
from config.settings import ProfileName, Settings, disagreements

PROFILES: tuple[str, ...] = get_args(ProfileName)
_PROFILE_KEY = "machine.profile"

# The order of the layers, the weakest first, said only here. There may be two `.env` files, and the
# override has a file and an argument.
LAYERS = (
    "defaults",
    "profile",
    "file",
    ".env",
    "environment",
    "server",
    "override",
    "command line",
)
OVERRIDE_FILE = "override.toml"
"""In the data directory: what somebody at the machine sets against everybody else."""


class Statement(Struct, frozen=True):
    """What one layer says about a key; `speaks` is false where it says nothing."""

    layer: str
    origin: str
    speaks: bool
    value: Any = None


class Explanation(Struct, frozen=True):
    """Why a key has its value.

    Attributes:
        winner: the layer whose word counts, the highest that speaks.
        takes: what the key takes, in words.
        variable: the environment variable that sets it.
        layers: the weakest first.
    """

    key: str
    value: Any
    winner: str
    origin: str
    takes: str
    variable: str
    layers: tuple[Statement, ...]


class Loaded(Struct, frozen=True):
    """The settings and where they come from.

    Attributes:
        layers: the weakest first.
        notes: what was said without effect, a sentence each; worth a line in the log.
    """

    settings: Settings
    layers: tuple[Layer, ...]
    notes: tuple[str, ...]

    def explain(self, key: str) -> Explanation:
        """Say who set a key, to what, and what the others said.

        Raises:
            SettingsError: no such key.
        """
        known = keys().get(key)
        if known is None:
            raise SettingsError([_no_such_key(key)])
        statements = tuple(_statement(layer, key) for layer in self.layers)
        winner = next(one for one in reversed(statements) if one.speaks)
        return Explanation(
            key=key,
            value=winner.value,
            winner=winner.layer,
            origin=winner.origin,
            takes=allowed(known.kind),
            variable=sources.variable_of(key),
            layers=statements,
        )

    def explain_all(self) -> tuple[Explanation, ...]:
        """Explain every key, in the order of `settings.py`."""
        return tuple(self.explain(key) for key in keys())


def load(  # every layer has its argument
    *,
    profile: str | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    data_directory: Path | None = None,
    working_directory: Path | None = None,
    server: ServerWord | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Put the layers together.

    Nothing is read that is not named here: `environment` is usually `os.environ`. Its relative
    paths, and those of `overrides`, begin at `working_directory`; those of a file at its folder.

    Args:
        profile: as given on the command line; else `machine.profile` of any layer decides.
        data_directory: its `.env` wins over that of the working directory, and its `override.toml`
            over the platform.
        server: what the platform says, if it has said anything.
        overrides: nested, `{"motor": {"lease_s": 0.2}}`, or dotted, `{"motor.lease_s": 0.2}`.

    Raises:
        SettingsError: with everything that is wrong, in all layers.
    """
    layers = [sources.defaults()]
    if file is not None:
        layers.append(sources.toml_file("file", file))
    layers += [sources.env_file(path) for path in _env_files(working_directory, data_directory)]
    layers.append(sources.environment(environment or {}, working_directory))
    override = None if data_directory is None else data_directory / OVERRIDE_FILE
    if override is not None and override.is_file():
        layers.append(sources.toml_file("override", override))
    layers.append(sources.mapping("override", overrides or {}, working_directory))
    if profile is not None:
        layers.append(sources.mapping("command line", {_PROFILE_KEY: profile}, None))
    chosen = _said(_ordered(layers), _PROFILE_KEY).value
    path = Path(__file__).with_name("profiles") / f"{chosen}.toml"
    layers.append(sources.toml_file("profile", path))
    local = _combined(_ordered(layers))
    return local if server is None else _with_server(local, sources.platform(server))


def _with_server(local: Loaded, server: Layer) -> Loaded:
    """The profile is chosen without the platform: it may not say a word about that."""
    problems = [*server.problems, *overstepped(server, local.settings)]
    if problems:
        raise SettingsError(problems)
    return _combined(_ordered((*local.layers, server)))


def _ordered(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    return tuple(sorted(layers, key=lambda layer: LAYERS.index(layer.name)))


def _env_files(*directories: Path | None) -> Iterator[Path]:
    known = dict.fromkeys(one.absolute() for one in directories if one is not None)
    return (directory / ".env" for directory in known)


def _combined(layers: tuple[Layer, ...]) -> Loaded:
    problems = [problem for layer in layers for problem in layer.problems]
    if problems:
        raise SettingsError(problems)
    tree: dict[str, Any] = {}
    for key in keys():
        *tables, name = key.split(".")
        table = tree
        for part in tables:
            table = table.setdefault(part, {})
        table[name] = _said(layers, key).value
    settings = msgspec.convert(tree, Settings)
    problems = list(_contradictions(settings, layers))
    if problems:
        raise SettingsError(problems)
    return Loaded(settings, layers, tuple(note for layer in layers for note in layer.notes))


def _contradictions(settings: Settings, layers: tuple[Layer, ...]) -> Iterator[Problem]:
    ranks = {id(layer): rank for rank, layer in enumerate(layers)}
    for keys_, reason in disagreements(settings):
        winners = {key: _winner(layers, key) for key in keys_}
        # Who spoke last, against what had been said already, is to blame.
        key = max(keys_, key=lambda one: ranks[id(winners[one])])
        others = " and ".join(
            f"{one} = {shown(public(one, winners[one].says[one].value))}"
            f" from {winners[one].says[one].origin}"
            for one in keys_
            if one != key
        )
        said = winners[key].says[key]
        seen = shown(public(key, said.value))
        yield Problem(
            layer=winners[key].name,
            origin=said.origin,
            key=key,
            text=f"{seen} does not go with {others}: {reason}" if others else f"{seen}: {reason}",
            given=seen,
        )


def _winner(layers: tuple[Layer, ...], key: str) -> Layer:
    return next(layer for layer in reversed(layers) if key in layer.says)


def _said(layers: tuple[Layer, ...], key: str) -> Said:
    return _winner(layers, key).says[key]


def _statement(layer: Layer, key: str) -> Statement:
    said = layer.says.get(key)
    if said is None:
        return Statement(layer.name, layer.origin, speaks=False)
    return Statement(layer.name, said.origin, speaks=True, value=public(key, said.value))


def _no_such_key(key: str) -> Problem:
    meant = nearest(key, keys())
    cure = f"did you mean {meant}?" if meant else "`rvm-edge config show` lists them"
    text = f"there is no such setting; {cure}"
    return Problem(layer="question", origin="config explain", key=key, text=text, nearest=meant)
