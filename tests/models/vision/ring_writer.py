"""A writer in a process of its own, made to be killed: `ring_writer.py FD SIZE endless|mid`.

Every frame is filled with one byte that follows from its sequence, in a shape that does, too.
"""

import mmap
import sys

from models.vision.ring import RingWriter


def main() -> None:
    fd, size_bytes, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    writer = RingWriter(mmap.mmap(fd, size_bytes))
    sequence = 0
    while True:
        height = 200 + sequence % 100
        with writer.slot(height, 320, t_mono_ns=sequence) as slot:
            sequence = slot.ref.sequence
            if mode == "mid":
                slot.pixels[: height // 2] = 255
                sys.stdout.write(f"{sequence}\n")
                sys.stdout.flush()
                sys.stdin.read()
            slot.pixels[:] = sequence % 251


if __name__ == "__main__":
    main()
