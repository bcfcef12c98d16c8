import type { CreateTransformJobRequest, DescribeTransformJobResponse } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useNavigate, useParams } from "react-router";

import { streams } from "../../kit/aws/logs";
import { Confirm } from "../../kit/confirm";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { ErrorPanel, FailureReason } from "../../kit/errors";
import { PairsTable, phases } from "../../kit/job-parts";
import { useLoad } from "../../kit/load";
import { LiveLog } from "../../kit/log";
import { S3Link } from "../../kit/s3-link";
import { moving, words } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { Duration, RelativeTime } from "../../kit/time";
import { StatusTimeline } from "../../kit/timeline";
import { UsageCharts } from "../../kit/usage";
import { Waiting } from "../../kit/waiting";
import { asked, describe, GROUP, sdk, stop } from "./api";

type Job = DescribeTransformJobResponse;

export default function TransformJob() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  const loaded = useLoad((abort) => describe(name, abort), name, { kinds: ["TransformJob"], name });
  return (
    <DetailPage<Job>
      name={name}
      parent={{ text: "Batch transform", href: "/transform-jobs" }}
      loaded={loaded}
      status={(job) => job.TransformJobStatus}
      first={(job) => <FailureReason reason={job.FailureReason} />}
      actions={(job, reload) => (
        <>
          <Button onClick={() => void navigate(`/transform-jobs/create?from=${encodeURIComponent(name)}`)}>Clone and edit</Button>
          {job.TransformJobStatus === "InProgress" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => stop(name)} said="Stopping." done={reload}>
              No further records are sent to the model, and what it has answered so far is not kept.
            </Confirm>
          )}
        </>
      )}
      tabs={(job) => [
        { id: "overview", label: "Overview", content: <Overview job={job} /> },
        { id: "log", label: "Log", content: <LiveLog group={GROUP} prefix={`${name}/`} running={moving(job.TransformJobStatus)} /> },
        { id: "use", label: "Resources", content: <Use job={job} /> },
        { id: "data", label: "Data", content: <Data job={job} /> },
      ]}
      code={(job) => ({ calls: [{ service: "sagemaker", operation: "CreateTransformJob", input: asked(job) }], sdk: sdk(asked(job) as unknown as CreateTransformJobRequest) })}
    />
  );
}

/** The machines of a transform job are called as their log streams are; what tells of the data is none. */
async function machines(name: string, abortSignal: AbortSignal): Promise<string[]> {
  return (await streams(GROUP, `${name}/`, abortSignal)).filter((s) => !s.endsWith("/data-log"));
}

function Use({ job }: { job: Job }) {
  const running = moving(job.TransformJobStatus);
  const { value, error, reload } = useLoad((abort) => machines(job.TransformJobName!, abort), [job.TransformJobName, job.TransformJobStatus], { every: running && 3000 });
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The machines cannot be found" />;
  if (!value) return <Waiting />;
  return <UsageCharts of={{ group: GROUP, job: job.TransformJobName!, hosts: value, from: job.CreationTime!, to: job.TransformEndTime }} running={running} />;
}

function Overview({ job }: { job: Job }) {
  const { TransformResources: resources, DataProcessing: filters } = job;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            Model: <NameLink href={`/models/${encodeURIComponent(job.ModelName!)}`}>{job.ModelName}</NameLink>,
            Machines: resources && `${resources.InstanceCount} × ${resources.InstanceType}`,
            Created: <RelativeTime at={job.CreationTime} />,
            Took: <Duration from={job.TransformStartTime ?? job.CreationTime} to={moving(job.TransformJobStatus) ? undefined : (job.TransformEndTime ?? job.CreationTime)} />,
            "Records in a request": job.BatchStrategy && words(job.BatchStrategy),
            "Requests at a time": job.MaxConcurrentTransforms || undefined,
            "A request at most": job.MaxPayloadInMB === undefined ? undefined : `${job.MaxPayloadInMB} MB`,
            "Input filter": filters?.InputFilter && <span className="mono">{filters.InputFilter}</span>,
            "Joined with its input": filters?.JoinSource === "Input" ? "Yes" : undefined,
            "Output filter": filters?.OutputFilter && <span className="mono">{filters.OutputFilter}</span>,
            ARN: <Copied text={job.TransformJobArn} what="the ARN" />,
          }}
        />
      </Container>
      <Container header={<Header variant="h2">What it went through</Header>}>
        <StatusTimeline steps={phases("Transforming", job.TransformJobStatus, { created: job.CreationTime, began: job.TransformStartTime, ended: job.TransformEndTime, changed: job.TransformEndTime ?? job.CreationTime }, job.FailureReason)} />
      </Container>
      <PairsTable title="Environment variables" of={job.Environment} none="Those of the model alone." />
    </SpaceBetween>
  );
}

/** What is stored is a folder, whether or not its URI ends as one. */
const folder = (uri: string | undefined) => uri && (uri.endsWith("/") ? uri : `${uri}/`);

function Data({ job }: { job: Job }) {
  const { TransformInput: read, TransformOutput: wrote, DataCaptureConfig: captured } = job;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it reads</Header>}>
        <Facts
          of={{
            Where: <S3Link uri={read?.DataSource?.S3DataSource?.S3Uri} />,
            "Content type": read?.ContentType,
            "Split by": read?.SplitType && (read.SplitType === "None" ? "Whole objects" : words(read.SplitType)),
            Compression: read?.CompressionType && read.CompressionType !== "None" ? read.CompressionType : undefined,
          }}
        />
      </Container>
      <Container header={<Header variant="h2">What it writes</Header>}>
        <Facts
          of={{
            Where: <S3Link uri={folder(wrote?.S3OutputPath)} />,
            Accept: wrote?.Accept,
            "Put together": wrote?.AssembleWith === "Line" ? "Line by line" : "As they are",
            "Captured in": captured?.DestinationS3Uri && <S3Link uri={folder(captured.DestinationS3Uri)} />,
          }}
        />
      </Container>
    </SpaceBetween>
  );
}
