"""SDK v2: a new model that fails gets a tenth of the requests for a moment; an alarm on its errors takes the update back."""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import sagemaker
from botocore.exceptions import ClientError
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

PERIOD = int(sys.argv[1]) if len(sys.argv) > 1 else 60
"""Seconds of the alarm's period."""
CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
client, cloudwatch = session.sagemaker_client, session.boto_session.client("cloudwatch")
name = sagemaker.utils.unique_name_from_base("houses")

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    prices = json.dumps({"metre": 3000, "room": 5000}).encode()
    info = tarfile.TarInfo("prices.json")
    info.size = len(prices)
    tar.addfile(info, io.BytesIO(prices))
data = f"s3://{session.default_bucket()}/{name}/model.tar.gz"
session.boto_session.client("s3").put_object(Bucket=session.default_bucket(), Key=f"{name}/model.tar.gz", Body=archive.getvalue())


def configured(version: str) -> str:
    """A model with another script, and an endpoint configuration of it."""
    model = SKLearnModel(
        model_data=data, role=sagemaker.get_execution_role(), entry_point=str(CODE / f"{version}.py"), framework_version="1.2-1",
        name=f"{name}-{version}", sagemaker_session=session, model_server_workers=1,
    )
    model.create(instance_type="ml.m5.large")
    client.create_endpoint_config(EndpointConfigName=model.name, ProductionVariants=[
        {"VariantName": "AllTraffic", "ModelName": model.name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}])
    return model.name


good, bad = configured("good"), configured("bad")
session.create_endpoint(name, good)
predictor = Predictor(name, session, JSONSerializer(), JSONDeserializer())
cloudwatch.put_metric_alarm(
    AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocation5XXErrors", Statistic="Average", Threshold=0.1,
    ComparisonOperator="GreaterThanThreshold", Period=PERIOD, EvaluationPeriods=1, TreatMissingData="notBreaching",
    Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "AllTraffic"},
                {"Name": "EndpointConfigName", "Value": bad}],
)

client.update_endpoint(EndpointName=name, EndpointConfigName=bad, DeploymentConfig={
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}, "WaitIntervalInSeconds": 600,
        },
        "TerminationWaitInSeconds": 60, "MaximumExecutionTimeoutInSeconds": 1800,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name}]},
})
statuses, stages, answered, failed = [], [], 0, 0
while True:  # what users do meanwhile
    about = client.describe_endpoint(EndpointName=name)
    if about["EndpointStatus"] not in statuses[-1:]:
        statuses.append(about["EndpointStatus"])
    for variant in about.get("PendingDeploymentSummary", {}).get("ProductionVariants", []):
        stages += [stage["Status"] for stage in reversed(variant["VariantStatus"]) if stage["Status"] not in stages]
    if about["EndpointStatus"] == "InService":
        break
    for _ in range(10):
        try:
            assert predictor.predict({"metres": 100, "rooms": 4}) == {"price": 320_000}
            answered += 1
        except ClientError as error:
            if error.response["Error"]["Code"] != "ModelError":
                raise
            failed += 1
    time.sleep(0.2)
after = [predictor.predict({"metres": 50, "rooms": 2})["price"] for _ in range(20)]
predictor.delete_endpoint()
cloudwatch.delete_alarms(AlarmNames=[name])
print("\nRESULT " + json.dumps({
    "statuses": statuses, "stages": stages, "serves": "good" if about["EndpointConfigName"] == good else "bad",
    "reason": about["FailureReason"], "answered": answered, "failed": failed, "after": after,
}))
