import { CreateTransformJobCommand, type CreateTransformJobRequest, type DataProcessing, type TransformInput, type TransformOutput } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CloneFault, CreateForm, fresh, NameField, Pairs, useDraft } from "../../kit/form";
import { InstanceTypeField, isPlace, stemOf } from "../../kit/job-form";
import { useLoad } from "../../kit/load";
import { notify } from "../../kit/notify";
import { NumberField } from "../../kit/number-field";
import { S3Field } from "../../kit/s3-field";
import { useView } from "../../kit/view";
import { list as models } from "../models/api";
import { asked, describe, href, sdk } from "./api";

type Draft = CreateTransformJobRequest;

interface Part {
  draft: Draft;
  put: (part: Partial<Draft>) => void;
}

const empty = (ModelName: string): Draft => ({
  TransformJobName: fresh("transform"),
  ModelName,
  TransformInput: { DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "" } }, ContentType: "text/csv", SplitType: "Line" },
  TransformOutput: { S3OutputPath: "", AssembleWith: "Line" },
  TransformResources: { InstanceType: "ml.m5.large", InstanceCount: 1 },
});

function missing({ TransformJobName, ModelName, TransformInput: read, TransformOutput: wrote }: Draft): string | undefined {
  if (!TransformJobName) return "It needs a name.";
  if (!ModelName) return "Choose a model.";
  if (!isPlace(read?.DataSource?.S3DataSource?.S3Uri)) return "Say where the records are.";
  if (!isPlace(wrote?.S3OutputPath)) return "Say where the answers go.";
  return undefined;
}

const clone = async (from: string): Promise<Draft> => ({ ...(asked(await describe(from)) as unknown as Draft), TransformJobName: fresh(stemOf(from)) });

export default function CreateTransformJob() {
  const [read] = useView();
  const { from, draft, setDraft, fault, reading } = useDraft(() => empty(read("model")), clone);
  const put = (part: Partial<Draft>) => setDraft((d) => ({ ...d, ...part }));
  return (
    <CreateForm<Draft>
      title={from ? `Clone ${from}` : "Create a transform job"}
      description="It starts the model, asks it about every record, stores the answers and stops it."
      parent={{ text: "Batch transform", href: "/transform-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      reading={reading}
      submit={async () => {
        await sagemaker().send(new CreateTransformJobCommand(draft));
        notify.done(`${draft.TransformJobName} is on its way.`);
        return href(draft.TransformJobName!);
      }}
      label="Start the transform"
      code={{ calls: [{ service: "sagemaker", operation: "CreateTransformJob", input: draft }], sdk: sdk(draft) }}
    >
      <CloneFault error={fault} />
      <What draft={draft} put={put} />
      <Records draft={draft} put={put} />
      <Filters draft={draft} put={put} />
      <Answers draft={draft} put={put} />
      <Machines draft={draft} put={put} />
    </CreateForm>
  );
}

function What({ draft, put }: Part) {
  const found = useLoad((abort) => models({ NameContains: draft.ModelName || undefined, SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 20 }, abort), draft.ModelName, { kinds: ["Model"] });
  return (
    <Container header={<Header variant="h2">Which model</Header>}>
      <SpaceBetween size="l">
        <NameField value={draft.TransformJobName} constraint="Letters, digits and hyphens; unique among the transform jobs." change={(TransformJobName) => put({ TransformJobName })} />
        <FormField label="Model">
          <Autosuggest
            value={draft.ModelName ?? ""}
            enteredTextLabel={(v) => `Use ${v}`}
            placeholder="One of your models"
            options={(found.value?.items ?? []).map((m) => ({ value: m.ModelName! }))}
            statusType={found.error !== undefined ? "error" : found.loading ? "loading" : "finished"}
            loadingText="Looking for models"
            errorText="The models cannot be listed; a name can be typed"
            empty="No model has that name"
            filteringType="manual"
            onChange={({ detail }) => put({ ModelName: detail.value })}
          />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}

const SPLITS: SelectProps.Option[] = [
  { value: "Line", label: "Lines", description: "Each line is a record" },
  { value: "None", label: "Whole objects", description: "An object is one record" },
  { value: "RecordIO", label: "RecordIO" },
  { value: "TFRecord", label: "TFRecord" },
];
const BATCHES: SelectProps.Option[] = [
  { value: "", label: "As the model likes", description: "As many as fit" },
  { value: "MultiRecord", label: "Many", description: "As many as fit into a request" },
  { value: "SingleRecord", label: "One" },
];
const TYPES = ["text/csv", "application/json", "application/jsonlines", "application/x-parquet", "application/x-recordio"].map((value) => ({ value }));

const chosen = (options: readonly SelectProps.Option[], value: string | undefined) => options.find((o) => o.value === (value ?? "")) ?? options[0]!;

function Records({ draft, put }: Part) {
  const read = draft.TransformInput;
  const source = read?.DataSource?.S3DataSource;
  const set = (part: Partial<TransformInput>) => put({ TransformInput: { DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: "" } }, ...read, ...part } });
  return (
    <Container header={<Header variant="h2">Records</Header>}>
      <SpaceBetween size="l">
        <S3Field label="Records from" description="An object, or all that begin so." value={source?.S3Uri ?? ""} change={(S3Uri) => set({ DataSource: { S3DataSource: { S3DataType: "S3Prefix", ...source, S3Uri } } })} />
        <ColumnLayout columns={4}>
          <FormField label="Content type">
            <Autosuggest ariaLabel="Content type" value={read?.ContentType ?? ""} options={TYPES} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => set({ ContentType: detail.value || undefined })} />
          </FormField>
          <FormField label="Split into">
            <Select ariaLabel="Split into" selectedOption={chosen(SPLITS, read?.SplitType ?? "None")} options={SPLITS} onChange={({ detail }) => set({ SplitType: detail.selectedOption.value as "Line" })} />
          </FormField>
          <FormField label="Records in a request">
            <Select ariaLabel="Records in a request" selectedOption={chosen(BATCHES, draft.BatchStrategy)} options={BATCHES} onChange={({ detail }) => put({ BatchStrategy: (detail.selectedOption.value || undefined) as "MultiRecord" | undefined })} />
          </FormField>
          <FormField label="Compression">
            <Select ariaLabel="Compression" selectedOption={chosen(ZIPPED, read?.CompressionType ?? "None")} options={ZIPPED} onChange={({ detail }) => set({ CompressionType: detail.selectedOption.value === "Gzip" ? "Gzip" : undefined })} />
          </FormField>
        </ColumnLayout>
      </SpaceBetween>
    </Container>
  );
}

const ZIPPED: SelectProps.Option[] = [{ value: "None", label: "None" }, { value: "Gzip", label: "Gzip" }];
const JOINS: SelectProps.Option[] = [{ value: "None", label: "The answer alone" }, { value: "Input", label: "The record and its answer" }];

function Filters({ draft, put }: Part) {
  const filters = draft.DataProcessing;
  const set = (part: Partial<DataProcessing>) => {
    const next = Object.fromEntries(Object.entries({ ...filters, ...part }).filter(([, v]) => v));
    put({ DataProcessing: Object.keys(next).length ? next : undefined });
  };
  return (
    <Container header={<Header variant="h2" description="Which columns the model sees, and which are stored; a path as JSONPath writes it.">Columns</Header>}>
      <ColumnLayout columns={3}>
        <FormField label="Input filter" constraintText="$[1:] leaves out the first, such as an id.">
          <Input value={filters?.InputFilter ?? ""} placeholder="$" onChange={({ detail }) => set({ InputFilter: detail.value })} />
        </FormField>
        <FormField label="Stored">
          <Select ariaLabel="Stored" selectedOption={chosen(JOINS, filters?.JoinSource ?? "None")} options={JOINS} onChange={({ detail }) => set({ JoinSource: detail.selectedOption.value === "Input" ? "Input" : undefined })} />
        </FormField>
        <FormField label="Output filter" constraintText="$[0,-1] keeps the first and the last.">
          <Input value={filters?.OutputFilter ?? ""} placeholder="$" onChange={({ detail }) => set({ OutputFilter: detail.value })} />
        </FormField>
      </ColumnLayout>
    </Container>
  );
}

const ASSEMBLED: SelectProps.Option[] = [{ value: "Line", label: "Line by line" }, { value: "None", label: "As they are" }];

function Answers({ draft, put }: Part) {
  const wrote = draft.TransformOutput;
  const set = (part: Partial<TransformOutput>) => put({ TransformOutput: { S3OutputPath: "", ...wrote, ...part } });
  return (
    <Container header={<Header variant="h2">Answers</Header>}>
      <SpaceBetween size="l">
        <S3Field label="Answers go to" description="One object for each that was read, with .out behind its name." value={wrote?.S3OutputPath ?? ""} change={(S3OutputPath) => set({ S3OutputPath })} />
        <ColumnLayout columns={4}>
          <FormField label="Put together">
            <Select ariaLabel="Put together" selectedOption={chosen(ASSEMBLED, wrote?.AssembleWith ?? "None")} options={ASSEMBLED} onChange={({ detail }) => set({ AssembleWith: detail.selectedOption.value as "Line" })} />
          </FormField>
          <FormField label="Accept">
            <Autosuggest ariaLabel="Accept" placeholder="As the model answers" value={wrote?.Accept ?? ""} options={TYPES} enteredTextLabel={(v) => `Use ${v}`} onChange={({ detail }) => set({ Accept: detail.value || undefined })} />
          </FormField>
        </ColumnLayout>
      </SpaceBetween>
    </Container>
  );
}

function Machines({ draft, put }: Part) {
  const machines = draft.TransformResources;
  const set = (part: object) => put({ TransformResources: { InstanceType: "ml.m5.large", InstanceCount: 1, ...machines, ...part } });
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">What it may use</Header>}>
        <ColumnLayout columns={4}>
          <InstanceTypeField value={machines?.InstanceType ?? ""} change={(InstanceType) => set({ InstanceType })} />
          <NumberField label="Instances" value={machines?.InstanceCount ?? 1} change={(InstanceCount) => set({ InstanceCount })} />
          <NumberField label="Requests at a time" value={draft.MaxConcurrentTransforms} least={0} optional="As many as the model takes" change={(MaxConcurrentTransforms) => put({ MaxConcurrentTransforms })} />
          <NumberField label="A request at most, MB" value={draft.MaxPayloadInMB} least={0} optional="6" change={(MaxPayloadInMB) => put({ MaxPayloadInMB })} />
        </ColumnLayout>
      </Container>
      <ExpandableSection variant="container" headerText="Environment">
        <FormField label="Environment variables" stretch>
          <Pairs what="variable" none="Those of the model alone." value={draft.Environment ?? {}} change={(Environment) => put({ Environment: Object.keys(Environment).length ? Environment : undefined })} />
        </FormField>
      </ExpandableSection>
    </SpaceBetween>
  );
}
