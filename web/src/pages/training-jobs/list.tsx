import { DeleteTrainingJobCommand, StopTrainingJobCommand, type TrainingJobSummary } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { href, list, STATUSES } from "./api";
import { Overview } from "./overview";

type Sort = "Name" | "CreationTime" | "Status";
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

const each = (jobs: TrainingJobSummary[], run: (TrainingJobName: string) => Promise<unknown>) => () => Promise.all(jobs.map((j) => run(j.TrainingJobName!)));

export default function TrainingJobs() {
  const navigate = useNavigate();
  return (
    <ResourceTable<TrainingJobSummary, Sort, (typeof STATUSES)[number]>
      kinds={["TrainingJob"]}
      title="Training jobs"
      noun="training job"
      description="Each runs once on data of yours and leaves a model."
      list={list}
      id={(j) => j.TrainingJobName!}
      statuses={STATUSES}
      sort="CreationTime"
      create={{ label: "Create a training job", href: "/training-jobs/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 340, cell: (j) => <NameLink href={href(j.TrainingJobName!)}>{j.TrainingJobName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 170, cell: (j) => <Status value={j.TrainingJobStatus} /> },
        { id: "created", header: "Created", sort: "CreationTime", width: 180, cell: (j) => <RelativeTime at={j.CreationTime} /> },
        { id: "took", header: "Took", width: 140, cell: (j) => <Duration from={j.CreationTime} to={moving(j.TrainingJobStatus) ? undefined : (j.TrainingEndTime ?? j.LastModifiedTime)} /> },
        { id: "modified", header: "Last change", width: 180, cell: (j) => <RelativeTime at={j.LastModifiedTime} /> },
        { id: "arn", header: "ARN", hidden: true, cell: (j) => j.TrainingJobArn },
      ]}
      actions={(chosen, done) => (
        <>
          <Button disabled={chosen.length !== 2} onClick={() => void navigate(`/training-jobs/compare?of=${chosen.map((j) => j.TrainingJobName).join(",")}`)}>
            Compare two
          </Button>
          <Confirm
            label="Stop"
            question={`Stop ${chosen.length === 1 ? chosen[0]!.TrainingJobName : `${chosen.length} training jobs`}?`}
            disabled={!chosen.length || !chosen.every((j) => j.TrainingJobStatus === "InProgress")}
            run={each(chosen, (TrainingJobName) => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName })))}
            said="Stopping: what it has written so far is kept."
            done={done}
          >
            It is told to end, and has two minutes to save what it has.
          </Confirm>
          <Confirm
            label="Delete"
            question={`Delete ${chosen.length === 1 ? chosen[0]!.TrainingJobName : `${chosen.length} training jobs`}?`}
            disabled={!chosen.length || chosen.some((j) => moving(j.TrainingJobStatus))}
            run={each(chosen, (TrainingJobName) => sagemaker().send(new DeleteTrainingJobCommand({ TrainingJobName })))}
            said="Deleted."
            done={done}
          >
            Its record goes; its output in S3 stays.
          </Confirm>
        </>
      )}
      panel={(j) => <Overview name={j.TrainingJobName!} />}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListTrainingJobs", input }] })}
      teach={{ text: "A training job takes an image with an algorithm or your script, reads channels of data from S3, and stores the model it made.", code: TEACH }}
    />
  );
}
