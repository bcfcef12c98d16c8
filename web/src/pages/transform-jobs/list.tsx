import type { TransformJobSummary } from "@aws-sdk/client-sagemaker";

import { columnsOf, CompareTwo, JobTable, type Kind, StopEach } from "../../kit/job-list";
import { list, stop } from "./api";

const TEACH = `import boto3

boto3.client("sagemaker").create_transform_job(
    TransformJobName="score",
    ModelName="my-model",
    TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://my-bucket/rows/"}},
                    "ContentType": "text/csv", "SplitType": "Line"},
    TransformOutput={"S3OutputPath": "s3://my-bucket/scores", "AssembleWith": "Line"},
    TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
)`;

const KIND: Kind<TransformJobSummary> = {
  noun: "transform job",
  path: "/transform-jobs",
  about: (j) => ({ name: j.TransformJobName!, status: j.TransformJobStatus, created: j.CreationTime, ended: j.TransformEndTime ?? j.LastModifiedTime, arn: j.TransformJobArn }),
};
const { name, status, created, took, arn } = columnsOf(KIND);

export default function TransformJobs() {
  return (
    <JobTable<TransformJobSummary>
      kind={KIND}
      kinds={["TransformJob"]}
      title="Batch transform"
      description="Each asks a model about every row of a data set, once."
      list={list}
      columns={[name, status, created, took, arn]}
      actions={(chosen, done) => (
        <>
          <CompareTwo kind={KIND} chosen={chosen} />
          <StopEach kind={KIND} chosen={chosen} run={stop} said="Stopping." done={done}>
            No further records are sent to the model, and what it has answered so far is not kept.
          </StopEach>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListTransformJobs", input }] })}
      teach={{ text: "A transform job starts a model, sends it the rows of a data set, and stores what it answers.", code: TEACH }}
    />
  );
}
