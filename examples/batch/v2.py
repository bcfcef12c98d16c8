"""SDK v2: prices for every line of two objects, in their order, each behind the line it belongs to."""

import io
import json
import random
import tarfile
from pathlib import Path

import sagemaker
from sagemaker.sklearn import SKLearnModel

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
s3, bucket, name = session.boto_session.client("s3"), session.default_bucket(), sagemaker.utils.unique_name_from_base("batch")
random.seed(1)
houses = {part: [[f"{part}{n}", random.randrange(40, 200), random.randrange(1, 7)] for n in range(5000)] for part in ("north", "south")}
for part, rows in houses.items():
    s3.put_object(Bucket=bucket, Key=f"{name}/in/{part}.csv", Body="".join(f"{','.join(map(str, row))}\n" for row in rows))
archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()
s3.put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

transformer = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", sagemaker_session=session, model_server_workers=1,
).transformer(
    1, "ml.m5.large", strategy="MultiRecord", assemble_with="Line", accept="text/csv", output_path=f"s3://{bucket}/{name}/out",
    max_payload=1, max_concurrent_transforms=2,
)
# the first column is no feature: it is filtered out of what the model gets, and joined again with its answer
transformer.transform(
    f"s3://{bucket}/{name}/in/", content_type="text/csv", split_type="Line", input_filter="$[1:]", join_source="Input",
    output_filter="$[0,-1]", logs=False,
)
right = {}
for part, rows in houses.items():
    lines = s3.get_object(Bucket=bucket, Key=f"{name}/out/{part}.csv.out")["Body"].read().decode().splitlines()
    found = [(cells[0], float(cells[1])) for cells in (line.split(",") for line in lines)]
    right[part] = found == [(key, metres * 3000.0 + rooms * 5000.0) for key, metres, rooms in rows]
about = session.sagemaker_client.describe_transform_job(TransformJobName=transformer.latest_transform_job.name)
print("\nRESULT " + json.dumps({"right": right, "status": about["TransformJobStatus"]}))
