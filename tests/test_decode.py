import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from anime_gen.decode import SUFFIXES, decode, read, upright_size

ROOT = Path(__file__).resolve().parent.parent


def gradient(height: int = 40, width: int = 40) -> np.ndarray:
    """Smooth RGB (H, W, 3): red grows to the right, green to the bottom."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / (width - 1), y * 255 / (height - 1), 0 * x + 60], -1).astype(np.uint8)


def close(a: np.ndarray, b: np.ndarray, by: float) -> bool:
    return bool(np.abs(a.astype(float) - b).max() <= by)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif", "jpg"])
def test_rgb_files_keep_their_pixels(tmp_path, suffix):
    Image.fromarray(gradient()).save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    got = decode(tmp_path / f"a.{suffix}", 40)
    assert got.shape == (40, 40, 3)
    assert got.dtype == np.uint8
    assert close(got, gradient(), 12 if suffix == "jpg" else 0)


def test_transparency_lies_over_white(tmp_path):
    clear = np.dstack([gradient(), np.full((40, 40), 255, np.uint8)])
    clear[:, :20, 3] = 0
    clear[:20, 20:, 3] = 128
    Image.fromarray(clear).save(tmp_path / "a.png")
    got = decode(tmp_path / "a.png", 40).astype(float)
    assert (got[:, :20] == 255).all()
    half = gradient().astype(float)[:20, 20:] * 128 / 255 + 127
    assert close(got[:20, 20:], half, 1.5)
    assert close(got[20:, 20:], gradient()[20:, 20:], 0)


def test_grey_with_transparency(tmp_path):
    Image.merge("LA", [Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 0)]).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png", 8) == 255).all()


def test_palette_with_and_without_a_transparent_colour(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(0, (0, 0, 4, 8))
    picture.save(tmp_path / "solid.png")
    picture.save(tmp_path / "clear.png", transparency=0)
    picture.save(tmp_path / "clear.gif", transparency=0)
    assert (decode(tmp_path / "solid.png", 8)[:, :4] == (10, 20, 30)).all()
    for name in ("clear.png", "clear.gif"):
        got = decode(tmp_path / name, 8)
        assert (got[:, :4] == 255).all()
        assert (got[:, 4:] == (200, 100, 50)).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)
    Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    got = decode(tmp_path / f"a.{suffix}", 40)
    assert close(got, np.repeat((ramp / 257)[..., None], 3, 2), 1)


@pytest.mark.parametrize("white", [np.float32(1), np.float32(255), np.int32(255)])
def test_grey_of_unknown_range_is_refused(tmp_path, white):
    Image.fromarray(np.full((8, 8), white)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="unknown range: save it with 8 or 16 bits"):
        decode(tmp_path / "a.tif", 8)


def test_greyscale_bilevel_and_cmyk(tmp_path):
    Image.new("L", (8, 8), 77).save(tmp_path / "l.jpg")
    Image.new("1", (8, 8), 1).save(tmp_path / "1.png")
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert close(decode(tmp_path / "l.jpg", 8), np.full((8, 8, 3), 77), 2)
    assert (decode(tmp_path / "1.png", 8) == 255).all()
    assert close(decode(tmp_path / "cmyk.jpg", 8), np.broadcast_to((255, 0, 0), (8, 8, 3)), 6)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(40, 40), (40, 57)])
def test_every_exif_orientation_is_put_upright(tmp_path, orientation, shape, suffix):
    upright = Image.fromarray(gradient(*shape))
    # What a camera stores so that the tag's transformation gives the upright picture back.
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exact = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    stored.save(tmp_path / f"a.{suffix}", exif=exif, **exact.get(suffix, {}))
    upright.save(tmp_path / "b.png")
    assert close(decode(tmp_path / f"a.{suffix}", 32), decode(tmp_path / "b.png", 32), 4)
    assert upright_size(tmp_path / f"a.{suffix}") == (shape[1], shape[0])
    assert close(read(tmp_path / f"a.{suffix}"), gradient(*shape), 4)  # whole, and no pixel resized


def test_the_centred_square_is_kept(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    assert (decode(tmp_path / "wide.png", 20) == 200).all()
    assert (decode(tmp_path / "tall.png", 20) == 200).all()


def test_fine_patterns_are_averaged_not_sampled(tmp_path):
    Image.fromarray(np.tile(np.array([[0, 255], [255, 0]], np.uint8), (64, 64))).save(tmp_path / "a.png")
    assert close(decode(tmp_path / "a.png", 16)[2:-2, 2:-2], np.full((12, 12, 3), 127.5), 3)


def test_jpeg_reduction_is_not_visible(tmp_path):
    noise = np.random.default_rng(0).normal(0, 20, (32, 32, 3))
    big = gradient(512, 512) * 0.7 + 30 + np.kron(noise, np.ones((16, 16, 1)))
    picture = Image.fromarray(big.clip(0, 255).astype(np.uint8))
    picture.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as file:
        whole = file.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)
    error = np.mean((decode(tmp_path / "a.jpg", 64).astype(float) - np.asarray(whole)) ** 2)
    assert 10 * np.log10(255**2 / error) > 40


def test_a_small_picture_is_enlarged(tmp_path):
    Image.new("RGB", (5, 9), (1, 2, 3)).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png", 32) == (1, 2, 3)).all()


@pytest.mark.parametrize("suffix", ["avif", "jfif", "jpe", "apng", "jp2", "ppm"])
def test_the_rarer_names_and_formats(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(gradient()).save(path)
    assert path.suffix in SUFFIXES
    assert close(decode(path, 40), gradient(), 30)
    assert upright_size(path) == (40, 40)


def test_a_format_that_is_not_named_is_not_tried(tmp_path):
    # Encapsulated PostScript would start Ghostscript.
    Image.fromarray(gradient()).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(UnidentifiedImageError):
        decode(tmp_path / "a.png", 8)


def ancillary(kind, megabytes):
    texts = PngInfo()
    if kind == "text":
        texts.add_text("Comment", "a" * (megabytes * 2**20), zip=True)
        return {"pnginfo": texts}
    if kind == "international text":
        texts.add_itxt("XML:com.adobe.xmp", "a" * (megabytes * 2**20), zip=True)
        return {"pnginfo": texts}
    return {"icc_profile": b"\0" * (megabytes * 2**20)}


@pytest.mark.parametrize("kind", ["text", "international text", "profile"])
@pytest.mark.parametrize("megabytes", [2, 100])
def test_a_large_text_or_profile_is_no_damage(tmp_path, kind, megabytes):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(20, 40)).save(tmp_path / "a.png", exif=exif, **ancillary(kind, megabytes))
    assert upright_size(tmp_path / "a.png") == (20, 40)
    assert close(read(tmp_path / "a.png"), np.rot90(gradient(20, 40), -1), 0)
    assert decode(tmp_path / "a.png", 20).shape == (20, 20, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif"])
def test_damaged_exif_is_no_damage(tmp_path, suffix):
    Image.fromarray(gradient()).save(tmp_path / f"a.{suffix}", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff")
    assert close(read(tmp_path / f"a.{suffix}"), gradient(), 30)
    assert upright_size(tmp_path / f"a.{suffix}") == (40, 40)


def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (32, 32)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (60_000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    path.write_bytes(content)
    with pytest.raises(Exception, match="pixels"):
        decode(path, 8)


def test_nobody_else_opens_a_file_of_strangers():
    """Pillow tries every format that it knows on a file, and OpenCV more; only here they are named and bounded."""
    for path in sorted((ROOT / "anime_gen").rglob("*.py")):
        if path.name != "decode.py" and "bench" not in path.parts:
            opens = re.findall(r"Image\.open\((?!.*formats=)|imread|read_image", path.read_text())
            assert not opens, f"{path.relative_to(ROOT)} opens pictures by {opens}: use anime_gen.decode"
