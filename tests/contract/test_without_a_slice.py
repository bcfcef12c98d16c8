"""Deleting a slice's folder and its row takes away that capability and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import sagewright
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

SOURCE = Path(sagewright.__file__).parent.parent


def test_the_house_stands_without_transform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "checkout" / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "checkout" / "images").symlink_to(SOURCE.parent / "images")
    shutil.rmtree(copy / "sagewright" / "slices" / "transform")
    table = copy / "sagewright" / "slices" / "__init__.py"
    table.write_text(table.read_text().replace('    "transform",\n', ""))
    monkeypatch.setenv("PYTHONPATH", str(copy))
    with TestServer(tmp_path / "data") as server:
        jobs = Jobs(server)
        assert jobs.ended(jobs.train("print(1)"))["TrainingJobStatus"] == "Completed"
        assert jobs.sagemaker.list_endpoints()["Endpoints"] == []
        with pytest.raises(ClientError) as caught:
            jobs.sagemaker.list_transform_jobs()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
