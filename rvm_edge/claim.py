"""`rvm-edge claim`: the machine's public key, and what a claim token says."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from actors.session.keys import KeyUnusable, read_key
from models.claims import KEY_BYTES, Claim, ClaimError, public_key, verify
from rvm_edge.client import EXIT_REFUSED, EXIT_USAGE
from rvm_edge.data_dir import locate
from supervisors.clock import SystemClock

KEY_FILE = "keys/device.key"
_KEY_FILE_BYTES_MAX = 4096


class _Unusable(Exception):
    """There is no key to work with; the message names the cure."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    key = verbs.add_parser("key", help="print the public key that the platform needs")
    key.add_argument("--json", action="store_true", help="as a JSON object")
    key.add_argument("--data-dir", metavar="D", help="of the machine")
    check = verbs.add_parser("check", help="check a token and say what it promises")
    check.add_argument("token", metavar="TOKEN", help="as scanned or typed; hyphens do not matter")
    check.add_argument(
        "--key", metavar="FILE", help="public key of the machine, as claim key prints it"
    )
    check.add_argument("--json", action="store_true", help="as a JSON object")
    check.add_argument("--data-dir", metavar="D", help="of the machine, if no --key is given")
    parser.epilog = (
        "examples:\n"
        "  rvm-edge claim key > machine.pub         for the platform, once per machine\n"
        "  rvm-edge claim check TOKEN               with this machine's own key\n"
        "  rvm-edge claim check TOKEN --key machine.pub\n\n"
        "A token that checks out may still have been redeemed: that only the platform knows.\n\n"
        "exit status: 0 done, 1 the token is refused, 2 there is no key to check it with"
    )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    try:
        return _show_key(args) if args.verb == "key" else _check(args)
    except _Unusable as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE


def _show_key(args: argparse.Namespace) -> int:
    public = _own(args.data_dir)
    if args.json:
        print(json.dumps({"algorithm": "ed25519", "public_key": public.hex()}, indent=2))
    else:
        print(public.hex())
    return 0


def _check(args: argparse.Namespace) -> int:
    public = _own(args.data_dir) if args.key is None else _from_file(Path(args.key))
    try:
        claim = verify(args.token, public, SystemClock().wall())
    except ClaimError as error:
        return _refused(error, is_json=args.json)
    if args.json:
        print(json.dumps({"valid": True, **_fields(claim)}, indent=2))
    else:
        print(f"valid\n{_for_people(claim)}")
    return 0


def _refused(error: ClaimError, *, is_json: bool) -> int:
    if is_json:
        said = {} if error.claim is None else _fields(error.claim)
        answer = {"valid": False, "code": error.code, "why": str(error), **said}
        print(json.dumps(answer, indent=2))
        return EXIT_REFUSED
    print(f"refused: {error.code}: {error}")
    if error.claim is not None:
        print(_for_people(error.claim))
    return EXIT_REFUSED


def _fields(claim: Claim) -> dict[str, Any]:
    return {name: getattr(claim, name) for name in claim.__struct_fields__}


def _for_people(claim: Claim) -> str:
    doubt = "" if claim.clock_quality == "good" else "   (the machine's clock was not set)"
    rows = (
        ("machine", claim.hardware_id),
        ("session", f"{claim.session}   (redeemed once: this is the key)"),
        ("credited", str(claim.credited)),
        ("in review", str(claim.in_review)),
        ("issued", f"{_moment(claim.issued_at)}{doubt}"),
        ("expires", f"{_moment(claim.expires_at)}{doubt}"),
        ("nonce", claim.nonce),
        ("ledger", claim.chain_head or "-"),
    )
    return "\n".join(f"  {name:<10} {value}" for name, value in rows)


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ", timespec="seconds")


def _own(data_dir: str | None) -> bytes:
    file = locate(data_dir) / KEY_FILE
    try:
        return public_key(read_key(file))
    except FileNotFoundError:
        msg = f"there is no {file}: the machine makes it at its first start (rvm-edge start)"
    except KeyUnusable as error:
        msg = str(error)
    except OSError as error:
        msg = f"{file}: {error.strerror}; read it as the machine's own user"
    raise _Unusable(msg)


def _from_file(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            key = bytes.fromhex(opened.read(_KEY_FILE_BYTES_MAX).decode("ascii").strip())
    except OSError as error:
        msg = f"{file}: {error.strerror}"
        raise _Unusable(msg) from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        msg = f"{file} holds no public key: 64 hexadecimal digits, as `rvm-edge claim key` prints"
        raise _Unusable(msg)
    return key
