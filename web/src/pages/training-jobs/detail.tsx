import { StopTrainingJobCommand, type Channel, type DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { short } from "../../kit/chart";
import { Confirm } from "../../kit/confirm";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { PairsTable } from "../../kit/job-parts";
import { LiveLog } from "../../kit/log";
import { S3Link } from "../../kit/s3-link";
import { moving } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { StatusTimeline } from "../../kit/timeline";
import { asked, GROUP, sdk } from "./api";
import { JobCharts } from "./charts";
import { facts, useJob } from "./overview";

export default function TrainingJob() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useJob(name);
  return (
    <DetailPage<DescribeTrainingJobResponse>
      name={name}
      parent={{ text: "Training jobs", href: "/training-jobs" }}
      loaded={loaded}
      status={(job) => job.TrainingJobStatus}
      first={(job) => <FailureReason reason={job.FailureReason} />}
      actions={(job, reload) => (
        <>
          <Button onClick={() => void navigate(`/training-jobs/create?from=${encodeURIComponent(name)}`)}>Clone and edit</Button>
          {job.TrainingJobStatus === "Completed" && job.ModelArtifacts?.S3ModelArtifacts && (
            <Button onClick={() => void navigate(`/models/create?job=${encodeURIComponent(name)}`)}>Make a model</Button>
          )}
          {job.TrainingJobStatus === "InProgress" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName: name }))} said="Stopping: what it has written so far is kept." done={reload}>
              It is told to end, and has two minutes to save what it has.
            </Confirm>
          )}
        </>
      )}
      tabs={(job) => [
        { id: "overview", label: "Overview", content: <Overview job={job} /> },
        { id: "metrics", label: "Metrics", content: <JobCharts job={job} /> },
        { id: "log", label: "Log", content: <LiveLog group={GROUP} prefix={`${name}/`} running={moving(job.TrainingJobStatus)} /> },
        { id: "data", label: "Data", content: <Data job={job} /> },
      ]}
      code={(job) => ({ calls: [{ service: "sagemaker", operation: "CreateTrainingJob", input: asked(job) }], sdk: sdk(asked(job)) })}
    />
  );
}

function Overview({ job }: { job: DescribeTrainingJobResponse }) {
  const metrics = job.FinalMetricDataList ?? [];
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            ...facts(job),
            "Tuning job": job.TuningJobArn && <NameLink href={`/tuning-jobs/${job.TuningJobArn.split("/").pop()!}`}>{job.TuningJobArn.split("/").pop()}</NameLink>,
            Role: job.RoleArn?.split("/").pop(),
            ARN: <Copied text={job.TrainingJobArn} what="the ARN" />,
          }}
        />
      </Container>
      {metrics.length > 0 && (
        <Container header={<Header variant="h2">Where its metrics ended</Header>}>
          <Facts of={Object.fromEntries(metrics.map((m) => [m.MetricName!, <Box variant="h2" tagOverride="span">{short(m.Value)}</Box>]))} />
        </Container>
      )}
      <Container header={<Header variant="h2">What it went through</Header>}>
        <StatusTimeline
          steps={(job.SecondaryStatusTransitions ?? []).map((t) => ({ status: t.Status!, from: t.StartTime, to: t.EndTime, message: t.StatusMessage }))}
        />
      </Container>
      <PairsTable title="Hyperparameters" of={job.HyperParameters} none="None: the algorithm's own defaults are used." />
    </SpaceBetween>
  );
}

const source = (channel: Channel) => channel.DataSource?.S3DataSource?.S3Uri;

function Data({ job }: { job: DescribeTrainingJobResponse }) {
  return (
    <SpaceBetween size="l">
      <Table<Channel>
        variant="container"
        header={<Header variant="h2" counter={`(${job.InputDataConfig?.length ?? 0})`}>What it read</Header>}
        items={job.InputDataConfig ?? []}
        ariaLabels={{ tableLabel: "Channels" }}
        columnDefinitions={[
          { id: "name", header: "Channel", cell: (c) => c.ChannelName, isRowHeader: true },
          { id: "uri", header: "Where", cell: (c) => <S3Link uri={source(c)} /> },
          { id: "type", header: "Content type", cell: (c) => c.ContentType ?? "–" },
          { id: "mode", header: "Mode", cell: (c) => c.InputMode ?? job.AlgorithmSpecification?.TrainingInputMode ?? "–" },
          { id: "shared", header: "On several machines", cell: (c) => c.DataSource?.S3DataSource?.S3DataDistributionType ?? "–" },
        ]}
        empty={<Box color="text-body-secondary">It was given no data.</Box>}
      />
      <Container header={<Header variant="h2">What it wrote</Header>}>
        <Facts
          columns={1}
          of={{
            "Model artifact": job.ModelArtifacts?.S3ModelArtifacts && <S3Link uri={job.ModelArtifacts.S3ModelArtifacts} />,
            "Output below": <S3Link uri={job.OutputDataConfig?.S3OutputPath} />,
            Checkpoints: job.CheckpointConfig?.S3Uri && <S3Link uri={job.CheckpointConfig.S3Uri} />,
          }}
        />
      </Container>
    </SpaceBetween>
  );
}
