"""Folders and archives told apart: pictures, or arrays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from automl.data.archive import opened
from automl.data.detected import Detected, Wanted
from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.pixels import silent, upright_size
from automl.data.reading import visible_files
from automl.errors import UserError

GREY_MODES = {"1", "L", "LA"}


def detect(path: str, wanted: Wanted) -> Detected:
    """The dataset in a folder or an archive. Raises UserError where there is none."""
    with opened(Path(path)) as folder:
        if (folder / "inputs.npy").exists():
            return Detected(Npz(path), (f"{path} holds arrays",))
        pictures = [file for file in visible_files(folder) if _is_picture(file)]
        if not pictures:
            raise UserError(
                f"{path} holds no pictures and no arrays (inputs.npy, targets.npy); "
                "give a file, or a folder of pictures with a folder for each class"
            )
        if all(file.parent == folder for file in pictures):
            raise UserError(
                f"{path} holds {len(pictures)} pictures but no folder for each class; "
                "make one, e.g. cats/ and dogs/, and move the pictures there"
            )
        sizes, modes = _sizes(pictures)
    side = wanted.picture_side
    size = _size(sizes, side)
    channels = 1 if modes <= GREY_MODES else 3
    spans = " to ".join(f"{h} x {w}" for h, w in dict.fromkeys((min(sizes), max(sizes))))
    resized = f", made {size[0]} x {size[1]}" if size else ""
    told = f"{path} holds {len(pictures):,} pictures of {spans} pixels{resized}"
    return Detected(ImageFolder(path, size, channels), (told,))


def _is_picture(path: Path) -> bool:
    return Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN


def _sizes(files: Iterable[Path]) -> tuple[set[tuple[int, int]], set[str]]:
    """The sizes (height, width) and the modes of pictures, from their headers alone."""
    sizes, modes = set(), set()
    for file in files:
        try:
            with silent(), Image.open(file) as image:
                sizes.add(upright_size(image))
                modes.add(image.mode)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{file} does not decode ({error}); replace or remove it") from None
    return sizes, modes


def _size(sizes: set[tuple[int, int]], side: int) -> tuple[int, ...]:
    """The size (height, width) that pictures are made; none where they can stay as they are."""
    if len(sizes) > 1:
        return side, side
    ((height, width),) = sizes
    longer = max(height, width)
    if longer <= side:
        return ()
    return max(1, round(height * side / longer)), max(1, round(width * side / longer))
