"""`python -m rvm_edge.train`: what `bin/train` runs."""

import sys

from rvm_edge.train.cli import main

if __name__ == "__main__":
    sys.exit(main())
