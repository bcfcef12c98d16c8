"""A production line: three devices as processes of this machine, each with an agent and keys of its own.

EDGE_PYTHON names a Python that has the agent's two dependencies; the one that runs this unless given.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import boto3

try:
    from sagewright_edge_agent.client import Client
except ModuleNotFoundError:  # it is not installed: take it from beside the examples
    sys.path.append(str(Path(__file__).parents[3] / "edge" / "src"))
    from sagewright_edge_agent.client import Client

DEVICES = ("press", "oven", "saw")
draw = random.Random(1)
ROWS = [[draw.gauss(0, 1) for _ in range(6)] for _ in range(2000)]
"""What six sensors say."""
CSV = "\n".join(",".join(f"{v:.5f}" for v in (int(r[0] * r[1] + r[2] > 0), *r)) for r in ROWS)
"""To train with: a fault or none, then the sensors."""


def keys(fleet, bucket, device):
    """Keys of a device's own: it may speak for itself, read packages and write captures."""
    iam, account = boto3.client("iam"), boto3.client("sts").get_caller_identity()["Account"]
    user = f"{fleet}-{device}"
    iam.create_user(UserName=user)
    allow = [
        {"Action": ["sagemaker:SendHeartbeat", "sagemaker:GetDeployments", "sagemaker:GetDeviceRegistration"],
         "Resource": f"arn:aws:sagemaker:*:{account}:device-fleet/{fleet}/device/{device}"},
        {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/{fleet}/packages/*"},
        {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/{fleet}/captures/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in allow]}
    iam.put_user_policy(UserName=user, PolicyName="device", PolicyDocument=json.dumps(policy))
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}


class Line:
    """The agents of a fleet's devices, while they run.

    Args:
        folder: for what the devices keep.
        room: bytes that a model may have on the saw, whose flash is small.
    """

    def __init__(self, folder, fleet, bucket, room):
        self.folder, self.fleet, self.bucket = Path(folder), fleet, bucket
        self._agents = [self._start(device, room if device == "saw" else 0) for device in DEVICES]

    def _start(self, device, limit):
        home = self.folder / device
        home.mkdir()
        (home / "keys.json").write_text(json.dumps(keys(self.fleet, self.bucket, device)))
        (home / "config.json").write_text(json.dumps({
            "sagemaker_edge_core_device_name": device, "sagemaker_edge_core_device_fleet_name": self.fleet,
            "sagewright_edge_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "sagewright_edge_root": str(home / "agent"),
            "sagewright_edge_credentials_file": str(home / "keys.json"), "sagewright_edge_heartbeat_seconds": 0.2,
            "sagewright_edge_max_model_bytes": limit,
        }))
        python = os.environ.get("EDGE_PYTHON", sys.executable)
        command = [python, "-m", "sagewright_edge_agent", "-a", str(home / "agent.sock"), "-c", str(home / "config.json")]
        path = os.pathsep.join([str(Path(__file__).parents[3] / "edge" / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(command, stderr=(home / "agent.log").open("wb"), env={**os.environ, "PYTHONPATH": path})

    def ask(self, device):
        """(version of its model, its prediction for the first row); what was asked is captured."""
        import numpy as np

        agent = Client(str(self.folder / device / "agent.sock"))
        version = agent.call("DescribeModel", name="faults")["model"]["model_version"]
        prediction = float(agent.predict("faults", data=np.array(ROWS[:1], np.float32))["predictions"][0])
        agent.call("CaptureData", model_name="faults", capture_id=f"sample-{device}", inputs=ROWS[:1])
        agent.close()
        return version, round(prediction, 3)

    def captured(self):
        """How many captures have come to the bucket, once every device's has."""
        s3, end = boto3.client("s3"), time.monotonic() + 30
        while True:
            count = s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.fleet}/captures/")["KeyCount"]
            if count >= len(DEVICES) or time.monotonic() > end:
                return count
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self._agents:
            agent.terminate()
        for agent in self._agents:
            agent.wait()
