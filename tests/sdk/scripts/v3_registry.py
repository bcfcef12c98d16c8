"""SDK v3: the registry's resources of sagemaker-core, and a presigned link to MLflow's pages."""

import json
import sys

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import MlflowTrackingServer, Model, ModelPackage, ModelPackageGroup
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.serve.model_builder import ModelBuilder

session = Session()
bucket = session.default_bucket()
role = get_execution_role()
group = ModelPackageGroup.create(model_package_group_name="v3-group", model_package_group_description="by v3")
made = []
for _ in range(2):
    builder = ModelBuilder(image_uri=sys.argv[1], s3_model_data_url=f"s3://{bucket}/registry/model.tar.gz", role_arn=role)
    builder.build(model_name=f"v3-built-{len(made)}")
    made.append(builder.register(
        model_package_group_name="v3-group", content_types=["text/csv"], response_types=["text/csv"],
        inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"], approval_status="PendingManualApproval",
    ))
package = ModelPackage.get(made[-1].model_package_arn if hasattr(made[-1], "model_package_arn") else made[-1])
# ModelPackage.update asks again by the name, which is the group's: the client is what is left for a version
session.boto_session.client("sagemaker").update_model_package(ModelPackageArn=package.model_package_arn, ModelApprovalStatus="Approved")
again = ModelPackage.get(package.model_package_arn)
listed = [p.model_package_version for p in ModelPackage.get_all(model_package_group_name="v3-group", sort_order="Ascending")]
model = Model.create(
    model_name="v3-of-package", execution_role_arn=role, primary_container=ContainerDefinition(model_package_name=package.model_package_arn)
)
shown = Model.get("v3-of-package").primary_container.model_package_name
server = MlflowTrackingServer.create(tracking_server_name="v3-lab", artifact_store_uri=f"s3://{bucket}/v3-lab", role_arn=role)
server.wait_for_status("Created")
url = server.create_presigned_url() if hasattr(server, "create_presigned_url") else ""
active = MlflowTrackingServer.get("v3-lab").is_active
server.stop()
server.wait_for_status("Stopped")
server.delete()
print("\nRESULT " + json.dumps({
    "approval": again.model_approval_status, "listed": listed, "group": group.model_package_group_name, "package": shown == package.model_package_arn,
    "active": active, "url": bool(url),
}))
