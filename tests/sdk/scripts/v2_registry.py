"""SDK v2: register a model, approve the version, deploy it."""

import io
import json
import tarfile

import sagemaker
from sagemaker import ModelPackage
from sagemaker.model import Model

CODE = b"""
def model_fn(model_dir):
    return 7

def transform_fn(model, body, content_type, accept):
    return str(model * float(body)), "text/csv"
"""
session = sagemaker.Session()
role = sagemaker.get_execution_role()
bucket = session.default_bucket()
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    about = tarfile.TarInfo("code/inference.py")
    about.size = len(CODE)
    tar.addfile(about, io.BytesIO(CODE))
session.boto_session.client("s3").put_object(Bucket=bucket, Key="registry/model.tar.gz", Body=archive.getvalue())
model = Model(
    image_uri="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11", model_data=f"s3://{bucket}/registry/model.tar.gz",
    role=role, sagemaker_session=session, env={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
)
packages = [model.register(
    content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"],
    model_package_group_name="v2-group", approval_status=status, description="by v2",
) for status in ("PendingManualApproval", "PendingManualApproval")]
packages[1].update_approval_status("Approved", "looks good")
client = session.sagemaker_client
described = client.describe_model_package(ModelPackageName=packages[1].model_package_arn)
deployed = ModelPackage(role=role, model_package_arn=packages[1].model_package_arn, sagemaker_session=session)
predictor = deployed.deploy(1, "ml.m5.large", endpoint_name="v2-package")
runtime = session.boto_session.client("sagemaker-runtime")
answer = runtime.invoke_endpoint(EndpointName="v2-package", ContentType="text/csv", Body=b"6")["Body"].read().decode()
session.delete_endpoint("v2-package")
print("\nRESULT " + json.dumps({
    "versions": [p.model_package_arn.rsplit("/", 1)[-1] for p in packages], "approval": described["ModelApprovalStatus"],
    "why": described.get("ApprovalDescription"), "answer": answer,
}))
