import type { ProcessingJobSummary } from "@aws-sdk/client-sagemaker";

import { columnsOf, CompareTwo, JobTable, type Kind, StopEach } from "../../kit/job-list";
import { list, stop } from "./api";

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

const KIND: Kind<ProcessingJobSummary> = {
  noun: "processing job",
  path: "/processing-jobs",
  about: (j) => ({ name: j.ProcessingJobName!, status: j.ProcessingJobStatus, created: j.CreationTime, ended: j.ProcessingEndTime ?? j.LastModifiedTime, arn: j.ProcessingJobArn }),
};
const { name, status, created, took, arn } = columnsOf(KIND);

export default function ProcessingJobs() {
  return (
    <JobTable<ProcessingJobSummary>
      kind={KIND}
      kinds={["ProcessingJob"]}
      title="Processing jobs"
      description="Each runs a script over files: preparation, evaluation, whatever is not training."
      list={list}
      columns={[name, status, created, took, arn]}
      actions={(chosen, done) => (
        <>
          <CompareTwo kind={KIND} chosen={chosen} />
          <StopEach kind={KIND} chosen={chosen} run={stop} said="Stopping." done={done}>
            It is told to end; what it uploaded while it ran stays in S3.
          </StopEach>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListProcessingJobs", input }] })}
      teach={{ text: "A processing job gives a script files from S3, and stores the files that it leaves.", code: TEACH }}
    />
  );
}
