"""`rvm-edge camera check | snapshot FILE`: can the camera be trusted, and what does it see?

Asks the running machine; where none runs, it opens the camera of the settings itself. Exit codes:
0 all right, 1 the camera is not, 2 wrong usage or settings, 4 the daemon does not answer, 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rvm_edge.client import EXIT_NOT_RUNNING, ClientError
from rvm_edge.data_dir import locate

if TYPE_CHECKING:
    from protocol.vision import CameraReport
    from rvm_edge.camera_views import Picture, View

EXIT_OK, EXIT_TROUBLE, EXIT_USAGE = 0, 1, 2
_DIGITS = 3
_SUFFIXES = (".jpg", ".jpeg", ".png")
_MEANING = {
    "frame_age_s": "since the newest frame was exposed",
    "luma_percent": "mean brightness",
    "bright_level_percent": "a hundredth of the picture is brighter; black below {black}",
    "saturated_percent": "of the picture is at its brightest; over-exposed above {white}",
    "same_percent": "of the picture repeats the frame before; frozen from {frozen}",
    "band_percent": "height of the largest band that repeats; torn from {torn}",
    "noise_levels": "noise of the sensor; 0 is no sensor",
    "spots_percent": "of the window is covered; dirty from {dirty}, too dirty from {too_dirty}",
    "sharpness_percent": "of the detail when it was clean; blurred below {blur}, "
    "too blurred below {too_blurred}",
    "torn_frames": "frames in pieces within the last seconds; started anew above {tears}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `camera` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="look, measure, and say what is wrong")
    check.add_argument(
        "--learn",
        action="store_true",
        help="the chamber is empty and the window clean: remember what that looks like",
    )
    snapshot = actions.add_parser("snapshot", help="save what the camera sees just now")
    snapshot.add_argument("file", metavar="FILE", type=Path, help=", ".join(_SUFFIXES))
    for child in (check, snapshot):
        child.add_argument("--json", action="store_true", help="print JSON")
        child.add_argument("--data-dir", metavar="D", help="of the machine")
        child.add_argument("--config", metavar="F", help="settings file (TOML)")
        child.add_argument(
            "--profile", choices=("simulated", "jetson"), help="hardware to run on, if none runs"
        )


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from config.errors import SettingsError

    try:
        return _check(args) if args.action == "check" else _snapshot(args)
    except SettingsError as error:
        print(f"rvm-edge camera: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ClientError as error:
        print(f"rvm-edge camera: {error}", file=sys.stderr)
        return error.exit_code


def _view(args: argparse.Namespace) -> View:
    """The running machine's camera, or else one of our own."""
    from rvm_edge.camera_views import DaemonView, OwnView
    from rvm_edge.start import load_settings

    directory = locate(args.data_dir)
    settings, _ = load_settings(args, directory)
    try:
        return DaemonView(directory, settings)
    except ClientError as error:
        if error.exit_code != EXIT_NOT_RUNNING:
            raise
    return OwnView(directory, settings)


# ----- check ----------------------------------------------------------------------------------


def _check(args: argparse.Namespace) -> int:
    view = _view(args)
    try:
        report = view.learn() if args.learn else view.check()
    finally:
        view.close()
    told = {"asked": view.asked, **msgspec.to_builtins(report)}
    told.pop("type", None)
    print(json.dumps(told, indent=2) if args.json else _told(report, view))
    return EXIT_OK if report.state == "ok" else EXIT_TROUBLE


def _told(report: CameraReport, view: View) -> str:
    limits = view.settings.camera
    bounds = {
        "black": limits.black_level_percent,
        "white": limits.over_exposed_percent,
        "frozen": limits.frozen_percent,
        "torn": limits.torn_percent,
        "dirty": limits.dirty_percent,
        "too_dirty": limits.dirty_refuse_percent,
        "blur": limits.blurred_percent,
        "too_blurred": limits.blurred_refuse_percent,
        "tears": limits.torn_frames_max,
    }
    lines = [f"{report.source} ({view.asked})", f"{report.state}: {report.why}".rstrip(": ")]
    for name, meaning in _MEANING.items():
        if name in report.measures:
            value = round(report.measures[name], _DIGITS)
            lines.append(f"  {name:<21}{value:>9g}  {meaning.format(**_text(bounds))}")
    if "spots_percent" not in report.measures:
        lines.append(
            "  nobody has shown it the clean, empty chamber: rvm-edge camera check --learn"
        )
    return "\n".join(lines)


def _text(bounds: dict[str, Any]) -> dict[str, str]:
    return {name: f"{value:g}" for name, value in bounds.items()}


# ----- snapshot -------------------------------------------------------------------------------


def _snapshot(args: argparse.Namespace) -> int:
    if args.file.suffix.lower() not in _SUFFIXES:
        what = f"{args.file} does not say what to write"
        print(f"rvm-edge camera: {what}; end it in {', '.join(_SUFFIXES)}", file=sys.stderr)
        return EXIT_USAGE
    view = _view(args)
    try:
        picture = view.picture()
    finally:
        view.close()
    try:
        size_bytes = _save(args.file, picture)
    except OSError as error:
        print(f"rvm-edge camera: cannot write {args.file}: {error.strerror}", file=sys.stderr)
        return EXIT_TROUBLE
    height, width = picture.pixels.shape[:2]
    told = {"file": str(args.file), "asked": view.asked, "width": width, "height": height,
            "bytes": size_bytes, "age_s": round(picture.age_s, _DIGITS)}  # fmt: skip
    shown = f"{args.file}: {width}x{height}, exposed {told['age_s']} s before ({view.asked})"
    print(json.dumps(told) if args.json else shown)
    return EXIT_OK


def _save(file: Path, picture: Picture) -> int:
    """Write it as a whole, or not at all."""
    import cv2

    _, content = cv2.imencode(file.suffix.lower(), picture.pixels)
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.write_bytes(content.tobytes())
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return len(content)
