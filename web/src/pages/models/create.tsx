import { CreateModelCommand, DescribeTrainingJobCommand, type CreateModelInput } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { ErrorPanel } from "../../kit/errors";
import { CreateForm, fresh, NameField, Pairs, useDraft } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { notify } from "../../kit/notify";
import { S3Field } from "../../kit/s3-field";
import { useView } from "../../kit/view";
import { href } from "./api";

const blank = (job: string): CreateModelInput => ({
  ModelName: fresh(job || "model").slice(0, 63),
  PrimaryContainer: { Image: IMAGES[0]!.uri, ModelDataUrl: "" },
  ExecutionRoleArn: here().ExecutionRole,
});

/** The model of what a training job has made. */
async function learnt(TrainingJobName: string): Promise<CreateModelInput> {
  const job = await sagemaker().send(new DescribeTrainingJobCommand({ TrainingJobName }));
  return {
    ModelName: TrainingJobName.slice(0, 63),
    PrimaryContainer: { Image: job.AlgorithmSpecification?.TrainingImage, ModelDataUrl: job.ModelArtifacts?.S3ModelArtifacts },
    ExecutionRoleArn: job.RoleArn,
  };
}

export default function CreateModel() {
  const [read] = useView();
  const { from: job, draft, setDraft, fault, reading } = useDraft<CreateModelInput>(() => blank(read("job")), learnt, "job");
  const container = draft.PrimaryContainer;
  const set = (part: object) => setDraft((d) => ({ ...d, PrimaryContainer: { ...d.PrimaryContainer, ...part } }));
  return (
    <CreateForm<CreateModelInput>
      title="Create a model"
      description={job ? `Of what ${job} has learnt.` : "It can be deployed at once."}
      parent={{ text: "Models", href: "/models" }}
      document={draft}
      change={setDraft}
      label="Create the model"
      missing={!draft.ModelName ? "It needs a name." : !container?.Image && !draft.Containers ? "Choose an image." : undefined}
      reading={reading}
      code={{ calls: [{ service: "sagemaker", operation: "CreateModel", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateModelCommand(draft));
        notify.done(`${draft.ModelName} is there.`);
        return href(draft.ModelName!);
      }}
    >
      {fault !== undefined && <ErrorPanel error={fault} doing="The job cannot be read" />}
      <Container header={<Header variant="h2">What serves</Header>}>
        <SpaceBetween size="l">
          <NameField value={draft.ModelName} change={(ModelName) => setDraft((d) => ({ ...d, ModelName }))} />
          <FormField label="Image">
            <Autosuggest value={container?.Image ?? ""} enteredTextLabel={(v) => `Use ${v}`} options={IMAGES.filter((i) => i.serves).map((i) => ({ value: i.uri, label: i.label, description: i.description }))} onChange={({ detail }) => set({ Image: detail.value })} />
          </FormField>
          <S3Field label="Artifact" description="model.tar.gz, as a training job leaves it." value={container?.ModelDataUrl ?? ""} change={(uri) => set({ ModelDataUrl: uri || undefined })} only="objects" />
          <FormField label="Environment variables" stretch>
            <Pairs what="variable" none="None." value={container?.Environment ?? {}} change={(Environment) => set({ Environment: Object.keys(Environment).length ? Environment : undefined })} />
          </FormField>
          <FormField label="Execution role" stretch>
            <Input value={draft.ExecutionRoleArn ?? ""} onChange={({ detail }) => setDraft((d) => ({ ...d, ExecutionRoleArn: detail.value }))} />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}
