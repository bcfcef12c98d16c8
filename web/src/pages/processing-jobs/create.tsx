import { CreateProcessingJobCommand, type ProcessingInput, type ProcessingOutput } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CloneFault, CreateForm, fresh, NameField, Pairs, useDraft } from "../../kit/form";
import { CommandField, ImageField, InstanceTypeField, stemOf } from "../../kit/job-form";
import { notify } from "../../kit/notify";
import { NumberField } from "../../kit/number-field";
import { S3Field } from "../../kit/s3-field";
import { asked, describe, href, sdk } from "./api";
import { dataOf, empty, input, missing, output, programOf, request, scriptOf, withData, withProgram, withScript, type Draft, type Program } from "./draft";

interface Part {
  draft: Draft;
  change: (draft: Draft) => void;
}

const clone = async (from: string): Promise<Draft> => ({ ...(asked(await describe(from)) as unknown as Draft), ProcessingJobName: fresh(stemOf(from)) });

export default function CreateProcessingJob() {
  const { from, draft, setDraft, fault, reading } = useDraft(empty, clone);
  const sent = request(draft);
  return (
    <CreateForm<Draft>
      title={from ? `Clone ${from}` : "Create a processing job"}
      description="It starts at once; its log, its use of the machine and its files are on its page while it runs."
      parent={{ text: "Processing jobs", href: "/processing-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      reading={reading}
      submit={async () => {
        await sagemaker().send(new CreateProcessingJobCommand(sent));
        notify.done(`${draft.ProcessingJobName} is on its way.`);
        return href(draft.ProcessingJobName!);
      }}
      label="Start processing"
      code={{ calls: [{ service: "sagemaker", operation: "CreateProcessingJob", input: sent }], sdk: sdk(sent) }}
    >
      <CloneFault error={fault} />
      <What draft={draft} change={setDraft} />
      <Inputs draft={draft} change={setDraft} />
      <Outputs draft={draft} change={setDraft} />
      <Machines draft={draft} change={setDraft} />
    </CreateForm>
  );
}

const PROGRAMS: { id: Program; text: string }[] = [
  { id: "script", text: "A script from S3" },
  { id: "command", text: "A command" },
  { id: "own", text: "The image's own program" },
];

function What({ draft, change }: Part) {
  const app = draft.AppSpecification;
  const set = (part: object) => change({ ...draft, AppSpecification: { ImageUri: "", ...app, ...part } });
  const program = programOf(draft);
  return (
    <Container header={<Header variant="h2">What runs</Header>}>
      <SpaceBetween size="l">
        <NameField value={draft.ProcessingJobName} constraint="Letters, digits and hyphens; unique among the processing jobs." change={(ProcessingJobName) => change({ ...draft, ProcessingJobName })} />
        <ImageField value={app?.ImageUri ?? ""} change={(ImageUri) => set({ ImageUri })} />
        <FormField label="Program">
          <SegmentedControl label="Program" selectedId={program} options={PROGRAMS} onChange={({ detail }) => change(withProgram(draft, detail.selectedId as Program))} />
        </FormField>
        {program === "script" && <S3Field label="Script" description="One object; Python runs it. Upload it in Data." value={scriptOf(draft)} change={(uri) => change(withScript(draft, uri))} only="objects" />}
        {program === "command" && <CommandField label="Command" description="Words are separated by spaces; quotes hold together what has some." example="bash -c 'wc -l /opt/ml/processing/input/data/*'" value={app?.ContainerEntrypoint} change={(words) => set({ ContainerEntrypoint: words ?? [] })} />}
        {program !== "own" && <CommandField label="Arguments" placeholder="None" value={app?.ContainerArguments} change={(ContainerArguments) => set({ ContainerArguments })} />}
      </SpaceBetween>
    </Container>
  );
}

function Inputs({ draft, change }: Part) {
  const data = dataOf(draft);
  const put = (next: ProcessingInput[]) => change(withData(draft, next));
  const set = (at: number, part: Partial<ProcessingInput["S3Input"]>, name?: string) =>
    put(data.map((d, i) => (i === at ? { ...d, ...(name !== undefined && { InputName: name }), ...(d.S3Input && { S3Input: { ...d.S3Input, ...part } }) } : d)));
  return (
    <Container header={<Header variant="h2" description="What the program finds as files." actions={<Button formAction="none" onClick={() => put([...data, input(`data-${data.length + 1}`)])}>Add an input</Button>}>Inputs</Header>}>
      <SpaceBetween size="l">
        {data.length === 0 && <span className="dim">No data: the program finds no files but itself.</span>}
        {data.map((d, i) => (
          <div key={i} className="channel channel-in">
            <FormField label="Input">
              <Input value={d.InputName ?? ""} onChange={({ detail }) => set(i, {}, detail.value)} />
            </FormField>
            {d.S3Input ? <S3Field label="Read from" value={d.S3Input.S3Uri ?? ""} change={(S3Uri) => set(i, { S3Uri })} /> : <span className="dim">A data set definition: edit it as a document.</span>}
            <FormField label="Seen as">
              <Input value={d.S3Input?.LocalPath ?? ""} onChange={({ detail }) => set(i, { LocalPath: detail.value })} />
            </FormField>
            <div className="channel-remove">
              <Button formAction="none" iconName="remove" variant="icon" ariaLabel={`Remove the input ${d.InputName}`} onClick={() => put(data.filter((_, j) => j !== i))} />
            </div>
          </div>
        ))}
      </SpaceBetween>
    </Container>
  );
}

const MODES = [
  { value: "EndOfJob", label: "At its end" },
  { value: "Continuous", label: "While it runs" },
];

function Outputs({ draft, change }: Part) {
  const outputs = draft.ProcessingOutputConfig?.Outputs ?? [];
  const put = (Outputs: ProcessingOutput[]) => change({ ...draft, ProcessingOutputConfig: { ...draft.ProcessingOutputConfig, Outputs } });
  const set = (at: number, part: Partial<ProcessingOutput["S3Output"]>, name?: string) =>
    put(outputs.map((o, i) => (i === at ? { ...o, ...(name !== undefined && { OutputName: name }), ...(o.S3Output && { S3Output: { ...o.S3Output, ...part } as ProcessingOutput["S3Output"] }) } : o)));
  return (
    <Container header={<Header variant="h2" description="Folders whose files are kept." actions={<Button formAction="none" onClick={() => put([...outputs, output(`result-${outputs.length + 1}`)])}>Add an output</Button>}>Outputs</Header>}>
      <SpaceBetween size="l">
        {outputs.length === 0 && <span className="dim">None: nothing that it writes is kept, but its log.</span>}
        {outputs.map((o, i) => (
          <div key={i} className="channel channel-out">
            <FormField label="Output">
              <Input value={o.OutputName ?? ""} onChange={({ detail }) => set(i, {}, detail.value)} />
            </FormField>
            {o.S3Output ? <S3Field label="Store in" value={o.S3Output.S3Uri ?? ""} change={(S3Uri) => set(i, { S3Uri })} /> : <span className="dim">An output to a feature store: edit it as a document.</span>}
            <FormField label="Left in">
              <Input value={o.S3Output?.LocalPath ?? ""} onChange={({ detail }) => set(i, { LocalPath: detail.value })} />
            </FormField>
            <FormField label="When">
              <Select ariaLabel={`When ${o.OutputName} is stored`} selectedOption={MODES.find((m) => m.value === o.S3Output?.S3UploadMode) ?? MODES[0]!} options={MODES} onChange={({ detail }) => set(i, { S3UploadMode: detail.selectedOption.value as "EndOfJob" })} />
            </FormField>
            <div className="channel-remove">
              <Button formAction="none" iconName="remove" variant="icon" ariaLabel={`Remove the output ${o.OutputName}`} onClick={() => put(outputs.filter((_, j) => j !== i))} />
            </div>
          </div>
        ))}
      </SpaceBetween>
    </Container>
  );
}

function Machines({ draft, change }: Part) {
  const machines = draft.ProcessingResources?.ClusterConfig;
  const set = (part: object) => change({ ...draft, ProcessingResources: { ...draft.ProcessingResources, ClusterConfig: { InstanceType: "ml.m5.large", InstanceCount: 1, VolumeSizeInGB: 1, ...machines, ...part } } });
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it may use</Header>}>
        <ColumnLayout columns={4}>
          <InstanceTypeField value={machines?.InstanceType ?? ""} change={(InstanceType) => set({ InstanceType })} />
          <NumberField label="Instances" value={machines?.InstanceCount ?? 1} change={(InstanceCount) => set({ InstanceCount })} />
          <NumberField label="Disk, GB" value={machines?.VolumeSizeInGB ?? 1} change={(VolumeSizeInGB) => set({ VolumeSizeInGB })} />
          <NumberField label="At most, minutes" value={Math.ceil((draft.StoppingCondition?.MaxRuntimeInSeconds ?? 3600) / 60)} change={(minutes) => change({ ...draft, StoppingCondition: { MaxRuntimeInSeconds: minutes! * 60 } })} />
        </ColumnLayout>
      </Container>
      <ExpandableSection variant="container" headerText="Role, network, environment">
        <SpaceBetween size="l">
          <FormField label="Execution role" description="Whose rights the job works with." stretch>
            <Input value={draft.RoleArn ?? ""} onChange={({ detail }) => change({ ...draft, RoleArn: detail.value })} />
          </FormField>
          <Checkbox checked={draft.NetworkConfig?.EnableNetworkIsolation ?? false} onChange={({ detail }) => change({ ...draft, NetworkConfig: detail.checked ? { ...draft.NetworkConfig, EnableNetworkIsolation: true } : undefined })} description="The container reaches nothing but its files.">
            Network isolation
          </Checkbox>
          <FormField label="Environment variables" stretch>
            <Pairs what="variable" none="None." value={draft.Environment ?? {}} change={(Environment) => change({ ...draft, Environment })} />
          </FormField>
        </SpaceBetween>
      </ExpandableSection>
    </SpaceBetween>
  );
}
