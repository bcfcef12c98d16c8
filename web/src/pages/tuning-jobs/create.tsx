import { CreateHyperParameterTuningJobCommand, DescribeHyperParameterTuningJobCommand, type CreateHyperParameterTuningJobRequest, type HyperParameterTrainingJobDefinition, type HyperParameterTuningJobConfig } from "@aws-sdk/client-sagemaker";
import Alert from "@cloudscape-design/components/alert";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
import { CloneFault, CreateForm, fresh, useDraft } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { notify } from "../../kit/notify";
import { channel, Channels, untrained, Where } from "../../kit/training";
import { asked, href, sdk } from "./api";
import { Before } from "./before";
import { Fixed, How, Limits, What } from "./parts";
import { RangeRows } from "./range-rows";
import { fault, rowsOf } from "./ranges";

type Draft = CreateHyperParameterTuningJobRequest;

const empty = (): Draft => ({
  HyperParameterTuningJobName: fresh("tune"),
  HyperParameterTuningJobConfig: {
    Strategy: "Bayesian",
    HyperParameterTuningJobObjective: { Type: "Minimize", MetricName: "validation:rmse" },
    ResourceLimits: { MaxNumberOfTrainingJobs: 20, MaxParallelTrainingJobs: 2 },
    ParameterRanges: {
      ContinuousParameterRanges: [{ Name: "eta", MinValue: "0.01", MaxValue: "0.5", ScalingType: "Logarithmic" }],
      IntegerParameterRanges: [{ Name: "max_depth", MinValue: "2", MaxValue: "10", ScalingType: "Auto" }],
    },
    TrainingJobEarlyStoppingType: "Off",
  },
  TrainingJobDefinition: {
    AlgorithmSpecification: { TrainingImage: IMAGES[0]!.uri, TrainingInputMode: "File" },
    StaticHyperParameters: { objective: "reg:squarederror", num_round: "50" },
    InputDataConfig: [channel("train"), channel("validation")],
    OutputDataConfig: { S3OutputPath: "" },
    ResourceConfig: { InstanceType: "ml.m5.large", InstanceCount: 1, VolumeSizeInGB: 1 },
    StoppingCondition: { MaxRuntimeInSeconds: 3600 },
    RoleArn: here().ExecutionRole,
  },
});

/** What still lacks, in words; undefined when the request can be sent. */
function missing(d: Draft): string | undefined {
  const { HyperParameterTuningJobConfig: c, TrainingJobDefinition: t } = d;
  if (!/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}$/.test(d.HyperParameterTuningJobName ?? "")) return "It needs a name of at most 32 letters, digits and hyphens.";
  if (!t) return undefined; // edited as a document: the server knows
  if (!t.AlgorithmSpecification?.TrainingImage && !t.AlgorithmSpecification?.AlgorithmName) return "Choose an image.";
  if (!c?.HyperParameterTuningJobObjective?.MetricName) return "Say which metric is the objective.";
  if (c.Strategy !== "Grid" && !c.ResourceLimits?.MaxNumberOfTrainingJobs && d.Autotune?.Mode !== "Enabled") return "Say how many trials there may be.";
  if (!c.ResourceLimits?.MaxParallelTrainingJobs) return "Say how many trials run at once.";
  if (d.Autotune?.Mode !== "Enabled") {
    const rows = rowsOf(c.ParameterRanges);
    if (rows.length === 0) return "Add a range to search.";
    for (const r of rows) {
      const wrong = fault(r, rows, t.StaticHyperParameters ?? {}, c.Strategy);
      if (wrong) return `${r.name || "A range"}: ${wrong.said}`;
    }
  }
  return untrained(t.InputDataConfig, t.OutputDataConfig?.S3OutputPath);
}

async function clone(from: string): Promise<Draft> {
  const job = await sagemaker().send(new DescribeHyperParameterTuningJobCommand({ HyperParameterTuningJobName: from }));
  return { ...asked(job), HyperParameterTuningJobName: fresh(from.replace(/-\d{8}-\d{6}$/, "").slice(0, 16).replace(/-+$/, "")) };
}

export default function CreateTuningJob() {
  const { from, draft, setDraft, fault: unread, reading } = useDraft(empty, clone);
  const { HyperParameterTuningJobConfig: config, TrainingJobDefinition: definition } = draft;
  const configure = (part: Partial<HyperParameterTuningJobConfig>) => setDraft((d) => ({ ...d, HyperParameterTuningJobConfig: { ...d.HyperParameterTuningJobConfig, ...part } as HyperParameterTuningJobConfig }));
  const define = (part: Partial<HyperParameterTrainingJobDefinition>) => setDraft((d) => ({ ...d, TrainingJobDefinition: { ...d.TrainingJobDefinition, ...part } as HyperParameterTrainingJobDefinition }));
  return (
    <CreateForm<Draft>
      title={from ? `Clone ${from}` : "Create a tuning job"}
      description="It runs training jobs with different hyperparameters, learns from how they end, and names the best."
      parent={{ text: "Tuning jobs", href: "/tuning-jobs" }}
      document={draft}
      change={setDraft}
      missing={missing(draft)}
      reading={reading}
      submit={async () => {
        await sagemaker().send(new CreateHyperParameterTuningJobCommand(draft));
        notify.done(`${draft.HyperParameterTuningJobName} is on its way.`);
        return href(draft.HyperParameterTuningJobName!);
      }}
      label="Start tuning"
      code={{ calls: [{ service: "sagemaker", operation: "CreateHyperParameterTuningJob", input: draft }], ...(sdk(draft) && { sdk: sdk(draft)! }) }}
    >
      <CloneFault error={unread} />
      {config && definition ? (
        <SpaceBetween size="l">
          <What name={draft.HyperParameterTuningJobName ?? ""} rename={(HyperParameterTuningJobName) => setDraft((d) => ({ ...d, HyperParameterTuningJobName }))} definition={definition} define={define} config={config} configure={configure} />
          <RangeRows ranges={config.ParameterRanges} change={(ParameterRanges) => configure({ ParameterRanges })} fixed={definition.StaticHyperParameters ?? {}} strategy={config.Strategy} />
          <How config={config} configure={configure} />
          <Before draft={draft} put={(part) => setDraft((d) => ({ ...d, ...part }))} />
          <Limits config={config} configure={configure} />
          <Fixed definition={definition} define={define} />
          <Channels channels={definition.InputDataConfig ?? []} change={(InputDataConfig) => define({ InputDataConfig })} />
          {definition.HyperParameterTuningResourceConfig ? (
            <Alert type="info" header="It has a list of machines to fall through">The form has no fields for HyperParameterTuningResourceConfig: see it under Document.</Alert>
          ) : (
            <Where draft={definition} put={(part) => define(part as Partial<HyperParameterTrainingJobDefinition>)} />
          )}
        </SpaceBetween>
      ) : (
        <Alert type="info" header="It has several training job definitions">The form has fields for one. Edit them under Document; a name is all that is new.</Alert>
      )}
    </CreateForm>
  );
}
