"""A heterogeneous cluster by SDK v2, as its users write it."""

import json
import sys

import boto3
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.instance_group import InstanceGroup

session = sagemaker.Session()
account = boto3.client("sts").get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/SagewrightExecutionRole"
bucket = session.default_bucket()
s3 = boto3.client("s3")
for number in range(4):
    s3.put_object(Bucket=bucket, Key=f"cluster/data/{number}", Body=str(number).encode())
CODE = """
import json, os, socket
config = json.load(open('/opt/ml/input/config/resourceconfig.json'))
me = config['current_host']
found = {'group': config['current_group_name'], 'type': config['current_instance_type'], 'peers': [socket.gethostbyname(h) for h in config['hosts']],
         'data': sorted(os.listdir('/opt/ml/input/data/train')) if os.path.exists('/opt/ml/input/data/train') else None}
json.dump(found, open('/opt/ml/model/' + me + '.json', 'w'))
print(me, 'of', config['current_group_name'])
"""
s3.put_object(Bucket=bucket, Key="cluster/code/main.py", Body=CODE.encode())
feeders, trainer = InstanceGroup("feeders", "ml.c5.xlarge", 2), InstanceGroup("trainer", "ml.m5.large", 1)
estimator = Estimator(
    image_uri=sys.argv[1], role=role, instance_groups=[feeders, trainer], sagemaker_session=session, volume_size=1,
    container_entry_point=["python3", "/opt/ml/input/data/code/main.py"], output_path=f"s3://{bucket}/cluster/out",
)
estimator.fit({
    "code": TrainingInput(f"s3://{bucket}/cluster/code/"),
    "train": TrainingInput(f"s3://{bucket}/cluster/data/", distribution="ShardedByS3Key", instance_groups=["feeders"]),
})
described = session.describe_training_job(estimator.latest_training_job.name)
print("RESULT", json.dumps({
    "model": estimator.model_data, "status": described["TrainingJobStatus"], "resources": described["ResourceConfig"],
}))
