import numpy as np
import pytest

from shapes.folder import ImageFolder, find_classes


def test_reads_ppm(tmp_path):
    (tmp_path / 'a').mkdir()
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    (tmp_path / 'a' / '1.ppm').write_bytes(b'P6\n2 2\n255\n' + pixels.tobytes())
    image, target = ImageFolder(str(tmp_path))[0]
    assert target == 0
    assert (image == pixels).all()


def test_no_classes(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_classes(str(tmp_path))
