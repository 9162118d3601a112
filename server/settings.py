"""What the platform runs with: one frozen value, read from the environment once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A value that cannot be; the message names the variable and the cure."""


@dataclass(frozen=True)
class Pusher:
    """The WebSocket server that rings. All empty: the one on board, with credentials of its own.

    Attributes:
        publish_url: of an external server's HTTP side, ``https://ws.example.org``; Reverb, soketi
            and Pusher itself will do. Empty: the one on board.
        public_url: where machines connect to it, ``wss://…``; empty: derived from the public URL,
            or from `publish_url`.
    """

    publish_url: str = ""
    public_url: str = ""
    app_id: str = ""
    key: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Limits:
    """How much anybody may ask for.

    Attributes:
        machine_per_s, machine_burst: requests of one machine. It needs four a minute; a backlog of
            a month goes up in batches, or in half an hour one by one.
        user_per_s, user_burst: requests of one telephone: each scan asks a machine, and nobody
            shall find a code by trying.
        door_per_s, door_burst: enrolments, challenges and tokens, all machines together: each
            costs a signature check, and a whole fleet comes back at once after an outage.
        births_per_s: how fast a fleet should come back; makes `Welcome.spread_s`.
    """

    machine_per_s: float = 100.0
    machine_burst: int = 1000
    user_per_s: float = 1.0
    user_burst: int = 30
    door_per_s: float = 200.0
    door_burst: int = 4000
    births_per_s: float = 50.0


@dataclass(frozen=True)
class Settings:
    """All of it.

    Attributes:
        data_dir: files, and the database if none is named.
        database_url: of SQLAlchemy; SQLite or PostgreSQL.
        public_url: how machines reach this platform; empty: as they have asked.
        operator_token: of the fleet's operator; empty: one is made at the first start.
        token_s: for how long a machine's bearer token is good.
        heartbeat_s, telemetry_s: what machines are asked to keep to.
        session_wait_s: for how long a telephone's request waits for the machine's word.
        telemetry_days: how long samples are kept; 1 000 machines write a gigabyte a day.
        report_days: how long whatever else counts nothing is kept: events, detections, files,
            commands, old settings. Longer than the season in which somebody asks what has happened.
        faults: obey `server.faults`; never on a platform that anybody relies on.
    """

    data_dir: Path
    database_url: str = field(default="", repr=False)
    public_url: str = ""
    operator_token: str = field(default="", repr=False)
    token_s: float = 3600.0
    heartbeat_s: float = 60.0
    telemetry_s: float = 30.0
    session_wait_s: float = 10.0
    telemetry_days: float = 7.0
    report_days: float = 90.0
    faults: bool = False
    pusher: Pusher = Pusher()
    limits: Limits = Limits()

    @property
    def files_dir(self) -> Path:
        return self.data_dir / "files"


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Where things are kept unless told otherwise."""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(state) / "rvm-server"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment asks for.

    Raises:
        SettingsError: a value that cannot be.
    """
    env = os.environ if environment is None else environment
    data_dir = Path(env.get("RVM_SERVER_DATA") or default_data_dir(env))
    return Settings(
        data_dir=data_dir,
        database_url=database_url(env.get("DATABASE_URL", ""), data_dir),
        public_url=_url(env, "RVM_SERVER_PUBLIC_URL", ("http", "https")),
        operator_token=_operator_token(env),
        heartbeat_s=_number(env, "RVM_SERVER_HEARTBEAT_S", Settings.heartbeat_s),
        telemetry_s=_number(env, "RVM_SERVER_TELEMETRY_S", Settings.telemetry_s),
        token_s=_number(env, "RVM_SERVER_TOKEN_S", Settings.token_s),
        telemetry_days=_number(env, "RVM_SERVER_TELEMETRY_DAYS", Settings.telemetry_days),
        report_days=_number(env, "RVM_SERVER_REPORT_DAYS", Settings.report_days),
        faults=env.get("RVM_SERVER_FAULTS") == "1",
        limits=_limits(_number(env, "RVM_SERVER_MACHINE_PER_S", Limits.machine_per_s)),
        pusher=Pusher(
            publish_url=_url(env, "RVM_SERVER_PUSHER_URL", ("http", "https")),
            public_url=_url(env, "RVM_SERVER_PUSHER_PUBLIC_URL", ("ws", "wss")),
            app_id=env.get("RVM_SERVER_PUSHER_APP_ID", ""),
            key=env.get("RVM_SERVER_PUSHER_KEY", ""),
            secret=env.get("RVM_SERVER_PUSHER_SECRET", ""),
        ),
    )


def database_url(url: str, data_dir: Path) -> str:
    """The same with an asynchronous driver; a file in the data folder if there is none.

    Raises:
        SettingsError: another database than the two that are tested.
    """
    if not url:
        return f"sqlite:///{data_dir.absolute()}/platform.sqlite3"
    scheme, separator, rest = url.partition("://")
    kinds = {"sqlite": "sqlite", "postgres": "postgresql+asyncpg"}
    kinds["postgresql"] = kinds["postgres"]
    driver = kinds.get(scheme.partition("+")[0])
    if driver is None or not separator:
        raise SettingsError("DATABASE_URL: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    return f"{driver}://{rest}"


_TOKEN_LENGTH_MIN = 16


def _limits(machine_per_s: float) -> Limits:
    """What a machine may ask in ten seconds it may ask at once."""
    return Limits(machine_per_s=machine_per_s, machine_burst=math.ceil(machine_per_s * 10))


def _operator_token(env: Mapping[str, str]) -> str:
    token = env.get("RVM_SERVER_OPERATOR_TOKEN", "")
    if token and len(token) < _TOKEN_LENGTH_MIN:
        raise SettingsError(f"RVM_SERVER_OPERATOR_TOKEN: at least {_TOKEN_LENGTH_MIN} characters")
    return token


def _number(env: Mapping[str, str], name: str, otherwise: float) -> float:
    text = env.get(name) or str(otherwise)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingsError(f"{name}: a number above 0, not {text!r}")
    return value


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    url = env.get(name, "").rstrip("/")
    if url and (urlsplit(url).scheme not in schemes or not urlsplit(url).netloc):
        raise SettingsError(f"{name}: {' or '.join(f'{scheme}://…' for scheme in schemes)}")
    return url
