/** The parts of the form that says what a tuning job does, beside its search space. */
import type { HyperParameterTrainingJobDefinition, HyperParameterTuningJobConfig, HyperParameterTuningJobStrategyType } from "@aws-sdk/client-sagemaker";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";

import { NameField, Pairs } from "../../kit/form";
import { IMAGES } from "../../kit/images";
import { S3Field } from "../../kit/s3-field";
import { rowsOf } from "./ranges";

type Definition = HyperParameterTrainingJobDefinition;
type Config = HyperParameterTuningJobConfig;
interface OfConfig {
  config: Config;
  configure: (part: Partial<Config>) => void;
}
interface OfDefinition {
  definition: Definition;
  define: (part: Partial<Definition>) => void;
}

/** What built-in XGBoost measures when it is not told otherwise, or by its eval_metric. */
const XGBOOST = ["validation:rmse", "validation:mae", "validation:logloss", "validation:error", "validation:auc", "validation:accuracy", "validation:f1", "validation:merror", "validation:mlogloss", "train:rmse", "train:logloss"];
/** Metrics of which more is better. */
const MORE = /(^|[:_-])(auc|aucpr|acc|accuracy|balanced_accuracy|f1|f1_\w+|map|ndcg|precision|precision_\w+|recall|recall_\w+|r2|score|reward)$/i;

const STRATEGIES: Record<"Bayesian" | "Random" | "Hyperband" | "Grid", string> = {
  Bayesian: "Learns from each trial where the next should be. For trials that cost something.",
  Random: "Independent draws. As many at once as you like.",
  Hyperband: "Starts many, and lets only the best third go on, again and again. For trials that report as they learn.",
  Grid: "Every combination of categories, in order.",
};

/** A whole number that may be left out while it is typed. */
const whole = (text: string): number | undefined => (/^\d+$/.test(text.trim()) ? Number(text) : undefined);
const builtin = (d: Definition) => IMAGES.find((i) => i.uri === d.AlgorithmSpecification?.TrainingImage)?.builtin && !d.StaticHyperParameters?.["sagemaker_program"];

export function What({ name, rename, definition, define, config, configure }: OfConfig & OfDefinition & { name: string; rename: (name: string) => void }) {
  const algorithm = definition.AlgorithmSpecification;
  const set = (part: object) => define({ AlgorithmSpecification: { TrainingInputMode: "File", ...algorithm, ...part } });
  return (
    <Container header={<Header variant="h2">What runs</Header>}>
      <SpaceBetween size="l">
        <NameField value={name} constraint="At most 32 letters, digits and hyphens; the names of its training jobs begin with it." change={rename} />
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
        {!builtin(definition) && <Script definition={definition} define={define} />}
        <Objective definition={definition} define={define} config={config} configure={configure} />
      </SpaceBetween>
    </Container>
  );
}

/** A script of one's own: an archive in S3 and the file in it that runs. */
function Script({ definition, define }: OfDefinition) {
  const fixed = definition.StaticHyperParameters ?? {};
  // the SDKs write these as JSON, with quotes
  const shown = (key: string) => (fixed[key] ?? "").replace(/^"(.*)"$/, "$1");
  const set = (key: string, text: string) => {
    const { [key]: _, ...others } = fixed;
    define({ StaticHyperParameters: text ? { ...others, [key]: text } : others });
  };
  const metrics = Object.fromEntries((definition.AlgorithmSpecification?.MetricDefinitions ?? []).map((m) => [m.Name ?? "", m.Regex ?? ""]));
  return (
    <SpaceBetween size="l">
      <FormField label="Script" description="The file in the archive that runs; hyperparameters are its arguments." constraintText="Only where the image should run something of yours.">
        <Input value={shown("sagemaker_program")} placeholder="train.py" onChange={({ detail }) => set("sagemaker_program", detail.value)} />
      </FormField>
      <S3Field label="Archive of the script" description="A tar.gz, such as the SDKs make of a source directory." value={shown("sagemaker_submit_directory")} change={(uri) => set("sagemaker_submit_directory", uri)} only="objects" />
      <FormField label="Metrics" description="What to look for in the log: a regular expression whose first group is the number." stretch>
        <Pairs
          what="metric"
          none="None: an image of your own needs one for its objective."
          value={metrics}
          change={(next) => {
            const all = Object.entries(next).map(([Name, Regex]) => ({ Name, Regex }));
            const { MetricDefinitions: _, ...algorithm } = definition.AlgorithmSpecification ?? { TrainingInputMode: "File" as const };
            define({ AlgorithmSpecification: { ...algorithm, TrainingInputMode: algorithm.TrainingInputMode ?? "File", ...(all.length > 0 && { MetricDefinitions: all }) } });
          }}
        />
      </FormField>
    </SpaceBetween>
  );
}

function Objective({ definition, config, configure }: OfConfig & OfDefinition) {
  const objective = config.HyperParameterTuningJobObjective;
  const own = (definition.AlgorithmSpecification?.MetricDefinitions ?? []).map((m) => m.Name!).filter(Boolean);
  const set = (part: object) => configure({ HyperParameterTuningJobObjective: { Type: "Minimize", MetricName: "", ...objective, ...part } });
  const metrics = builtin(definition) ? XGBOOST : own;
  return (
    <ColumnLayout columns={2}>
      <FormField label="Objective" description="The metric whose last value says how good a trial is.">
        <Autosuggest
          value={objective?.MetricName ?? ""}
          enteredTextLabel={(v) => `Use ${v}`}
          options={metrics.map((m) => ({ value: m }))}
          empty="Name one under Metrics, or type it"
          onChange={({ detail }) => set({ MetricName: detail.value, ...((metrics.includes(detail.value) || MORE.test(detail.value)) && { Type: MORE.test(detail.value) ? "Maximize" : "Minimize" }) })}
        />
      </FormField>
      <FormField label="Better is" description="Which way it should go.">
        <SegmentedControl label="Better is" selectedId={objective?.Type ?? "Minimize"} options={[{ id: "Minimize", text: "Less" }, { id: "Maximize", text: "More" }]} onChange={({ detail }) => set({ Type: detail.selectedId })} />
      </FormField>
    </ColumnLayout>
  );
}

export function How({ config, configure }: OfConfig) {
  const band = config.StrategyConfig?.HyperbandStrategyConfig;
  const choose = (Strategy: HyperParameterTuningJobStrategyType) =>
    configure({
      Strategy,
      StrategyConfig: Strategy === "Hyperband" ? { HyperbandStrategyConfig: band ?? { MinResource: 1, MaxResource: 27 } } : undefined,
      ...(Strategy === "Hyperband" && { TrainingJobEarlyStoppingType: "Off" }),
      ...(Strategy === "Grid" && { ResourceLimits: { ...config.ResourceLimits!, MaxNumberOfTrainingJobs: undefined } }),
      ...(Strategy !== "Grid" && !config.ResourceLimits?.MaxNumberOfTrainingJobs && { ResourceLimits: { MaxParallelTrainingJobs: 2, ...config.ResourceLimits, MaxNumberOfTrainingJobs: 20 } }),
    });
  const set = (part: object) => configure({ StrategyConfig: { HyperbandStrategyConfig: { ...band, ...part } } });
  return (
    <Container header={<Header variant="h2">How it searches</Header>}>
      <SpaceBetween size="l">
        <Tiles
          ariaLabel="Strategy"
          columns={4}
          value={config.Strategy ?? null}
          items={Object.entries(STRATEGIES).map(([value, description]) => ({ value, label: value, description }))}
          onChange={({ detail }) => choose(detail.value as HyperParameterTuningJobStrategyType)}
        />
        {config.Strategy === "Hyperband" && (
          <ColumnLayout columns={2}>
            <FormField label="Least resource" description="Reports of the objective before a trial may be stopped." constraintText="1 or more.">
              <Input inputMode="numeric" value={String(band?.MinResource ?? "")} onChange={({ detail }) => set({ MinResource: whole(detail.value) })} />
            </FormField>
            <FormField label="Most resource" description="Reports of a trial that goes all the way." constraintText="Left out: the number of epochs among the fixed hyperparameters.">
              <Input inputMode="numeric" value={String(band?.MaxResource ?? "")} onChange={({ detail }) => set({ MaxResource: whole(detail.value) })} />
            </FormField>
          </ColumnLayout>
        )}
        {config.Strategy !== "Hyperband" && (
          <Checkbox checked={config.TrainingJobEarlyStoppingType === "Auto"} onChange={({ detail }) => configure({ TrainingJobEarlyStoppingType: detail.checked ? "Auto" : "Off" })} description="A trial ends when it is worse than the median of the earlier ones at the same point.">
            Stop poor trials early
          </Checkbox>
        )}
      </SpaceBetween>
    </Container>
  );
}

export function Limits({ config, configure }: OfConfig) {
  const limits = config.ResourceLimits;
  const set = (part: object) => configure({ ResourceLimits: { MaxParallelTrainingJobs: 1, ...limits, ...part } });
  const target = config.TuningJobCompletionCriteria?.TargetObjectiveMetricValue;
  // as typed: "0." is on its way to a number
  const aim = (text: string) => {
    const { TargetObjectiveMetricValue: _, ...others } = config.TuningJobCompletionCriteria ?? {};
    const next = text.trim() !== "" && Number.isFinite(Number(text)) ? { ...others, TargetObjectiveMetricValue: Number(text) } : others;
    configure({ TuningJobCompletionCriteria: Object.keys(next).length > 0 ? next : undefined });
  };
  const grid = config.Strategy === "Grid";
  return (
    <Container header={<Header variant="h2" description="It ends at the first of these that is reached.">How far it goes</Header>}>
      <ColumnLayout columns={4}>
        <FormField label="Trials" constraintText={grid ? `Grid tries every combination: ${rowsOf(config.ParameterRanges).reduce((n, r) => n * Math.max(1, r.values.length), 1)}.` : "In all."}>
          <Input inputMode="numeric" disabled={grid} value={grid ? "" : String(limits?.MaxNumberOfTrainingJobs ?? "")} onChange={({ detail }) => set({ MaxNumberOfTrainingJobs: whole(detail.value) })} />
        </FormField>
        <FormField label="At once" constraintText="Fewer learn more from each other.">
          <Input inputMode="numeric" value={String(limits?.MaxParallelTrainingJobs ?? "")} onChange={({ detail }) => set({ MaxParallelTrainingJobs: whole(detail.value) })} />
        </FormField>
        <FormField label="At most, in minutes" constraintText="All together; may be left out.">
          <Input inputMode="numeric" value={limits?.MaxRuntimeInSeconds ? String(Math.round(limits.MaxRuntimeInSeconds / 60)) : ""} onChange={({ detail }) => set({ MaxRuntimeInSeconds: whole(detail.value) ? whole(detail.value)! * 60 : undefined })} />
        </FormField>
        <FormField label="Good enough" constraintText="A value of the objective; may be left out.">
          <Input type="number" step="any" value={target === undefined ? "" : String(target)} onChange={({ detail }) => aim(detail.value)} />
        </FormField>
      </ColumnLayout>
    </Container>
  );
}

export function Fixed({ definition, define }: OfDefinition) {
  return (
    <Container header={<Header variant="h2" description="The same in every trial.">Fixed hyperparameters</Header>}>
      <Pairs what="hyperparameter" none="None: the algorithm's own defaults." value={definition.StaticHyperParameters ?? {}} change={(StaticHyperParameters) => define({ StaticHyperParameters })} />
    </Container>
  );
}
