/** Parts of the forms of training jobs and of what starts training jobs: the data they read, where they run, what they may use. */
import type { Channel, CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
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

import { Pairs } from "./form";
import { InstanceTypeField, isPlace } from "./job-form";
import { NumberField } from "./number-field";
import { S3Field } from "./s3-field";

/** What a training job and a tuning job's definition of its trials have in common. */
export type Trained = Partial<Pick<CreateTrainingJobRequest, "OutputDataConfig" | "ResourceConfig" | "StoppingCondition" | "RoleArn" | "EnableNetworkIsolation" | "Environment">>;

export const channel = (ChannelName: string): Channel => ({
  ChannelName,
  ContentType: "text/csv",
  DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "", S3DataDistributionType: "FullyReplicated" } },
});

/** What lacks of them, in words. */
export function untrained(channels: readonly Channel[] | undefined, output: string | undefined): string | undefined {
  if (channels?.some((c) => c.DataSource?.S3DataSource && !isPlace(c.DataSource.S3DataSource.S3Uri))) return "Every channel needs an s3:// place.";
  if (!isPlace(output)) return "Say where the model goes.";
  return undefined;
}

export function Channels({ channels, change }: { channels: Channel[]; change: (channels: Channel[]) => void }) {
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

export function Where({ draft, put }: { draft: Trained; put: (part: Trained) => void }) {
  const machines = draft.ResourceConfig;
  const set = (part: object) => put({ ResourceConfig: { VolumeSizeInGB: 1, ...machines, ...part } });
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Where it goes and what it may use</Header>}>
        <SpaceBetween size="l">
          <S3Field label="Models go to" description="The model is stored below, in a folder named as the job." value={draft.OutputDataConfig?.S3OutputPath ?? ""} change={(S3OutputPath) => put({ OutputDataConfig: { ...draft.OutputDataConfig, S3OutputPath } })} />
          <ColumnLayout columns={4}>
            <InstanceTypeField value={machines?.InstanceType ?? ""} change={(InstanceType) => set({ InstanceType })} />
            <NumberField label="Instances" value={machines?.InstanceCount ?? 1} change={(InstanceCount) => set({ InstanceCount })} />
            <NumberField label="Disk, GB" value={machines?.VolumeSizeInGB ?? 1} change={(VolumeSizeInGB) => set({ VolumeSizeInGB })} />
            <NumberField label="At most, minutes" value={Math.round((draft.StoppingCondition?.MaxRuntimeInSeconds ?? 3600) / 60)} change={(minutes) => put({ StoppingCondition: { ...draft.StoppingCondition, MaxRuntimeInSeconds: minutes! * 60 } })} />
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
    </SpaceBetween>
  );
}
