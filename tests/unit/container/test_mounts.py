"""Where a sandbox makes its mount points, in folders that a job may have prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright_container.kernel import Forbidden
from sagewright_container.mounts import Points


def test_points_are_made_where_they_are_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Points(str(tmp_path)) as points:
        for _ in range(2):
            assert Path(points.place("/opt/ml/model", str(tmp_path))).is_dir()
            assert Path(points.place("/etc/hosts", str(tmp_path / "file"))).is_file()
    assert (tmp_path / "opt/ml/model").is_dir()
    assert (tmp_path / "etc/hosts").is_file()


@pytest.mark.parametrize("where", ["opt/ml/data", "opt/ml/data/channel", "opt/ml"])
@pytest.mark.parametrize("directory", [True, False])
def test_no_link_leads_a_mount_point_outside(tmp_path: Path, where: str, directory: bool) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    link = root / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if where != "opt/ml/data/channel" or directory else outside / "made")
    source = tmp_path / "source"
    source.mkdir() if directory else source.touch()
    with Points(str(root)) as points, pytest.raises(Forbidden, match="no place for /opt/ml/data/channel"):
        points.place("/opt/ml/data/channel", str(source))
    assert not list(outside.iterdir())
