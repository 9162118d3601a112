"""A program that writes raw BGR pictures of noise: WIDTH HEIGHT FRAMES_PER_S [HOW].

HOW: `alive`; `freezes` writes no more after some frames; `ends` leaves after some; `stubborn` is
alive and cannot be asked to leave; `parent` lets a child of its own write.
"""

import os
import signal
import subprocess
import sys
import threading

SOME = 20


def main() -> None:
    width, height, per_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    how = sys.argv[4] if len(sys.argv) > 4 else "alive"
    if how == "parent":
        subprocess.run([sys.executable, __file__, *sys.argv[1:4]], check=False)
        return
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pause, count = threading.Event(), 0
    while True:
        os.write(1, os.urandom(width * height * 3))
        count += 1
        if how == "ends" and count == SOME:
            sys.exit(3)
        if how == "freezes" and count == SOME:
            pause.wait(60)
        pause.wait(1 / per_s)


if __name__ == "__main__":
    main()
