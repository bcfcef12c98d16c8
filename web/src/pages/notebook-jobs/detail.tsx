/** One run of a notebook: how it went, what it was given, and the notebook with what its cells said. */
import { StopTrainingJobCommand, type DescribeTrainingJobResponse } from "@aws-sdk/client-sagemaker";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useNavigate, useParams } from "react-router";

import { s3 } from "../../kit/aws/s3";
import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { DetailPage, Facts } from "../../kit/detail";
import { ErrorPanel, FailureReason } from "../../kit/errors";
import { PairsTable } from "../../kit/job-parts";
import { useLoad } from "../../kit/load";
import { LiveLog } from "../../kit/log";
import { S3Link } from "../../kit/s3-link";
import { save } from "../../kit/save";
import { moving } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { Waiting } from "../../kit/waiting";
import { asked, GROUP } from "../training-jobs/api";
import { facts, useJob } from "../training-jobs/overview";
import { KEPT, notebookOf, outputOf, resultOf, sourceOf } from "./api";
import { files } from "./archive";
import { cells } from "./notebook";
import { Notebook } from "./notebook-view";

/** Bytes of an archive that is opened in the browser. */
const MOST = 64 * 1024 * 1024;

export default function NotebookJob() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  return (
    <DetailPage<DescribeTrainingJobResponse>
      name={name}
      parent={{ text: "Notebook jobs", href: "/notebook-jobs" }}
      loaded={useJob(name)}
      status={(job) => job.TrainingJobStatus}
      first={(job) => <FailureReason reason={job.FailureReason} />}
      actions={(job, reload) => (
        <>
          <Button onClick={() => void navigate(`/notebook-jobs/create?from=${encodeURIComponent(name)}`)}>Run again</Button>
          {job.TrainingJobStatus === "InProgress" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => sagemaker().send(new StopTrainingJobCommand({ TrainingJobName: name }))} said="Stopping." done={reload}>
              {KEPT}
            </Confirm>
          )}
        </>
      )}
      tabs={(job) => [
        { id: "notebook", label: "Notebook", content: <Result job={job} /> },
        { id: "overview", label: "Overview", content: <Overview job={job} /> },
        { id: "log", label: "Log", content: <LiveLog group={GROUP} prefix={`${name}/`} running={moving(job.TrainingJobStatus)} /> },
      ]}
      code={(job) => ({ calls: [{ service: "sagemaker", operation: "CreateTrainingJob", input: asked(job) }] })}
    />
  );
}

function Overview({ job }: { job: DescribeTrainingJobResponse }) {
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it is</Header>}>
        <Facts
          of={{
            Notebook: notebookOf(job), ...facts(job), Role: job.RoleArn?.split("/").pop(), "Read from": <S3Link uri={sourceOf(job)} />,
            "As a training job": <NameLink href={`/training-jobs/${encodeURIComponent(job.TrainingJobName!)}`}>Its machine, metrics and files</NameLink>,
          }}
        />
      </Container>
      <PairsTable title="Parameters" of={job.HyperParameters} none="None: the notebook ran as it is." />
    </SpaceBetween>
  );
}

async function results(job: DescribeTrainingJobResponse, abortSignal: AbortSignal) {
  const where = outputOf(job);
  if (!where) throw new Error("The job has no place in S3 for its output.");
  const answer = await s3().send(new GetObjectCommand({ Bucket: where.bucket, Key: where.key }), { abortSignal });
  if ((answer.ContentLength ?? 0) > MOST) throw new Error(`The output is too large to be opened here. Download s3://${where.bucket}/${where.key} from Data.`);
  const found = await files(new Blob([new Uint8Array(await answer.Body!.transformToByteArray())]));
  const name = resultOf(job);
  const page = name.replace(/\.ipynb$/, ".html");
  return { name, body: found.get(name), page, html: found.get(page) };
}

function Result({ job }: { job: DescribeTrainingJobResponse }) {
  if (moving(job.TrainingJobStatus)) {
    return <Box color="text-body-secondary">The notebook is here once the run has ended. Until then its log tells how far it is.</Box>;
  }
  return <Ended job={job} />;
}

function Ended({ job }: { job: DescribeTrainingJobResponse }) {
  const { value, error, reload } = useLoad((abort) => results(job, abort), job.TrainingJobName);
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The result cannot be read" />;
  if (!value) return <Waiting />;
  const { name, body, page, html } = value;
  const shown = body && cells(body);
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Text and pictures as the cells left them. Other output is in the downloads."
          actions={
            <div className="actions">
              <Button iconName="download" disabled={!body} onClick={() => save(name, new Blob([body!], { type: "application/x-ipynb+json" }))}>.ipynb</Button>
              <Button iconName="download" disabled={!html} onClick={() => save(page, new Blob([html!], { type: "application/octet-stream" }))}>.html</Button>
            </div>
          }
        >
          {name}
        </Header>
      }
    >
      {shown ? <Notebook {...shown} /> : <Box color="text-body-secondary">{body ? "The file is no notebook." : "The job left no notebook: its log says why."}</Box>}
    </Container>
  );
}
