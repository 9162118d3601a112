"""`bin/train fit`: a training run. Run it again to go on with it.

Exit codes: 0 came to its end, 2 wrong usage, 130 stopped (saved).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rvm_edge.train.arguments import folder, natural, rate, size
from rvm_edge.train.meter import Meter, duration_text
from rvm_edge.train.runs import NETWORKS, RUN_FILE, RunAbout, RunInvalid, claim, read
from rvm_edge.train.stopping import Stop

EXIT_OK, EXIT_USAGE, EXIT_INTERRUPTED = 0, 2, 130
SIZE = (320, 240)
STEPS, EPOCHS, VARIANTS = 9000, 60, 3
BATCH, RATE = 32, 2e-3
MULTIPLE_OF = 32
"""Of a YOLO's input: its coarsest stride."""

EPILOG = """\
examples:
  bin/train fit --network centre  --from work/rendered  --out work/run
  bin/train fit --network yolo26n --from work/developed --out work/yolo --size 320x256 --epochs 60
  bin/train fit --network centre  --from rendered/a rendered/b --out work/try --steps 500
  bin/train fit --start work/run --rate 5e-4 --steps 1000 --size 384x288 --from work/rendered \
      --out work/larger

centre learns from rendered light and develops it itself: --from takes several sets, and pictures
that are added while it runs are taken in. The YOLOs learn from developed pictures. A GPU is used
where there is one.
Ctrl-C saves and ends: centre after the step in hand, YOLO after the epoch.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `fit` takes."""
    parser.epilog = EPILOG
    parser.add_argument("--network", choices=NETWORKS, default="centre", help="default: centre")
    parser.add_argument(
        "--from",
        metavar="DIR",
        dest="sources",
        type=folder,
        nargs="+",
        required=True,
        help="rendered sets (centre) or developed pictures (YOLO)",
    )
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="the run's folder")
    parser.add_argument(
        "--size", metavar="WxH", type=size, default=SIZE, help="of the input (default: 320x240)"
    )
    parser.add_argument(
        "--steps",
        metavar="N",
        type=natural,
        default=STEPS,
        help=f"batches in all, centre (default: {STEPS})",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=natural,
        default=EPOCHS,
        help=f"passes, YOLO (default: {EPOCHS})",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        type=natural,
        default=BATCH,
        help=f"pictures a step (default: {BATCH})",
    )
    parser.add_argument(
        "--variants",
        metavar="N",
        type=natural,
        default=VARIANTS,
        help=f"photographs of each rendered picture, centre (default: {VARIANTS})",
    )
    parser.add_argument(
        "--rate", metavar="R", type=rate, help=f"of learning, centre (default: {RATE:g})"
    )
    parser.add_argument(
        "--start",
        metavar="RUN",
        type=folder,
        help="another run whose weights to learn on from, also at another size (centre)",
    )
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="of the run (default: 1)")
    parser.add_argument(
        "--device", metavar="NAME", default="", help="cpu, cuda, cuda:1 (default: a GPU if any)"
    )
    parser.add_argument(
        "--bf16", action="store_true", help="YOLO: compute in bfloat16, also on a processor"
    )
    parser.add_argument("--json", action="store_true", help="print how it ended for programs")


def run(args: argparse.Namespace) -> int:
    """Train; give the exit code."""
    from models.vision.rendering.dataset import SetInvalid

    with Stop("this step" if args.network == "centre" else "this epoch") as stop:
        try:
            finished, elapsed_s = fit(
                args.out, _about(args), args.device, lambda: stop.asked, half=args.bf16
            )
        except (RunInvalid, SetInvalid) as error:
            print(f"bin/train fit: {error}", file=sys.stderr)
            return EXIT_USAGE
    if args.json:
        ended = {"run": str(args.out), "finished": finished, "elapsed_s": round(elapsed_s, 1)}
        print(json.dumps(ended))
    else:
        how = "came to its end" if finished else "is saved; run the same to go on"
        print(f"{args.out}: {how}, {duration_text(elapsed_s)} this time")
    return EXIT_OK if finished else EXIT_INTERRUPTED


def fit(
    path: Path,
    about: RunAbout,
    device: str,
    should_stop: Callable[[], bool],
    *,
    half: bool = False,
) -> tuple[bool, float]:
    """Begin a run or go on with it; whether it came to its end, and the seconds it took.

    Raises:
        RunInvalid: the folder is another run's, or there is nothing to learn from.
        SetInvalid: the rendered set cannot be read.
    """
    from rvm_edge.train.centre import fit_centre, steps_done
    from rvm_edge.train.yolo import epochs_done, fit_yolo

    _check(about)
    claim(path, about)
    if about.network == "centre":
        with closing(Meter("steps", about.steps, done=steps_done(path))) as meter:
            return fit_centre(path, about, device, meter.reach, should_stop), meter.elapsed_s
    with closing(Meter("epochs", about.epochs, done=epochs_done(path))) as meter:
        finished = fit_yolo(path, about, device, meter.reach, should_stop, half=half)
        return finished, meter.elapsed_s


def _about(args: argparse.Namespace) -> RunAbout:
    is_centre = args.network == "centre"
    start = args.start.resolve() if args.start else None
    if not is_centre and (start or args.rate):
        raise RunInvalid("--start and --rate are centre's; a YOLO has its own schedule")
    return RunAbout(
        network=args.network,
        sources=tuple(str(source.resolve()) for source in args.sources),
        width_px=args.size[0],
        height_px=args.size[1],
        batch=args.batch,
        seed=args.seed,
        steps=args.steps if is_centre else 0,
        variants=args.variants if is_centre else 0,
        epochs=0 if is_centre else args.epochs,
        rate=(args.rate or RATE) if is_centre else 0.0,
        **_begun_from(args.out, start),
    )


def _begun_from(out: Path, start: Path | None) -> dict[str, str]:
    """A run that has begun keeps the weights it began with; the other may have gone on since."""
    from rvm_edge.train.centre import digest_of

    if start is None:
        return {}
    if (out / RUN_FILE).exists():
        was = read(out)
        if was.start == str(start):
            return {"start": was.start, "start_sha256": was.start_sha256}
    return {"start": str(start), "start_sha256": digest_of(start)}


def _check(about: RunAbout) -> None:
    for source in map(Path, about.sources):
        if about.network == "centre" and not (source / "set.json").exists():
            raise RunInvalid(f"{source} holds no rendered set; centre learns from those")
        if about.network != "centre" and not (source / "data.yaml").exists():
            raise RunInvalid(
                f"{source} holds no developed pictures; make some with bin/train develop"
            )
    if about.network == "centre":
        return
    if len(about.sources) > 1:
        raise RunInvalid("a YOLO learns from one folder of developed pictures")
    if about.width_px % MULTIPLE_OF or about.height_px % MULTIPLE_OF:
        text = f"{about.width_px}x{about.height_px}"
        raise RunInvalid(
            f"a YOLO's sides are multiples of {MULTIPLE_OF}, not {text}; 320x256 is one"
        )
