"""bin/rvm-server: start, migrate, enrol-token, openapi."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from server.app import create_app
from server.clock import SystemClock
from server.migrations import migrate
from server.serve import Listen, serve
from server.settings import Settings, SettingsError, database_url, from_environment
from server.store import enrolments
from server.store.database import Database

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
_DAY_S = 86400.0
_DAYS_MAX = 30.0
"""Of an enrolment token; as the fleet API."""
_PORT_MAX = 65535

_EPILOG = """\
examples:
  rvm-server start                                 on http://127.0.0.1:8000, in SQLite
  rvm-server enrol-token --hardware-id rvm-0042    let one machine in
  DATABASE_URL=postgresql://rvm@localhost/rvm rvm-server start
  rvm-server start --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

The first start makes the database and the operator's token, which it shows once. Everything is
kept in the data folder: --data, else RVM_SERVER_DATA, else ~/.local/state/rvm-server.

environment:
  DATABASE_URL                       sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME
  RVM_SERVER_PUBLIC_URL              how machines reach this platform, behind a proxy
  RVM_SERVER_OPERATOR_TOKEN          instead of the one that was made; also changes it
  RVM_SERVER_PUSHER_URL, …_APP_ID,   an external Pusher server (Reverb, soketi, Pusher) to publish
    …_KEY, …_SECRET, …_PUBLIC_URL    to; PUBLIC_URL (wss://…) is where machines connect to it
  RVM_SERVER_HEARTBEAT_S, …_TELEMETRY_S, …_TOKEN_S, …_TELEMETRY_DAYS, …_REPORT_DAYS,
    …_MACHINE_PER_S
  RVM_SERVER_FAULTS=1                misbehave on request: for tests only

exit status: 0 done, or ended by Ctrl-C; 1 failed; 2 wrong usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        settings = _settings(arguments.data)
        run: Callable[[Settings, argparse.Namespace], int] = arguments.run
        return run(settings, arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (SettingsError, SQLAlchemyError, OSError) as error:
        # Of SQLAlchemy's long texts the first line says it; none has the password of the URL.
        print(f"rvm-server: {str(error).splitlines()[0]}", file=sys.stderr)
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rvm-server",
        description="The reference platform that reverse vending machines report to.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, metavar="DIR", help="where everything is kept")

    start = commands.add_parser("start", parents=[shared], help="run the platform; Ctrl-C ends it")
    start.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    start.add_argument("--port", type=_port, default=8000, help="0: any free one (%(default)s)")
    start.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    start.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    start.set_defaults(run=_start, wrong_usage=start.error)

    upgrade = commands.add_parser(
        "migrate", parents=[shared], help="bring the database to the newest version, and end"
    )
    upgrade.set_defaults(run=_migrate)

    token = commands.add_parser(
        "enrol-token", parents=[shared], help="print a one-time token that lets one machine in"
    )
    token.add_argument("--hardware-id", default="", metavar="ID", help="for this machine only")
    token.add_argument("--days", type=_days, default=1.0, help="good for so long (%(default)s)")
    token.set_defaults(run=_enrol_token)

    described = commands.add_parser(
        "openapi", parents=[shared], help="print the OpenAPI document of every endpoint"
    )
    described.set_defaults(run=_openapi)
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= _PORT_MAX):
        raise argparse.ArgumentTypeError(f"0 to {_PORT_MAX}, not {text}")
    return int(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"more than 0, at most {_DAYS_MAX:g}, not {text}")
    return days


def _settings(data_dir: Path | None) -> Settings:
    settings = from_environment(os.environ)
    if data_dir is None:
        return settings
    url = database_url(os.environ.get("DATABASE_URL", ""), data_dir)
    return dataclasses.replace(settings, data_dir=data_dir, database_url=url)


def _start(settings: Settings, arguments: argparse.Namespace) -> int:
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        arguments.wrong_usage("--tls-cert and --tls-key belong together")
    _check_certificate(arguments.tls_cert, arguments.tls_key)
    # Before anything listens, so that what is wrong with the database is said in one line.
    asyncio.run(_with_database(settings, migrate))
    listen = Listen(arguments.host, arguments.port, arguments.tls_cert, arguments.tls_key)
    try:
        serve(settings, listen)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]
        raise SettingsError(f"{listen.host}, port {listen.port}: {why}") from None
    return 0


def _check_certificate(chain: Path | None, key: Path | None) -> None:
    """Whether they can be read and belong together.

    Raises:
        SettingsError: not so; it names the file.
    """
    for file in (chain, key):
        if file is not None:
            try:
                file.read_bytes()
            except OSError as error:
                raise SettingsError(f"{file}: {error.strerror}") from None
    if chain is None:
        return
    try:
        # A key with a password has nobody to ask for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=lambda: "")
    except ssl.SSLError as error:
        why = error.reason or "PEM without a password is wanted"
        raise SettingsError(f"{chain} and {key} are no certificate with its key: {why}") from None


def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    asyncio.run(_with_database(settings, migrate))
    return 0


def _enrol_token(settings: Settings, arguments: argparse.Namespace) -> int:
    async def make(database: Database) -> None:
        await migrate(database)
        async with database.write() as connection:
            _, token = await enrolments.make_token(
                connection,
                hardware_id=arguments.hardware_id,
                issuer="command line",
                now_s=SystemClock().wall_s(),
                good_for_s=arguments.days * _DAY_S,
            )
        print(token)

    asyncio.run(_with_database(settings, make))
    return 0


def _openapi(settings: Settings, _: argparse.Namespace) -> int:
    json.dump(create_app(settings).openapi(), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0


async def _with_database(settings: Settings, do: Callable[[Database], Awaitable[None]]) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        database = Database(settings.database_url)
    except ValueError:  # its text may hold half of a password
        raise SettingsError("DATABASE_URL: cannot be read as an address") from None
    try:
        await do(database)
    except OSError as error:
        raise SettingsError(f"the database does not answer: {error.strerror or error}") from None
    finally:
        await database.close()
