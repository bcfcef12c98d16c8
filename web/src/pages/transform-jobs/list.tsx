import type { TransformJobStatus, TransformJobSummary } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { Confirm } from "../../kit/confirm";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { href, list, STATUSES, stop } from "./api";

const TEACH = `import boto3

boto3.client("sagemaker").create_transform_job(
    TransformJobName="score",
    ModelName="my-model",
    TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://my-bucket/rows/"}},
                    "ContentType": "text/csv", "SplitType": "Line"},
    TransformOutput={"S3OutputPath": "s3://my-bucket/scores", "AssembleWith": "Line"},
    TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
)`;

export default function TransformJobs() {
  const navigate = useNavigate();
  return (
    <ResourceTable<TransformJobSummary, "Name" | "CreationTime" | "Status", TransformJobStatus>
      kinds={["TransformJob"]}
      title="Batch transform"
      noun="transform job"
      description="Each asks a model about every row of a data set, once."
      list={list}
      id={(j) => j.TransformJobName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Create a transform job", href: "/transform-jobs/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (j) => <NameLink href={href(j.TransformJobName!)}>{j.TransformJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 170, cell: (j) => <Status value={j.TransformJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 140, cell: (j) => <Duration from={j.CreationTime} to={moving(j.TransformJobStatus) ? undefined : (j.TransformEndTime ?? j.LastModifiedTime)} /> },
        { id: "arn", header: "ARN", hidden: true, cell: (j) => j.TransformJobArn },
      ]}
      actions={(chosen, done) => (
        <>
          <Button disabled={chosen.length !== 2} onClick={() => void navigate(`/transform-jobs/compare?of=${chosen.map((j) => j.TransformJobName).join(",")}`)}>
            Compare two
          </Button>
          <Confirm
            label="Stop"
            question={`Stop ${chosen.length === 1 ? chosen[0]!.TransformJobName : `${chosen.length} transform jobs`}?`}
            disabled={!chosen.length || !chosen.every((j) => j.TransformJobStatus === "InProgress")}
            run={() => Promise.all(chosen.map((j) => stop(j.TransformJobName!)))}
            said="Stopping."
            done={done}
          >
            No further records are sent to the model, and what it has answered so far is not kept.
          </Confirm>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListTransformJobs", input }] })}
      teach={{ text: "A transform job starts a model, sends it the rows of a data set, and stores what it answers.", code: TEACH }}
    />
  );
}
