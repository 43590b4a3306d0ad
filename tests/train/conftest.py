"""The training code lies in models/, which is no package of the product: it is put on the path here, as are the
parts beside the tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "models")]
