"""What the virtual camera shows: scikit-image's cat, moved from picture to picture.  usage: frames.py FOLDER"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

SIZE = (2304, 1296)
cat = np.asarray(Image.fromarray(data.chelsea()).resize(SIZE))
for number in range(4):
    Image.fromarray(np.roll(cat, number * 100, axis=1)).save(Path(sys.argv[1]) / f"{number}.jpg", quality=90)
