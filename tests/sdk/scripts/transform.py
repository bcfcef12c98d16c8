"""A Transformer of SDK v2 or v3, with the same words: filter, join and capture; wait for it with its logs."""

import json
import sys

try:
    from sagemaker.inputs import BatchDataCaptureConfig
    from sagemaker.session import Session
    from sagemaker.transformer import Transformer
except ImportError:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.shapes import BatchDataCaptureConfig
    from sagemaker.core.transformer import Transformer

model, bucket, prefix = sys.argv[1:]
session = Session()
transformer = Transformer(
    model_name=model, instance_count=1, instance_type="ml.m5.large", strategy="MultiRecord", assemble_with="Line", accept="text/csv",
    output_path=f"s3://{bucket}/{prefix}/out", max_concurrent_transforms=2, max_payload=1, sagemaker_session=session,
)
transformer.transform(
    data=f"s3://{bucket}/{prefix}/in", content_type="text/csv", split_type="Line", input_filter="$[1:]", join_source="Input",
    output_filter="$[0,-1]", model_client_config={"InvocationsTimeoutInSeconds": 30, "InvocationsMaxRetries": 1},
    batch_data_capture_config=BatchDataCaptureConfig(destination_s3_uri=f"s3://{bucket}/{prefix}/captured", generate_inference_id=True),
    wait=True, logs=False,
)
s3 = session.boto_session.client("s3")
rows = s3.get_object(Bucket=bucket, Key=f"{prefix}/out/rows.csv.out")["Body"].read().decode().splitlines()
keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/captured/")["Contents"]]
print("\nRESULT " + json.dumps({"rows": rows, "captured": keys}))
