"""`rvm-edge enrol`: give the platform this machine's public key, with a token that is good once."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.claim import KEY_FILE
from rvm_edge.client import EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import DataDir, Held, locate
from rvm_edge.start import load_settings

if TYPE_CHECKING:
    from config.settings import Settings, UplinkSettings
    from protocol.platform.identity import Enrolled

_TOKEN_CHARACTERS_MAX = 4096
_TIMEOUT_S = 15.0
_LINK = "/uplink/link"


class _Unusable(Exception):
    """It cannot be tried; the message names the cure."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "url", metavar="URL", nargs="?", help="of the platform (default: uplink.server_url)"
    )
    parser.add_argument("--name", default="", help="what the platform shall call the machine")
    parser.add_argument("--profile", choices=("simulated", "jetson"), help="as for start")
    parser.add_argument("--config", metavar="F", help="settings file, as for start")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "The token is asked for, or read from standard input; it is no argument, because those\n"
        "can be seen by every user of the machine. It is kept nowhere.\n\n"
        "examples:\n"
        "  rvm-edge enrol https://rvm.example.com\n"
        "  rvm-edge enrol < token\n\n"
        "exit status: 0 enrolled, 1 the platform refuses, 2 wrong usage, 4 it does not answer"
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from config.errors import SettingsError

    path = locate(args.data_dir)
    try:
        settings, _ = load_settings(args, path)
        url = _url(args.url, settings.uplink)
        hardware_id = _hardware_id(path, settings)
        token = _token()
    except (SettingsError, _Unusable) as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    return _enrol(path, settings, url, hardware_id, token, args.name)


def _enrol(
    path: Path, settings: Settings, url: str, hardware_id: str, token: str, name: str
) -> int:
    from actors.uplink.way import CallFailed

    try:
        enrolled = asyncio.run(_conversation(path, settings.uplink, url, hardware_id, token, name))
    except CallFailed as error:
        print(f"not enrolled: {error.detail}", file=sys.stderr)
        return EXIT_REFUSED if error.code == "refused" else EXIT_UNREACHABLE
    except OSError as error:
        print(f"not enrolled: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(f"{hardware_id} is enrolled at {url} as machine {enrolled.rvm_id}")
    if url != settings.uplink.server_url:
        print(f'the machine goes there once its settings say so: uplink.server_url = "{url}"')
    _wake(path)
    return 0


async def _conversation(
    path: Path, limits: UplinkSettings, url: str, hardware_id: str, token: str, name: str
) -> Enrolled:
    from actors.session.keys import device_key
    from actors.uplink.identity import enrol
    from actors.uplink.tls import pinned_context, read_pins
    from actors.uplink.way import CallFailed, Way
    from protocol.platform import ROOT
    from supervisors.clock import SystemClock

    key_file = path / KEY_FILE
    key = device_key(key_file).key
    report = _report_pin if limits.pins_report_only else None
    try:
        context = pinned_context(read_pins(limits.pins), limits.ca_file, report)
    except OSError as error:
        detail = f"authorities: {limits.ca_file}: {error.strerror or error} (uplink.ca_file)"
        raise OSError(detail) from error
    way = Way("direct", url, context, limits.connect_timeout_s, SystemClock())

    async def ask_platform(method: str, below: str, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        answer = await way.send(method, f"{ROOT}{below}", headers, body, timeout_s=_TIMEOUT_S)
        return answer.status, answer.body

    try:
        probed = await way.probe()
        if probed.reached != "http":
            raise CallFailed("no_way", f"{url} stops after {probed.reached}: {probed.detail}")
        return await enrol(ask_platform, key, hardware_id, token, key_file, name)
    finally:
        await way.close()


def _report_pin(pin: str) -> None:
    print(f"the server's key {pin} is none of those in uplink.pins", file=sys.stderr)


def _url(given: str | None, limits: UplinkSettings) -> str:
    """Where to go, with the rules that hold for the setting.

    Raises:
        _Unusable: nowhere, or not like that.
    """
    from config.keys import NotAllowed, allowed, checked, keys

    key = keys()["uplink.server_url"]
    try:
        url = checked(key, given or limits.server_url)
    except NotAllowed:
        raise _Unusable(f"URL is {allowed(key.kind)}") from None
    if url is None:
        raise _Unusable("where is the platform? Say rvm-edge enrol URL, or set uplink.server_url")
    if url.startswith("http://") and not limits.allow_plain_http:
        raise _Unusable("http:// is not encrypted: use https://, or set uplink.allow_plain_http")
    return str(url)


def _hardware_id(path: Path, settings: Settings) -> str:
    """Who this machine is, running or not; made up if it never was."""
    if settings.machine.hardware_id is not None:
        path.mkdir(parents=True, exist_ok=True)
        return settings.machine.hardware_id
    try:
        data = DataDir(path)
    except Held:
        return (path / "hardware_id").read_text(encoding="ascii").strip()
    data.release()
    return data.hardware_id


def _token() -> str:
    """From whoever sits there, or from standard input.

    Raises:
        _Unusable: there is none.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        text = getpass.getpass("enrolment token: ")
    else:
        text = sys.stdin.read(_TOKEN_CHARACTERS_MAX) if sys.stdin is not None else ""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise _Unusable("no token: type it when asked, or give it on standard input")
    return token


def _wake(path: Path) -> None:
    """A machine that runs shall try at once; one that does not has nothing to try."""
    from protocol.control import SendCommand

    try:
        ask(path, SendCommand(_LINK, "probe", {}), timeout_s=_TIMEOUT_S)
    except ClientError:
        pass  # none runs there, or it finds out by itself within minutes
