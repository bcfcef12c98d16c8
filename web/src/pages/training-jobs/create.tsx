import { CreateTrainingJobCommand, DescribeTrainingJobCommand, type Channel, type CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useState } from "react";
import { useNavigate } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { ErrorPanel } from "../../kit/errors";
import { CreateForm, fresh, Pairs } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { notify } from "../../kit/notify";
import { S3Field } from "../../kit/s3-field";
import { useView } from "../../kit/view";
import { asked, href, sdk } from "./api";

type Draft = CreateTrainingJobRequest;

const empty = (): Draft => ({
  TrainingJobName: fresh("job"),
  AlgorithmSpecification: { TrainingImage: IMAGES[0]!.uri, TrainingInputMode: "File" },
  HyperParameters: { objective: "reg:squarederror", num_round: "50" },
  InputDataConfig: [channel("train")],
  OutputDataConfig: { S3OutputPath: "" },
  ResourceConfig: { InstanceType: "ml.m5.large", InstanceCount: 1, VolumeSizeInGB: 1 },
  StoppingCondition: { MaxRuntimeInSeconds: 3600 },
  RoleArn: here().ExecutionRole,
});

const channel = (ChannelName: string): Channel => ({
  ChannelName,
  ContentType: "text/csv",
  DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "", S3DataDistributionType: "FullyReplicated" } },
});

/** What still lacks, in words; undefined when the request can be sent. */
function missing(d: Draft): string | undefined {
  if (!d.TrainingJobName) return "It needs a name.";
  if (!d.AlgorithmSpecification?.TrainingImage && !d.AlgorithmSpecification?.AlgorithmName) return "Choose an image.";
  if (d.InputDataConfig?.some((c) => c.DataSource?.S3DataSource && !/^s3:\/\/[^/]+/.test(c.DataSource.S3DataSource.S3Uri ?? ""))) return "Every channel needs an s3:// place.";
  if (!/^s3:\/\/[^/]+/.test(d.OutputDataConfig?.S3OutputPath ?? "")) return "Say where the model goes.";
  return undefined;
}

export default function CreateTrainingJob() {
  const navigate = useNavigate();
  const [read] = useView();
  const from = read("from");
  const [draft, setDraft] = useState<Draft>(empty);
  const [fault, setFault] = useState<unknown>();
  useEffect(() => {
    if (!from) return;
    sagemaker()
      .send(new DescribeTrainingJobCommand({ TrainingJobName: from }))
      .then((job) => setDraft({ ...(asked(job) as unknown as Draft), TrainingJobName: fresh(from.replace(/-\d{8}-\d{6}$/, "").slice(0, 46)) }), setFault);
  }, [from]);
  const put = (part: Partial<Draft>) => setDraft((d) => ({ ...d, ...part }));
  const submit = async () => {
    await sagemaker().send(new CreateTrainingJobCommand(draft));
    notify.done(`${draft.TrainingJobName} is on its way.`);
    void navigate(href(draft.TrainingJobName!));
  };
  return (
    <CreateForm<Draft>
      title={from ? `Clone ${from}` : "Create a training job"}
      description="It starts at once; its log, metrics and model are on its page while it runs."
      parent={{ text: "Training jobs", href: "/training-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      submit={submit}
      label="Start training"
      code={{ calls: [{ service: "sagemaker", operation: "CreateTrainingJob", input: draft }], sdk: sdk(draft as unknown as Record<string, unknown>) }}
    >
      {fault !== undefined && <ErrorPanel error={fault} doing="The original cannot be read" />}
      <What draft={draft} put={put} />
      <Channels channels={draft.InputDataConfig ?? []} change={(InputDataConfig) => put({ InputDataConfig })} />
      <Container header={<Header variant="h2">Hyperparameters</Header>}>
        <Pairs what="hyperparameter" none="None: the algorithm's own defaults." value={draft.HyperParameters ?? {}} change={(HyperParameters) => put({ HyperParameters })} />
      </Container>
      <Where draft={draft} put={put} />
    </CreateForm>
  );
}

interface Part {
  draft: Draft;
  put: (part: Partial<Draft>) => void;
}

function What({ draft, put }: Part) {
  const algorithm = draft.AlgorithmSpecification;
  const command = [...(algorithm?.ContainerEntrypoint ?? []), ...(algorithm?.ContainerArguments ?? [])].join(" ");
  const set = (part: object) => put({ AlgorithmSpecification: { TrainingInputMode: "File", ...algorithm, ...part } });
  return (
    <Container header={<Header variant="h2">What runs</Header>}>
      <SpaceBetween size="l">
        <FormField label="Name" constraintText="Letters, digits and hyphens; unique among the training jobs.">
          <Input value={draft.TrainingJobName ?? ""} onChange={({ detail }) => put({ TrainingJobName: detail.value })} />
        </FormField>
        <FormField label="Image" description="One that comes with the server, or any other that it knows.">
          <Autosuggest
            value={algorithm?.TrainingImage ?? ""}
            enteredTextLabel={(v) => `Use ${v}`}
            options={IMAGES.map((i) => ({ value: i.uri, label: i.label, description: i.description }))}
            onChange={({ detail }) => set({ TrainingImage: detail.value, AlgorithmName: undefined })}
            filteringType="auto"
            empty="No image has that name"
          />
        </FormField>
        <FormField label="Command" description="Only where the image should run something of yours; words are separated by spaces." constraintText="Example: python3 /opt/ml/input/data/code/main.py">
          <Input
            value={command}
            placeholder="The image's own"
            onChange={({ detail }) => {
              const all = detail.value.split(" ");
              set({ ContainerEntrypoint: detail.value.trim() ? all : undefined, ContainerArguments: undefined });
            }}
          />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}

function Channels({ channels, change }: { channels: Channel[]; change: (channels: Channel[]) => void }) {
  const set = (at: number, next: Channel) => change(channels.map((c, i) => (i === at ? next : c)));
  return (
    <Container
      header={
        <Header variant="h2" description="Each channel is a folder that the container reads: /opt/ml/input/data/<name>." actions={<Button formAction="none" onClick={() => change([...channels, channel(channels.length ? "validation" : "train")])}>Add a channel</Button>}>
          Data
        </Header>
      }
    >
      <SpaceBetween size="l">
        {channels.length === 0 && <span className="dim">No data: the container finds only its hyperparameters.</span>}
        {channels.map((c, i) => (
          <div key={i} className="channel">
            <FormField label="Channel">
              <Input value={c.ChannelName ?? ""} onChange={({ detail }) => set(i, { ...c, ChannelName: detail.value })} />
            </FormField>
            <S3Field
              label="Where"
              value={c.DataSource?.S3DataSource?.S3Uri ?? ""}
              change={(S3Uri) => set(i, { ...c, DataSource: { S3DataSource: { S3DataType: "S3Prefix", ...c.DataSource?.S3DataSource, S3Uri } } })}
            />
            <FormField label="Content type">
              <Autosuggest value={c.ContentType ?? ""} onChange={({ detail }) => set(i, { ...c, ContentType: detail.value || undefined })} options={["text/csv", "text/libsvm", "application/x-parquet", "application/jsonlines"].map((value) => ({ value }))} enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Content type" />
            </FormField>
            <div className="channel-remove">
              <Button formAction="none" iconName="remove" variant="icon" ariaLabel={`Remove the channel ${c.ChannelName}`} onClick={() => change(channels.filter((_, j) => j !== i))} />
            </div>
          </div>
        ))}
      </SpaceBetween>
    </Container>
  );
}

function Where({ draft, put }: Part) {
  const machines = draft.ResourceConfig;
  const set = (part: object) => put({ ResourceConfig: { VolumeSizeInGB: 1, ...machines, ...part } });
  const number = (text: string, least: number) => Math.max(least, Math.floor(Number(text)) || least);
  return (
    <>
      <Container header={<Header variant="h2">Where it goes and what it may use</Header>}>
        <SpaceBetween size="l">
          <S3Field label="Models go to" description="The model is stored below, in a folder named as the job." value={draft.OutputDataConfig?.S3OutputPath ?? ""} change={(S3OutputPath) => put({ OutputDataConfig: { ...draft.OutputDataConfig, S3OutputPath } })} />
          <ColumnLayout columns={4}>
            <FormField label="Instance type">
              <Autosuggest value={machines?.InstanceType ?? ""} enteredTextLabel={(v) => `Use ${v}`} ariaLabel="Instance type" onChange={({ detail }) => set({ InstanceType: detail.value })} options={["ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.g5.xlarge"].map((value) => ({ value }))} />
            </FormField>
            <FormField label="Instances">
              <Input type="number" value={String(machines?.InstanceCount ?? 1)} onChange={({ detail }) => set({ InstanceCount: number(detail.value, 1) })} />
            </FormField>
            <FormField label="Disk, GB">
              <Input type="number" value={String(machines?.VolumeSizeInGB ?? 1)} onChange={({ detail }) => set({ VolumeSizeInGB: number(detail.value, 1) })} />
            </FormField>
            <FormField label="At most, minutes">
              <Input type="number" value={String(Math.round((draft.StoppingCondition?.MaxRuntimeInSeconds ?? 3600) / 60))} onChange={({ detail }) => put({ StoppingCondition: { ...draft.StoppingCondition, MaxRuntimeInSeconds: number(detail.value, 1) * 60 } })} />
            </FormField>
          </ColumnLayout>
        </SpaceBetween>
      </Container>
      <ExpandableSection variant="container" headerText="Role, network, environment">
        <SpaceBetween size="l">
          <FormField label="Execution role" description="Whose rights the job works with." stretch>
            <Input value={draft.RoleArn ?? ""} onChange={({ detail }) => put({ RoleArn: detail.value })} />
          </FormField>
          <Checkbox checked={draft.EnableNetworkIsolation ?? false} onChange={({ detail }) => put({ EnableNetworkIsolation: detail.checked || undefined })} description="The container reaches nothing but its files.">
            Network isolation
          </Checkbox>
          <FormField label="Environment variables" stretch>
            <Pairs what="variable" none="None." value={draft.Environment ?? {}} change={(Environment) => put({ Environment })} />
          </FormField>
        </SpaceBetween>
      </ExpandableSection>
    </>
  );
}
