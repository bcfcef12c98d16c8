import type { CreateProcessingJobRequest, DescribeProcessingJobResponse, ProcessingInput, ProcessingOutput } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useNavigate, useParams } from "react-router";

import { Arn } from "../../kit/arn";
import { Confirm } from "../../kit/confirm";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { lineOf } from "../../kit/job-form";
import { PairsTable, phases } from "../../kit/job-parts";
import { useLoad } from "../../kit/load";
import { LiveLog } from "../../kit/log";
import { S3Link } from "../../kit/s3-link";
import { moving } from "../../kit/status";
import { Duration, RelativeTime } from "../../kit/time";
import { StatusTimeline } from "../../kit/timeline";
import { hostsOf, UsageCharts } from "../../kit/usage";
import { asked, describe, GROUP, sdk, stop } from "./api";

type Job = DescribeProcessingJobResponse;

export default function ProcessingJob() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useLoad((abort) => describe(name, abort), name, { kinds: ["ProcessingJob"], name });
  return (
    <DetailPage<Job>
      name={name}
      parent={{ text: "Processing jobs", href: "/processing-jobs" }}
      loaded={loaded}
      status={(job) => job.ProcessingJobStatus}
      first={(job) => <FailureReason reason={job.FailureReason} />}
      actions={(job, reload) => (
        <>
          <Button onClick={() => void navigate(`/processing-jobs/create?from=${encodeURIComponent(name)}`)}>Clone and edit</Button>
          {job.ProcessingJobStatus === "InProgress" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => stop(name)} said="Stopping." done={reload}>
              It is told to end; what it uploaded while it ran stays in S3.
            </Confirm>
          )}
        </>
      )}
      tabs={(job) => [
        { id: "overview", label: "Overview", content: <Overview job={job} /> },
        { id: "log", label: "Log", content: <LiveLog group={GROUP} prefix={`${name}/`} running={moving(job.ProcessingJobStatus)} /> },
        { id: "use", label: "Resources", content: <Use job={job} /> },
        { id: "data", label: "Data", content: <Data job={job} /> },
      ]}
      code={(job) => ({ calls: [{ service: "sagemaker", operation: "CreateProcessingJob", input: asked(job) }], sdk: sdk(asked(job) as unknown as CreateProcessingJobRequest) })}
    />
  );
}

function Use({ job }: { job: Job }) {
  const hosts = hostsOf(job.ProcessingJobName!, job.ProcessingResources?.ClusterConfig?.InstanceCount ?? 1);
  return <UsageCharts of={{ group: GROUP, job: job.ProcessingJobName!, hosts, from: job.CreationTime!, to: job.ProcessingEndTime }} running={moving(job.ProcessingJobStatus)} />;
}

function Overview({ job }: { job: Job }) {
  const { AppSpecification: app, ProcessingResources: resources } = job;
  const machines = resources?.ClusterConfig;
  const command = [...(app?.ContainerEntrypoint ?? []), ...(app?.ContainerArguments ?? [])];
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            Image: <span className="mono">{app?.ImageUri?.split("/").pop()}</span>,
            Command: command.length ? <span className="mono">{lineOf(command)}</span> : "The image's own",
            Machines: machines && `${machines.InstanceCount} × ${machines.InstanceType}`,
            Created: <RelativeTime at={job.CreationTime} />,
            Took: <Duration from={job.ProcessingStartTime ?? job.CreationTime} to={moving(job.ProcessingJobStatus) ? undefined : (job.ProcessingEndTime ?? job.LastModifiedTime)} />,
            "Network isolation": job.NetworkConfig?.EnableNetworkIsolation ? "On" : undefined,
            "It said at its end": job.ExitMessage,
            "Training job": job.TrainingJobArn && <Arn arn={job.TrainingJobArn} />,
            "Monitoring schedule": job.MonitoringScheduleArn && <Arn arn={job.MonitoringScheduleArn} />,
            Role: <Arn arn={job.RoleArn} />,
            ARN: <Copied text={job.ProcessingJobArn} what="the ARN" />,
          }}
        />
      </Container>
      <Container header={<Header variant="h2">What it went through</Header>}>
        <StatusTimeline steps={phases("Processing", job.ProcessingJobStatus, { created: job.CreationTime, began: job.ProcessingStartTime, ended: job.ProcessingEndTime, changed: job.LastModifiedTime }, job.FailureReason)} />
      </Container>
      <PairsTable title="Environment variables" of={job.Environment} none="None were given." />
    </SpaceBetween>
  );
}

function Data({ job }: { job: Job }) {
  return (
    <SpaceBetween size="l">
      <Table<ProcessingInput>
        variant="container"
        header={<Header variant="h2" counter={`(${job.ProcessingInputs?.length ?? 0})`}>What it read</Header>}
        items={job.ProcessingInputs ?? []}
        ariaLabels={{ tableLabel: "Inputs" }}
        columnDefinitions={[
          { id: "name", header: "Input", cell: (i) => i.InputName, isRowHeader: true },
          { id: "uri", header: "Where", cell: (i) => <S3Link uri={i.S3Input?.S3Uri} /> },
          { id: "path", header: "Seen as", cell: (i) => <span className="mono">{i.S3Input?.LocalPath ?? "–"}</span> },
          { id: "shared", header: "On several machines", cell: (i) => i.S3Input?.S3DataDistributionType ?? "–" },
        ]}
        empty={<Box color="text-body-secondary">It was given no files.</Box>}
      />
      <Table<ProcessingOutput>
        variant="container"
        header={<Header variant="h2" counter={`(${job.ProcessingOutputConfig?.Outputs?.length ?? 0})`}>What it wrote</Header>}
        items={job.ProcessingOutputConfig?.Outputs ?? []}
        ariaLabels={{ tableLabel: "Outputs" }}
        columnDefinitions={[
          { id: "name", header: "Output", cell: (o) => o.OutputName, isRowHeader: true },
          { id: "path", header: "Left in", cell: (o) => <span className="mono">{o.S3Output?.LocalPath ?? "–"}</span> },
          { id: "uri", header: "Stored in", cell: (o) => <S3Link uri={folder(o.S3Output?.S3Uri)} /> },
          { id: "mode", header: "When", cell: (o) => (o.S3Output?.S3UploadMode === "Continuous" ? "While it runs" : "At its end") },
        ]}
        empty={<Box color="text-body-secondary">Nothing was kept of what it wrote.</Box>}
      />
    </SpaceBetween>
  );
}

/** An output is a prefix, whether or not its URI ends as one. */
const folder = (uri: string | undefined) => uri && (uri.endsWith("/") ? uri : `${uri}/`);
