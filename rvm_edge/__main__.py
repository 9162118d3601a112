"""``python -m rvm_edge``."""

import sys

from rvm_edge.cli import main

sys.exit(main())
