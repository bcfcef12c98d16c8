import { DescribeTransformJobCommand, ListTransformJobsCommand, StopTransformJobCommand, type TransformJobStatus, type TransformJobSummary } from "@aws-sdk/client-sagemaker";
import { useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Described, picked } from "../../kit/described";
import { LiveLog } from "../../kit/log";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";

const TEACH = `import boto3

boto3.client("sagemaker").create_transform_job(
    TransformJobName="score",
    ModelName="my-model",
    TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://my-bucket/rows/"}},
                    "ContentType": "text/csv", "SplitType": "Line"},
    TransformOutput={"S3OutputPath": "s3://my-bucket/scores", "AssembleWith": "Line"},
    TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
)`;
const ASKED = ["TransformJobName", "ModelName", "MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy", "Environment", "TransformInput", "TransformOutput", "TransformResources", "DataProcessing"];

export function List() {
  return (
    <ResourceTable<TransformJobSummary, "Name" | "CreationTime" | "Status", TransformJobStatus>
      kinds={["TransformJob"]}
      title="Batch transform"
      noun="transform job"
      description="Each asks a model about every row of a data set, once."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListTransformJobsCommand(query), { abortSignal });
        return { items: page.TransformJobSummaries, next: page.NextToken };
      }}
      id={(j) => j.TransformJobName!}
      statuses={["InProgress", "Completed", "Failed", "Stopping", "Stopped"]}
      sort="CreationTime"
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (j) => <NameLink href={`/transform-jobs/${j.TransformJobName}`}>{j.TransformJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 170, cell: (j) => <Status value={j.TransformJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 140, cell: (j) => <Duration from={j.CreationTime} to={moving(j.TransformJobStatus) ? undefined : (j.TransformEndTime ?? j.LastModifiedTime)} /> },
      ]}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListTransformJobs", input }] })}
      teach={{ text: "A transform job starts a model, sends it the rows of a data set, and stores what it answers.", code: TEACH }}
    />
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  return (
    <Described
      kind="TransformJob"
      name={name}
      parent={{ text: "Batch transform", href: "/transform-jobs" }}
      describe={(abortSignal) => sagemaker().send(new DescribeTransformJobCommand({ TransformJobName: name }), { abortSignal })}
      status={(j) => j.TransformJobStatus}
      without={["TransformJobName", "TransformJobStatus"]}
      tabs={(j) => [{ id: "log", label: "Log", content: <LiveLog group="/aws/sagemaker/TransformJobs" prefix={`${name}/`} running={moving(j.TransformJobStatus)} /> }]}
      stop={() => sagemaker().send(new StopTransformJobCommand({ TransformJobName: name }))}
      code={(j) => ({ calls: [{ service: "sagemaker", operation: "CreateTransformJob", input: picked(j, ASKED) }] })}
    />
  );
}
