import { DescribeProcessingJobCommand, ListProcessingJobsCommand, StopProcessingJobCommand, type ProcessingJobStatus, type ProcessingJobSummary } from "@aws-sdk/client-sagemaker";
import { useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Described, picked } from "../../kit/described";
import { LiveLog } from "../../kit/log";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";

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
const ASKED = ["ProcessingJobName", "ProcessingInputs", "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification", "Environment", "NetworkConfig", "RoleArn", "ExperimentConfig"];

export function List() {
  return (
    <ResourceTable<ProcessingJobSummary, "Name" | "CreationTime" | "Status", ProcessingJobStatus>
      kinds={["ProcessingJob"]}
      title="Processing jobs"
      noun="processing job"
      description="Each runs a script over files: preparation, evaluation, whatever is not training."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListProcessingJobsCommand(query), { abortSignal });
        return { items: page.ProcessingJobSummaries, next: page.NextToken };
      }}
      id={(j) => j.ProcessingJobName!}
      statuses={["InProgress", "Completed", "Failed", "Stopping", "Stopped"]}
      sort="CreationTime"
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 380, cell: (j) => <NameLink href={`/processing-jobs/${j.ProcessingJobName}`}>{j.ProcessingJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 170, cell: (j) => <Status value={j.ProcessingJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 140, cell: (j) => <Duration from={j.CreationTime} to={moving(j.ProcessingJobStatus) ? undefined : (j.ProcessingEndTime ?? j.LastModifiedTime)} /> },
      ]}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListProcessingJobs", input }] })}
      teach={{ text: "A processing job gives a script files from S3, and stores the files that it leaves.", code: TEACH }}
    />
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  return (
    <Described
      kind="ProcessingJob"
      name={name}
      parent={{ text: "Processing jobs", href: "/processing-jobs" }}
      describe={(abortSignal) => sagemaker().send(new DescribeProcessingJobCommand({ ProcessingJobName: name }), { abortSignal })}
      status={(j) => j.ProcessingJobStatus}
      without={["ProcessingJobName", "ProcessingJobStatus"]}
      tabs={(j) => [{ id: "log", label: "Log", content: <LiveLog group="/aws/sagemaker/ProcessingJobs" prefix={`${name}/`} running={moving(j.ProcessingJobStatus)} /> }]}
      stop={() => sagemaker().send(new StopProcessingJobCommand({ ProcessingJobName: name }))}
      code={(j) => ({ calls: [{ service: "sagemaker", operation: "CreateProcessingJob", input: picked(j, ASKED) }] })}
    />
  );
}
