"""Draws the demo's clips and posters. Run it only to change them: git has its output.

    python media/make_clips.py [ID ...]        needs ffmpeg with libvpx-vp9 and libwebp; a minute

Every picture is a function of a place and of a moment in [0, 1). It is periodic in the moment, so
that the clips loop without a seam. The pictures are small, and ffmpeg enlarges them: all shapes
are soft, so nothing is lost.
"""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

OUT: Final = Path(__file__).resolve().parents[1] / "server/src/ratchet_server/demo/clips"
WIDTH: Final = 320
HEIGHT: Final = 180
FRAMES: Final = 120
FRAMES_PER_S: Final = 24
# The number of the frame that shows each clip best.
POSTER: Final = 30

Colour = tuple[float, float, float]
Frame = bytearray
TURN: Final = 2 * math.pi


def tide(moment: float) -> Frame:
    """Rows of waves before a dusk sky: the nearer a row is, the darker."""
    moon_x, moon_y, moon_r = 226.0, 46.0, 17.0
    rows: list[tuple[list[float], Colour]] = []
    for row in range(5):
        near = row / 4
        speed, waves = 1 + row % 3, 2 + row % 2
        line = [
            92
            + 19 * row
            + (3 + 5 * near) * math.sin(TURN * (waves * x / WIDTH + speed * moment + 0.37 * row))
            + (1 + 2 * near) * math.sin(TURN * ((waves + 3) * x / WIDTH - moment + 0.61 * row))
            for x in range(WIDTH)
        ]
        rows.append((line, mix((96, 110, 168), (14, 20, 52), near)))
    frame = Frame()
    for y in range(HEIGHT):
        sky = mix((36, 32, 84), (247, 152, 116), min(1.0, (y / 112) ** 1.35))
        for x in range(WIDTH):
            away = math.hypot(x - moon_x, y - moon_y)
            colour = mix(sky, (255, 240, 214), 0.45 * math.exp(-((away / 34) ** 2)))
            colour = mix(colour, (255, 248, 232), soft(moon_r - away))
            for line, water in rows:
                depth = y - line[x]
                if depth > -1:
                    crest = mix(water, (255, 206, 178), 0.5 * math.exp(-max(depth, 0.0) / 2.2))
                    colour = mix(colour, crest, soft(depth))
            put(frame, colour)
    return frame


def loom(moment: float) -> Frame:
    """Wavy warp and weft threads. They take turns on top, as in cloth."""
    warm: list[Colour] = [(255, 186, 92), (240, 118, 84), (224, 74, 106)]
    cold: list[Colour] = [(92, 200, 190), (64, 142, 204), (92, 98, 196)]
    frame = Frame()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            along = (x + 13 * math.sin(TURN * (y / 170 + moment))) / 30
            across = (y + 13 * math.sin(TURN * (x / 210 - moment))) / 30
            column, row = math.floor(along), math.floor(across)
            warp, weft = 2 * (along - column) - 1, 2 * (across - row) - 1
            # How high a thread stands here: it dives under the other one at every second crossing.
            over = (
                0.5
                * math.cos(math.pi * (along + across - 1))
                * math.cos(math.pi * (along - across))
            )
            first, second = thread(warp, warm[column % 3]), thread(weft, cold[row % 3])
            top, below = (first, second) if (column + row) % 2 else (second, first)
            colour = mix((22, 18, 38), dim(below[0], 0.62 + 0.2 * over), below[1])
            put(frame, mix(colour, top[0], top[1]))
    return frame


def orbit(moment: float) -> Frame:
    """Moons on their rings, each with a fading tail, round a breathing sun."""
    light = [(0.0, 0.0, 0.0)] * (WIDTH * HEIGHT)

    def glow(cx: float, cy: float, size: float, colour: Colour) -> None:
        reach = int(3 * size) + 1
        for y in range(max(0, int(cy) - reach), min(HEIGHT, int(cy) + reach + 1)):
            for x in range(max(0, int(cx) - reach), min(WIDTH, int(cx) + reach + 1)):
                much = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (size * size))
                r, g, b = light[y * WIDTH + x]
                light[y * WIDTH + x] = (
                    r + much * colour[0],
                    g + much * colour[1],
                    b + much * colour[2],
                )

    def ring(radius: float, turn: float) -> tuple[float, float]:
        # The eye is above the rings and beside them: they look flat and a little tilted.
        x, y = radius * math.cos(TURN * turn), 0.44 * radius * math.sin(TURN * turn)
        return WIDTH / 2 + x - 0.22 * y, HEIGHT / 2 + y + 0.16 * x

    for moon in range(9):
        radius = 34 + 13.5 * moon
        turns = 5 - moon // 2 if moon < 8 else 1
        colour = mix((255, 190, 110), (110, 160, 255), moon / 8)
        for step in range(120):
            glow(*ring(radius, step / 120), 1.0, dim(colour, 0.055))
        for step in range(26, -1, -1):
            fade = (1 - step / 27) ** 2
            turn = turns * moment - 0.006 * step * 60 / radius * 1.6 + 0.381966 * moon
            glow(*ring(radius, turn), 1.4 + 1.9 * fade, dim(colour, 0.16 + 0.75 * (step == 0)))
    breath = 1 + 0.07 * math.sin(TURN * moment)
    glow(WIDTH / 2, HEIGHT / 2, 9 * breath, (255, 226, 170))
    glow(WIDTH / 2, HEIGHT / 2, 26 * breath, (120, 70, 40))

    frame = Frame()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            dark = mix((24, 22, 52), (8, 8, 20), math.hypot(x - WIDTH / 2, y - HEIGHT / 2) / 180)
            r, g, b = light[y * WIDTH + x]
            put(frame, (dark[0] + r, dark[1] + g, dark[2] + b))
    return frame


def thread(place: float, colour: Colour) -> tuple[Colour, float]:
    """A round thread's colour at `place` across it (-1 to 1), and how opaque it is there."""
    lit = math.sqrt(max(0.0, 1 - (place / 0.9) ** 2))
    return dim(colour, 0.45 + 0.55 * lit), soft((0.86 - abs(place)) * 8)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    s = 0.0 if share < 0 else 1.0 if share > 1 else share
    return (
        one[0] + s * (other[0] - one[0]),
        one[1] + s * (other[1] - one[1]),
        one[2] + s * (other[2] - one[2]),
    )


def dim(colour: Colour, much: float) -> Colour:
    return (colour[0] * much, colour[1] * much, colour[2] * much)


def soft(inside: float) -> float:
    """An edge one pixel wide: 0 outside, 1 inside."""
    return 0.0 if inside < -0.5 else 1.0 if inside > 0.5 else inside + 0.5


def put(frame: Frame, colour: Colour) -> None:
    frame.extend(min(255, max(0, round(part))) for part in colour)


def encode(name: str, draw: Callable[[float], Frame]) -> None:
    size = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        str(FRAMES_PER_S),
    ]
    enlarge = ["-vf", "scale=640:360:flags=bicubic"]
    vp9 = [
        "-c:v",
        "libvpx-vp9",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "43",
        "-b:v",
        "0",
        "-g",
        "60",
        "-row-mt",
        "1",
        "-fflags",
        "+bitexact",
        "-map_metadata",
        "-1",
    ]
    webp = ["-c:v", "libwebp", "-quality", "82", "-frames:v", "1"]
    frames = [bytes(draw(at / FRAMES)) for at in range(FRAMES)]
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-y", *size, "-i", "-", *enlarge]
    subprocess.run([*ffmpeg, *vp9, str(OUT / f"{name}.webm")], input=b"".join(frames), check=True)
    subprocess.run([*ffmpeg, *webp, str(OUT / f"{name}.webp")], input=frames[POSTER], check=True)
    print(f"{name}: {(OUT / f'{name}.webm').stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    clips = {"tide": tide, "loom": loom, "orbit": orbit}
    for chosen in sys.argv[1:] or clips:
        encode(chosen, clips[chosen])
