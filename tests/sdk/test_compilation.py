"""A model compiled by the SDK serves from the image that the job names."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from sagewright.testing.names import unique
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPT = Path(__file__).parent / "scripts" / "compile_v2.py"
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]
STUMP = {
    "base_weights": [0.0, -1.0, 1.0], "categories": [], "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
    "default_left": [1, 0, 0], "id": 0, "left_children": [1, -1, -1], "loss_changes": [1.0, 0.0, 0.0], "parents": [2147483647, 0, 0],
    "right_children": [2, -1, -1], "split_conditions": [0.5, -1.0, 1.0], "split_indices": [0, 0, 0], "split_type": [0, 0, 0],
    "sum_hessian": [2.0, 1.0, 1.0], "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"},
}  # fmt: skip
BOOSTER = {
    "learner": {
        "attributes": {}, "feature_names": [], "feature_types": [],
        "gradient_booster": {"name": "gbtree", "model": {
            "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "iteration_indptr": [0, 1], "tree_info": [0], "trees": [STUMP]}},
        "learner_model_param": {"base_score": "0E0", "boost_from_average": "1", "num_class": "0", "num_feature": "2", "num_target": "1"},
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    },
    "version": [3, 0, 5],
}  # fmt: skip


def test_an_sdk_compiles_and_deploys_what_came_out(server: TestServer, tmp_path: Path) -> None:
    (tmp_path / "model").write_text(json.dumps(BOOSTER))
    role, name = f"arn:aws:iam::123456789012:role/{server.execution_role()}", unique("sdk-compile")
    found = run(server, "v2", SCRIPT, role, name, str(tmp_path / "model"))
    assert found["image"] == "sagewright-neo:1"
    assert found["artifact"].endswith(f"{name}/model-ml_c5.tar.gz")
    assert found["package"].endswith(f"{name}/packages/stump-1.0.tar.gz")
    assert found["found"] == [-1.0, 1.0, 1.0]


def test_the_resources_of_sdk_v3_take_a_model_to_a_fleet(server: TestServer, tmp_path: Path) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        text = json.dumps(BOOSTER).encode()
        member = tarfile.TarInfo("xgboost-model")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    s3, name = server.client("s3"), unique("v3-edge")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=body.getvalue())
    role = f"arn:aws:iam::123456789012:role/{server.execution_role()}"
    found = run(server, "v3", SCRIPT.with_name("edge_v3.py"), role, name)
    assert found == {"compiled": f"s3://{name}/compiled/model-rasp4b.tar.gz", "refused": True, "stage": "DEPLOYED", "counts": [1, 0, 0], "devices": ["press"]}
