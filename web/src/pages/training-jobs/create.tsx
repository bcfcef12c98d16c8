import { CreateTrainingJobCommand, type CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { CloneFault, CreateForm, fresh, NameField, Pairs, useDraft } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { CommandField, ImageField, stemOf } from "../../kit/job-form";
import { notify } from "../../kit/notify";
import { channel, Channels, untrained, Where } from "../../kit/training";
import { asked, describe, href, sdk } from "./api";

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

/** What still lacks, in words; undefined when the request can be sent. */
function missing(d: Draft): string | undefined {
  if (!d.TrainingJobName) return "It needs a name.";
  if (!d.AlgorithmSpecification?.TrainingImage && !d.AlgorithmSpecification?.AlgorithmName) return "Choose an image.";
  return untrained(d.InputDataConfig, d.OutputDataConfig?.S3OutputPath);
}

const clone = async (from: string): Promise<Draft> => ({ ...(asked(await describe(from)) as unknown as Draft), TrainingJobName: fresh(stemOf(from)) });

export default function CreateTrainingJob() {
  const { from, draft, setDraft, fault, reading } = useDraft(empty, clone);
  const put = (part: Partial<Draft>) => setDraft((d) => ({ ...d, ...part }));
  const submit = async () => {
    await sagemaker().send(new CreateTrainingJobCommand(draft));
    notify.done(`${draft.TrainingJobName} is on its way.`);
    return href(draft.TrainingJobName!);
  };
  return (
    <CreateForm<Draft>
      title={from ? `Clone ${from}` : "Create a training job"}
      description="It starts at once; its log, metrics and model are on its page while it runs."
      parent={{ text: "Training jobs", href: "/training-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      reading={reading}
      submit={submit}
      label="Start training"
      code={{ calls: [{ service: "sagemaker", operation: "CreateTrainingJob", input: draft }], sdk: sdk(draft as unknown as Record<string, unknown>) }}
    >
      <CloneFault error={fault} />
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
  const command = [...(algorithm?.ContainerEntrypoint ?? []), ...(algorithm?.ContainerArguments ?? [])];
  const set = (part: object) => put({ AlgorithmSpecification: { TrainingInputMode: "File", ...algorithm, ...part } });
  return (
    <Container header={<Header variant="h2">What runs</Header>}>
      <SpaceBetween size="l">
        <NameField value={draft.TrainingJobName} constraint="Letters, digits and hyphens; unique among the training jobs." change={(TrainingJobName) => put({ TrainingJobName })} />
        <ImageField value={algorithm?.TrainingImage ?? ""} change={(TrainingImage) => set({ TrainingImage, AlgorithmName: undefined })} />
        <CommandField
          label="Command"
          description="Only where the image should run something of yours; words are separated by spaces, quotes hold together what has some."
          example="python3 /opt/ml/input/data/code/main.py"
          placeholder="The image's own"
          value={command}
          change={(words) => set({ ContainerEntrypoint: words, ContainerArguments: undefined })}
        />
      </SpaceBetween>
    </Container>
  );
}
