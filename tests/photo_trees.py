"""Small raw trees in the sources' layouts, for tests."""

import hashlib
import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from facemask.ingest.ingest import Settings

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")


def pixels(key=0, height=32, width=24):
    """A smooth coloured picture that is different for every key, uint8 RGB."""
    random = np.random.default_rng(key)
    return cv2.resize(
        random.integers(0, 256, (4, 3, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_LINEAR
    )


def jpeg(key=0, height=32, width=24):
    return simplejpeg.encode_jpeg(pixels(key, height, width), quality=92)


def encoded(array, kind, **options):
    """An array or Pillow image as a file's bytes."""
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write(root, files):
    """files: path -> bytes or text."""
    for path, content in files.items():
        place = Path(root) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def image_id(key):
    return hashlib.sha1(str(key).encode()).hexdigest() + ".jpg"


def competition(persons=4, evals=3, size=(32, 24)):
    """path -> content of a clean competition tree."""
    files, rows = {}, ["id,gender,race,age,path"]
    for number in range(persons):
        gender, age = ("male", "female")[number % 2], 20 + number * 7 % 41
        folder = f"{number:06d}_{gender}_Asian_{age}"
        rows.append(f"{number:06d},{gender},Asian,{age},{folder}")
        for index, stem in enumerate(STEMS):
            files[f"train/images/{folder}/{stem}.jpg"] = jpeg(number * 10 + index, *size)
    names = [image_id(number) for number in range(evals)]
    files |= {f"eval/images/{name}": jpeg(100_000 + number, *size) for number, name in enumerate(names)}
    files["train/train.csv"] = "\n".join(rows) + "\n"
    files["eval/info.csv"] = "\n".join(["ImageID,ans", *(f"{name},0" for name in names)]) + "\n"
    return files


def face_points(width=96, height=128):
    """49 key points of an upright face in the middle of a photo."""
    x, y = width / 2, height * 0.4
    half, down = width * 0.16, height * 0.17
    brows = [(x + half * u, y - 0.3 * down) for u in np.linspace(-1.2, 1.2, 10)]
    bridge = [(x, y + down * v) for v in (0.0, 0.2, 0.4, 0.6)]
    base = [(x + half * u, y + 0.7 * down) for u in (-0.4, -0.2, 0, 0.2, 0.4)]
    eyes = [(x + side * half * 0.7 + half * 0.3 * u, y + 0.06 * down * v)
            for side in (-1, 1) for u, v in ((-1, 0), (-0.4, -1), (0.4, -1), (1, 0), (0.4, 1), (-0.4, 1))]  # fmt: skip
    outer = [(x + half * 0.7 * np.cos(a), y + down * (1 - 0.15 * np.sin(a))) for a in np.linspace(np.pi, 0, 7)]
    outer += [(x + half * 0.7 * np.cos(a), y + down * (1 + 0.15 * np.sin(a))) for a in np.linspace(0, np.pi, 7)[1:-1]]
    inner = [(x + half * 0.3 * u, y + down) for u in (-1, 0, 1, 1, 0, -1)]
    return np.array(brows + bridge + base + eyes + outer + inner)


def all_age_faces(faces=("00001A20", "00002A71", "07381A05", "13321A60"), size=(128, 96)):
    files = {f"original images/{name}.jpg": jpeg(index, *size) for index, name in enumerate(faces)}
    points = "\n".join(f"{x:.2f} {y:.2f}" for x, y in face_points(size[1], size[0])) + "\n"
    files |= {f"key points/{name}.txt": points for name in faces}
    files["image sets/train.txt"] = "".join(f"{name}.jpg {int(int(name[:5]) >= 7381)}\n" for name in faces[::2])
    files["image sets/val.txt"] = "".join(f"{name}.jpg {int(int(name[:5]) >= 7381)}\n" for name in faces[1::2])
    return {f"All-Age-Faces Dataset/{path}": content for path, content in files.items()}


def medical_masks(photos=8):
    files, rows = {}, ["ID,TYPE,USER_ID,GENDER,AGE,name,size_mb"]
    for number in range(photos):
        user, gender, age = number // 4, ("MALE", "FEMALE")[number // 4 % 2], 30 + number // 4
        name = f"{number:06d}_{number % 4 + 1}_{user:06d}_{gender}_{age}.jpg"
        rows.append(f"{number},{number % 4 + 1},{user},{gender},{age},{name},0.1")
        files[f"images/{name}"] = jpeg(number)
    return files | {"df_part_1.csv": "\n".join(rows) + "\n"}


def settings(**changes):
    values = {"short_side": 24, "pixel_limit": 10**7, "on_broken": "quarantine", "most_broken": 1.0, "workers": 2}
    return Settings(**values | {"memory_budget": 10**9, "engine": "local"} | changes)
