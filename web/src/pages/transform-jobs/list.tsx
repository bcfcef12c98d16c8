import type { TransformJobStatus, TransformJobSummary } from "@aws-sdk/client-sagemaker";

import { columnsOf, CompareTwo, StopEach, type Kind, type Sort } from "../../kit/job-list";
import { ResourceTable } from "../../kit/table";
import { list, STATUSES, stop } from "./api";

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
    <ResourceTable<TransformJobSummary, Sort, TransformJobStatus>
      kinds={["TransformJob"]}
      title="Batch transform"
      noun="transform job"
      description="Each asks a model about every row of a data set, once."
      list={list}
      id={(j) => j.TransformJobName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Create a transform job", href: "/transform-jobs/create" }}
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
