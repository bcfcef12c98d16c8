import { CreateTrainingJobCommand } from "@aws-sdk/client-sagemaker";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useRef, useState } from "react";

import { s3 } from "../../kit/aws/s3";
import { sagemaker } from "../../kit/aws/sagemaker";
import { createSchedule } from "../../kit/aws/scheduler";
import { CloneFault, CreateForm, NameField, Pairs, useDraft } from "../../kit/form";
import { ImageField, InstanceTypeField } from "../../kit/job-form";
import { notify } from "../../kit/notify";
import { NumberField } from "../../kit/number-field";
import { S3Field } from "../../kit/s3-field";
import { useView } from "../../kit/view";
import { describe } from "../training-jobs/api";
import { href, sourceOf } from "./api";
import { again, empty, missing, reading, request, schedule, snippet, uploadTo, type Draft, type When } from "./draft";
import { WhenFields } from "./when";

import "./notebook-jobs.css";

const clone = async (from: string) => again(await describe(from));
const place = (uri: string) => /^s3:\/\/([^/]+)\/(.*)$/.exec(uri)!;

export default function RunNotebook() {
  const [read] = useView();
  const { from, draft, setDraft, fault, reading: copying } = useDraft<Draft>(() => (read("notebook") ? reading(empty(), read("notebook")) : empty()), clone);
  const [file, setFile] = useState<File>();
  const [when, setWhen] = useState<When>({ expression: "", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC" });
  const put = (part: Partial<Draft>) => setDraft((d) => ({ ...d, ...part }));
  const sent = request(draft, file);
  const submit = async () => {
    if (file) {
      const [, Bucket, Key] = place(uploadTo(draft, file));
      await s3().send(new PutObjectCommand({ Bucket, Key, Body: new Uint8Array(await file.arrayBuffer()), ContentType: "application/x-ipynb+json" }));
    }
    const name = draft.TrainingJobName!;
    if (when.expression) {
      await createSchedule(schedule(sent, when));
      notify.done(`${name} is scheduled.`);
      return `/schedules/default/${encodeURIComponent(name)}`;
    } else {
      await sagemaker().send(new CreateTrainingJobCommand(sent));
      notify.done(`${name} is on its way.`);
      return href(name);
    }
  };
  return (
    <CreateForm<Draft>
      title={from ? `Run ${from} again` : "Run a notebook"}
      description="From top to bottom, with parameters of its own; what every cell says is kept."
      parent={{ text: "Notebook jobs", href: "/notebook-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft, file, when)}
      reading={copying}
      submit={submit}
      label={when.expression ? "Schedule it" : "Run it"}
      code={snippet(sent, when)}
    >
      <CloneFault error={fault} />
      <What draft={draft} put={put} file={file} setFile={setFile} choose={(uri) => setDraft((d) => reading(d, uri))} />
      <WhenFields when={when} change={setWhen} />
      <Container header={<Header variant="h2" description="They take the place of those in the notebook's cell with the tag “parameters”.">Parameters</Header>}>
        <Pairs what="parameter" none="None: the notebook's own values." value={draft.HyperParameters ?? {}} change={(HyperParameters) => put({ HyperParameters })} />
      </Container>
      <Where draft={draft} put={put} />
    </CreateForm>
  );
}

interface Part {
  draft: Draft;
  put: (part: Partial<Draft>) => void;
}

function What({ draft, put, file, setFile, choose }: Part & { file: File | undefined; setFile: (file: File | undefined) => void; choose: (uri: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Container header={<Header variant="h2">What runs</Header>}>
      <SpaceBetween size="l">
        <NameField value={draft.TrainingJobName} constraint="Letters, digits and hyphens. Each run of a schedule gets an id behind it." change={(TrainingJobName) => put({ TrainingJobName })} />
        <S3Field label="Notebook" description="An .ipynb file in a bucket." only="objects" value={file ? "" : (sourceOf(draft) ?? "")} change={(uri) => (setFile(undefined), choose(uri))} />
        <div className="notebook-file">
          <Button formAction="none" iconName="upload" onClick={() => input.current?.click()}>Or one of this computer</Button>
          <input ref={input} type="file" accept=".ipynb" hidden aria-label="A notebook of this computer" onChange={(e) => setFile(e.target.files?.[0])} />
          {file && <Box>{file.name}, which is uploaded beside the results</Box>}
        </div>
        <S3Field label="Results go to" description="Below, in a folder named as the run." value={draft.OutputDataConfig?.S3OutputPath ?? ""} change={(S3OutputPath) => put({ OutputDataConfig: { ...draft.OutputDataConfig, S3OutputPath } })} />
      </SpaceBetween>
    </Container>
  );
}

function Where({ draft, put }: Part) {
  const machines = draft.ResourceConfig;
  return (
    <Container header={<Header variant="h2">What it runs in</Header>}>
      <SpaceBetween size="l">
        <ImageField value={draft.AlgorithmSpecification?.TrainingImage ?? ""} change={(TrainingImage) => put({ AlgorithmSpecification: { TrainingInputMode: "File", ...draft.AlgorithmSpecification, TrainingImage } })} />
        <ColumnLayout columns={2}>
          <InstanceTypeField value={machines?.InstanceType ?? ""} change={(type) => put({ ResourceConfig: { VolumeSizeInGB: 5, InstanceCount: 1, ...machines, InstanceType: type as NonNullable<typeof machines>["InstanceType"] } })} />
          <NumberField label="At most, minutes" value={Math.round((draft.StoppingCondition?.MaxRuntimeInSeconds ?? 3600) / 60)} change={(minutes) => put({ StoppingCondition: { ...draft.StoppingCondition, MaxRuntimeInSeconds: minutes! * 60 } })} />
        </ColumnLayout>
        <FormField label="Role" description="Whose rights the notebook works with; a schedule starts it as the same one, which must trust scheduler.amazonaws.com." stretch>
          <Input value={draft.RoleArn ?? ""} onChange={({ detail }) => put({ RoleArn: detail.value })} />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}
