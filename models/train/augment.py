"""What a trap's camera does to a picture, done to photographs: crops, distance, dusk, infra-red, fog, noise, JPEG.

Everything draws from the generator handed in, so one seed gives one data set. Pictures are uint8 (height, width, 3)
RGB; boxes are (class, x, y, width, height), 0–1 of the picture, class -1 marking a region nobody should learn from.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from .data import Box
from .recipe import FULL, Levers

Rng = np.random.Generator
KEEP_VISIBLE = 0.35  # of a box's area: less left in the crop and the remnant is ignored
MIN_BOX = 0.02  # of the picture's side: smaller than this the net cannot see it
IGNORE = -1


def crop(
    pixels: np.ndarray, boxes: Sequence[Box], size: int, rng: Rng, *, zoom: tuple[float, float], fill: np.ndarray | None
) -> tuple[np.ndarray, list[Box]]:
    """Look through a random window, stretched to `size` × `size`; above 1 the window is larger than the picture.

    `fill` is a picture to put around it, or None for a blurred copy of the picture itself.
    """
    height, width = pixels.shape[:2]
    scale = np.exp(rng.uniform(np.log(zoom[0]), np.log(zoom[1])))
    aspect = np.exp(rng.uniform(-0.3, 0.3))
    win_w, win_h = width * scale * aspect, height * scale / aspect
    x0 = rng.uniform(min(0, width - win_w), max(0, width - win_w))
    y0 = rng.uniform(min(0, height - win_h), max(0, height - win_h))
    image = Image.fromarray(pixels)
    left, top, right, bottom = max(0, x0), max(0, y0), min(width, x0 + win_w), min(height, y0 + win_h)
    to_x, to_y = size / win_w, size / win_h
    at_x, at_y = round((left - x0) * to_x), round((top - y0) * to_y)
    dest_w, dest_h = max(1, round((right - x0) * to_x) - at_x), max(1, round((bottom - y0) * to_y) - at_y)
    part = image.resize((dest_w, dest_h), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    if dest_w < size or dest_h < size:
        if fill is None:
            canvas = image.resize((24, 24)).resize((size, size), Image.Resampling.BICUBIC)
        else:
            canvas = Image.fromarray(fill).resize((size, size))
        canvas.paste(part, (at_x, at_y))
        part = canvas
    return np.asarray(part.resize((size, size))), _seen(boxes, width, height, (x0, y0, win_w, win_h))


def _seen(boxes: Sequence[Box], width: int, height: int, window: tuple[float, float, float, float]) -> list[Box]:
    """The boxes of a picture of that size as a window (left, top, width, height in pixels) shows them."""
    x0, y0, win_w, win_h = window
    out: list[Box] = []
    for cls, x, y, w, h in boxes:
        bx0, by0 = (x * width - x0) / win_w, (y * height - y0) / win_h
        bx1, by1 = bx0 + w * width / win_w, by0 + h * height / win_h
        cx0, cy0, cx1, cy1 = max(bx0, 0.0), max(by0, 0.0), min(bx1, 1.0), min(by1, 1.0)
        if cx1 - cx0 <= 0.005 or cy1 - cy0 <= 0.005:
            continue
        share = (cx1 - cx0) * (cy1 - cy0) / ((bx1 - bx0) * (by1 - by0))
        seen = share >= KEEP_VISIBLE and min(cx1 - cx0, cy1 - cy0) >= MIN_BOX
        out.append((cls if seen else IGNORE, cx0, cy0, cx1 - cx0, cy1 - cy0))
    return out


def near(pixels: np.ndarray, boxes: Sequence[Box], box: Box, rng: Rng) -> tuple[np.ndarray, list[Box]]:
    """Cut out a square around `box`, at the picture's own resolution: what the trap's second look will see."""
    height, width = pixels.shape[:2]
    _, x, y, w, h = box
    side = min(max(w * width, h * height) * np.exp(rng.uniform(np.log(1.2), np.log(3.2))), max(width, height))
    x0 = (x + w / 2) * width - side / 2 + side * rng.normal(0, 0.06)
    y0 = (y + h / 2) * height - side / 2 + side * rng.normal(0, 0.06)
    x0, y0 = min(max(x0, 0), max(0, width - side)), min(max(y0, 0), max(0, height - side))
    left, top, right, bottom = int(x0), int(y0), int(min(width, x0 + side)), int(min(height, y0 + side))
    if min(right - left, bottom - top) < 16:
        return pixels, list(boxes)
    return pixels[top:bottom, left:right], _seen(boxes, width, height, (left, top, right - left, bottom - top))


def flip(pixels: np.ndarray, boxes: Sequence[Box]) -> tuple[np.ndarray, list[Box]]:
    """Left to right."""
    return pixels[:, ::-1], [(cls, 1 - x - w, y, w, h) for cls, x, y, w, h in boxes]


def paste(background: np.ndarray, pixels: np.ndarray, box: Box, size: int, rng: Rng) -> tuple[np.ndarray, list[Box]]:
    """Put the animal in `box` on an empty frame, small, its surroundings fading out, its brightness matched."""
    height, width = pixels.shape[:2]
    cls, x, y, w, h = box
    edges = (int(x * width), int(y * height), int((x + w) * width), int((y + h) * height))
    source = Image.fromarray(pixels).crop(edges)
    target = np.exp(rng.uniform(np.log(0.10), np.log(0.5))) * size
    ratio = np.clip(source.width / max(1, source.height), 0.4, 2.5)
    new_w, new_h = max(8, int(target * ratio**0.5)), max(8, int(target / ratio**0.5))
    cut = np.asarray(source.resize((new_w, new_h)), np.float32)
    canvas = np.asarray(Image.fromarray(background).resize((size, size)), np.float32).copy()
    left = int(rng.integers(-new_w // 4, max(1, size - 3 * new_w // 4)))
    top = int(rng.integers(size // 6, max(size // 6 + 1, size - new_h)))
    x0, y0, x1, y1 = max(0, left), max(0, top), min(size, left + new_w), min(size, top + new_h)
    yy, xx = np.mgrid[0:new_h, 0:new_w]
    radius = np.hypot((xx + 0.5) / new_w * 2 - 1, (yy + 0.5) / new_h * 2 - 1)
    alpha = np.clip((1.25 - radius) / 0.3, 0, 1)[..., None]
    inner = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    under = canvas[y0:y1, x0:x1]
    cut *= np.clip((under.mean() + 20) / (cut.mean() + 20), 0.35, 1.3)
    canvas[y0:y1, x0:x1] = under * (1 - alpha[inner]) + cut[inner] * alpha[inner]
    placed = (cls, x0 / size, y0 / size, (x1 - x0) / size, (y1 - y0) / size)
    return np.clip(canvas, 0, 255).astype(np.uint8), [placed]


def infrared(pixels: np.ndarray, rng: Rng) -> np.ndarray:
    """Grey, lit from the camera: bright middle, dark edges, coarse noise, little contrast far away."""
    grey = pixels.astype(np.float32) @ rng.dirichlet((4, 4, 2)).astype(np.float32)
    height, width = grey.shape
    yy = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(rng.uniform(-0.3, 0.3))
    xx = np.linspace(-1, 1, width, dtype=np.float32)[None] - np.float32(rng.uniform(-0.3, 0.3))
    fall_off = 1 - np.float32(rng.uniform(0.1, 0.8)) * (xx * xx + yy * yy)
    curve = (255 * np.linspace(0, 1, 256) ** rng.uniform(0.6, 1.7) * rng.uniform(0.5, 1.1)).astype(np.float32)
    grey = curve[np.clip(grey, 0, 255).astype(np.uint8)] * np.clip(fall_off, 0.03, 1)
    grey += rng.standard_normal(grey.shape, np.float32) * np.float32(rng.uniform(1, 8))
    tint = 1 + rng.uniform(-0.06, 0.06, 3).astype(np.float32)
    return np.clip(grey[..., None] * tint, 0, 255).astype(np.uint8)


def light(pixels: np.ndarray, rng: Rng, *, weather: bool = True) -> np.ndarray:
    """Exposure, contrast, saturation and white balance; now and then night flash and, with `weather`, fog or a flare.

    All but saturation and flare act on each channel by itself, so they are one table of 3 × 256 values.
    """
    image = ImageEnhance.Color(Image.fromarray(pixels)).enhance(rng.uniform(0.4, 1.4))
    x = np.linspace(0, 1, 256)[None].repeat(3, axis=0)
    contrast = rng.uniform(0.7, 1.25)
    x = (x - 0.5) * (contrast if weather else max(1.0, contrast)) + 0.5 + rng.uniform(-0.12, 0.12)
    x = np.clip(x * (1 + rng.uniform(-0.12, 0.12, (3, 1))), 0, 1) ** np.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < 0.12 and weather:  # fog, breath, condensation
        x = x + (rng.uniform(0.3, 0.8) - x) * rng.uniform(0.3, 0.75)
    if rng.random() < 0.12:  # white flash at night: dim, yellowish
        x = x * rng.uniform(0.2, 0.6) * np.array([[1], [rng.uniform(0.85, 1)], [rng.uniform(0.6, 0.9)]])
    image = image.point((np.clip(x, 0, 1) * 255).astype(np.uint8).ravel().tolist())
    if rng.random() < 0.06 and weather:  # flare
        wide = rng.uniform(0.01, 0.15)
        down = np.exp(-((np.linspace(0, 1, image.height) - rng.random()) ** 2) / wide)
        across = np.exp(-((np.linspace(0, 1, image.width) - rng.random()) ** 2) / wide)
        spot = (np.outer(down, across) * rng.uniform(80, 230)).astype(np.float32)
        return np.clip(np.asarray(image, np.float32) + spot[..., None], 0, 255).astype(np.uint8)
    return np.asarray(image)


def lens(pixels: np.ndarray, rng: Rng) -> np.ndarray:
    """Blur, motion, coarse pixels, sensor noise and JPEG, each now and then."""
    size = pixels.shape[1], pixels.shape[0]
    image = Image.fromarray(pixels)
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.2)))
    if rng.random() < 0.08:
        row = np.zeros((5, 5))
        row[2] = 1
        kernel = row if rng.random() < 0.7 else np.eye(5)
        image = image.filter(ImageFilter.Kernel((5, 5), kernel.ravel().tolist(), float(kernel.sum())))
    if rng.random() < 0.2:
        share = rng.uniform(0.3, 0.8)
        image = image.resize((int(size[0] * share), int(size[1] * share))).resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.2:
        noise = rng.standard_normal((size[1], size[0], 1), np.float32) * np.float32(rng.uniform(2, 14))
        noisy = np.asarray(image, np.float32) + noise
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(20, 75)))
        image = Image.open(stream).convert("RGB")
    return np.asarray(image)


def look(pixels: np.ndarray, rng: Rng, levers: Levers = FULL) -> np.ndarray:
    """Light and lens together: a quarter of the pictures turn infra-red."""
    if rng.random() < 0.25 and levers.night:
        pixels = infrared(pixels, rng)
    elif rng.random() < 0.85:
        pixels = light(pixels, rng, weather=levers.weather)
    return lens(pixels, rng) if levers.weather else pixels


def nothing(size: int, rng: Rng) -> np.ndarray:
    """A made-up picture of no animal: textures, stripes, discs, blocks of writing, gradients.

    The photographs contain few man-made things; without these a net calls coins and tiles animals.
    """
    kind = int(rng.integers(7))
    base, ink = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    image = Image.new("RGB", (size, size), tuple(int(v) for v in base))
    draw = ImageDraw.Draw(image)
    colour = tuple(int(v) for v in ink)
    if kind == 0:  # natural-looking texture: noise with a falling spectrum
        slope = rng.uniform(0.6, 2.2)
        fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
        spectrum = 1 / np.maximum(np.hypot(fx * rng.uniform(0.5, 2), fy), 1 / size) ** slope
        planes = [np.fft.irfft2(spectrum * np.fft.rfft2(rng.normal(size=(size, size)))) for _ in range(3)]
        mixed = planes[0][..., None] + rng.uniform(0, 0.6) * np.stack(planes, axis=2)
        mixed = (mixed - mixed.mean()) / (mixed.std() + 1e-9) * rng.uniform(15, 60) + base
        return np.clip(mixed, 0, 255).astype(np.uint8)
    if kind == 1:  # tiles or stripes
        step = int(rng.integers(6, 60))
        for i in range(0, size, step):
            for j in range(0, size, step if rng.random() < 0.7 else size):
                if (i // step + j // step) % 2:
                    draw.rectangle((j, i, j + step, i + step), fill=colour)
    elif kind == 2:  # discs: coins, cells, lenses, the moon
        for _ in range(int(rng.integers(1, 30))):
            x, y, r = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(6, size / 3)
            tone = tuple(int(v) for v in np.clip(ink + rng.normal(0, 40, 3), 0, 255))
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tone, outline=colour)
    elif kind == 3:  # writing
        step = int(rng.integers(8, 26))
        for y in range(4, size, step):
            x = 4.0
            while x < size:
                word = rng.uniform(4, 40)
                draw.rectangle((x, y, x + word, y + step * rng.uniform(0.3, 0.6)), fill=colour)
                x += word + rng.uniform(3, 9)
    elif kind == 6:  # grass, gravel, snow on rocks: coarse patches under fine grain
        cell = int(rng.integers(4, 40))
        patches = rng.integers(0, 256, (size // cell + 1, size // cell + 1), np.uint8)
        rough = np.asarray(Image.fromarray(patches).resize((size, size), Image.Resampling.BILINEAR), np.float32)
        rough = (rough - 128) * rng.uniform(0.1, 0.8) + rng.uniform(50, 200)
        rough += rng.standard_normal((size, size), np.float32) * np.float32(rng.uniform(3, 40))
        return np.clip(rough[..., None] * (0.6 + 0.4 * base / 255), 0, 255).astype(np.uint8)
    elif kind == 4:  # gradients
        ramp = np.linspace(0, 1, size)[:, None, None] * np.ones((1, size, 1))
        mixed = base + (ink - base) * (ramp if rng.random() < 0.5 else ramp.transpose(1, 0, 2))
        return mixed.astype(np.uint8)
    else:  # shards
        for _ in range(int(rng.integers(3, 40))):
            tone = tuple(int(v) for v in rng.integers(0, 256, 3))
            corners = [(float(a), float(b)) for a, b in rng.uniform(0, size, (int(rng.integers(3, 6)), 2))]
            draw.polygon(corners, fill=tone)
    return np.asarray(image)
