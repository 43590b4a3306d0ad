"""`python -m trapcam` is `trapcam`."""

import sys

from trapcam.cli import main

sys.exit(main())
