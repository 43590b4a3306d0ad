"""What stands beside the trap's own tests (keys, outcomes, lives of an outbox) is used here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cam"))
