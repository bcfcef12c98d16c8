"""SDK v2: an asynchronous endpoint that goes to zero instances when idle, and comes back by its backlog."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sagemaker
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import CSVDeserializer
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearnModel
from scaling import Scaling

CODE = Path(__file__).parent / "code"
session = sagemaker.Session()
name, bucket = sagemaker.utils.unique_name_from_base("scaled"), session.default_bucket()

archive = io.BytesIO()
tarfile.open(fileobj=archive, mode="w:gz").close()  # empty: the code is all there is of this model
session.boto_session.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=archive.getvalue())

model = SKLearnModel(
    model_data=f"s3://{bucket}/{name}/model.tar.gz", role=sagemaker.get_execution_role(), entry_point=str(CODE / "inference.py"),
    framework_version="1.2-1", name=name, sagemaker_session=session, model_server_workers=1,
)
predictor = model.deploy(
    1, "ml.m5.large", endpoint_name=name, serializer=CSVSerializer(), deserializer=CSVDeserializer(),
    async_inference_config=AsyncInferenceConfig(output_path=f"s3://{bucket}/{name}/answers", max_concurrent_invocations_per_instance=1),
)
scaled = Scaling(name)
predictor.predict([1], waiter_config=WaiterConfig(max_attempts=60, delay=1))  # and now there is nothing to do
scaled.wait(0)
asked = [predictor.predict_async([number]) for number in range(30)]
scaled.wait(2)
with ThreadPoolExecutor(10) as pool:
    answers = [float(rows[0][0]) for rows in pool.map(lambda one: one.get_result(WaiterConfig(max_attempts=90, delay=1)), asked)]
scaled.wait(0)
story = scaled.story()
scaled.close()
predictor.delete_endpoint()
print("\nRESULT", json.dumps({"answers": answers, "story": story}))
