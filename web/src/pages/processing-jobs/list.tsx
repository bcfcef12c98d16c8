import type { ProcessingJobStatus, ProcessingJobSummary } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { Confirm } from "../../kit/confirm";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { href, list, STATUSES, stop } from "./api";

const TEACH = `import boto3

boto3.client("sagemaker").create_processing_job(
    ProcessingJobName="clean",
    AppSpecification={
        "ImageUri": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/clean.py"],
    },
    ProcessingInputs=[{"InputName": "code", "S3Input": {"S3Uri": "s3://my-bucket/code/", "LocalPath": "/opt/ml/processing/input/code",
        "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
    ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
    RoleArn=role,
)`;

export default function ProcessingJobs() {
  const navigate = useNavigate();
  return (
    <ResourceTable<ProcessingJobSummary, "Name" | "CreationTime" | "Status", ProcessingJobStatus>
      kinds={["ProcessingJob"]}
      title="Processing jobs"
      noun="processing job"
      description="Each runs a script over files: preparation, evaluation, whatever is not training."
      list={list}
      id={(j) => j.ProcessingJobName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Create a processing job", href: "/processing-jobs/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (j) => <NameLink href={href(j.ProcessingJobName!)}>{j.ProcessingJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 170, cell: (j) => <Status value={j.ProcessingJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 140, cell: (j) => <Duration from={j.CreationTime} to={moving(j.ProcessingJobStatus) ? undefined : (j.ProcessingEndTime ?? j.LastModifiedTime)} /> },
        { id: "arn", header: "ARN", hidden: true, cell: (j) => j.ProcessingJobArn },
      ]}
      actions={(chosen, done) => (
        <>
          <Button disabled={chosen.length !== 2} onClick={() => void navigate(`/processing-jobs/compare?of=${chosen.map((j) => j.ProcessingJobName).join(",")}`)}>
            Compare two
          </Button>
          <Confirm
            label="Stop"
            question={`Stop ${chosen.length === 1 ? chosen[0]!.ProcessingJobName : `${chosen.length} processing jobs`}?`}
            disabled={!chosen.length || !chosen.every((j) => j.ProcessingJobStatus === "InProgress")}
            run={() => Promise.all(chosen.map((j) => stop(j.ProcessingJobName!)))}
            said="Stopping."
            done={done}
          >
            It is told to end; what it uploaded while it ran stays in S3.
          </Confirm>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListProcessingJobs", input }] })}
      teach={{ text: "A processing job gives a script files from S3, and stores the files that it leaves.", code: TEACH }}
    />
  );
}
