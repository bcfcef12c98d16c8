import { DeleteTrainingJobCommand, StopTrainingJobCommand, type TrainingJobSummary } from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { columnsOf, CompareTwo, DeleteEach, JobTable, type Kind, StopEach } from "../../kit/job-list";
import { RelativeTime } from "../../kit/time";
import { list } from "./api";
import { Overview } from "./overview";

const TEACH = `import boto3

boto3.client("sagemaker").create_training_job(
    TrainingJobName="my-first-job",
    AlgorithmSpecification={"TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "TrainingInputMode": "File"},
    HyperParameters={"objective": "reg:squarederror", "num_round": "50"},
    InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": "s3://my-bucket/train/"}}}],
    OutputDataConfig={"S3OutputPath": "s3://my-bucket/models"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 3600},
    RoleArn=role,
)`;

const KIND: Kind<TrainingJobSummary> = {
  noun: "training job",
  path: "/training-jobs",
  about: (j) => ({ name: j.TrainingJobName!, status: j.TrainingJobStatus, created: j.CreationTime, ended: j.TrainingEndTime ?? j.LastModifiedTime, arn: j.TrainingJobArn }),
};
const { name, status, created, took, arn } = columnsOf(KIND, 340);

export default function TrainingJobs() {
  return (
    <JobTable<TrainingJobSummary>
      kind={KIND}
      kinds={["TrainingJob"]}
      title="Training jobs"
      description="Each runs once on data of yours and leaves a model."
      list={list}
      columns={[name, status, created, took, { id: "modified", header: "Last change", width: 180, cell: (j) => <RelativeTime at={j.LastModifiedTime} /> }, arn]}
      actions={(chosen, done) => (
        <>
          <CompareTwo kind={KIND} chosen={chosen} />
          <StopEach kind={KIND} chosen={chosen} run={(TrainingJobName) => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName }))} said="Stopping: what it has written so far is kept." done={done}>
            It is told to end, and has two minutes to save what it has.
          </StopEach>
          <DeleteEach kind={KIND} chosen={chosen} run={(TrainingJobName) => sagemaker().send(new DeleteTrainingJobCommand({ TrainingJobName }))} said="Deleted." done={done}>
            Its record goes; its output in S3 stays.
          </DeleteEach>
        </>
      )}
      panel={(j) => <Overview key={j.TrainingJobName!} name={j.TrainingJobName!} />}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListTrainingJobs", input }] })}
      teach={{ text: "A training job takes an image with an algorithm or your script, reads channels of data from S3, and stores the model it made.", code: TEACH }}
    />
  );
}
