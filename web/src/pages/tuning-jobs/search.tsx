/** What a tuning job was asked for: its search space, its limits, and the training jobs it starts. */
import type { HyperParameterTrainingJobDefinition, ParameterRanges } from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { Copied, Facts } from "../../kit/detail";
import { S3Link } from "../../kit/s3-link";
import { words } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { duration, RelativeTime } from "../../kit/time";
import { asked, href, type Job } from "./api";
import { rowsOf, scaling, type Row } from "./ranges";

export function Search({ job }: { job: Job }) {
  const request = asked(job);
  const definitions = request.TrainingJobDefinitions ?? (request.TrainingJobDefinition ? [request.TrainingJobDefinition] : []);
  return (
    <SpaceBetween size="l">
      <Goal job={job} />
      {job.HyperParameterTuningJobConfig?.ParameterRanges && <Ranges of={job.HyperParameterTuningJobConfig.ParameterRanges} />}
      {definitions.map((d, i) => (
        <Definition key={d.DefinitionName ?? i} of={d} />
      ))}
    </SpaceBetween>
  );
}

function Goal({ job }: { job: Job }) {
  const c = job.HyperParameterTuningJobConfig;
  const objective = c?.HyperParameterTuningJobObjective;
  const [limits, band, criteria] = [c?.ResourceLimits, c?.StrategyConfig?.HyperbandStrategyConfig, c?.TuningJobCompletionCriteria];
  return (
    <Container header={<Header variant="h2">The search</Header>}>
      <Facts
        of={{
          Objective: objective && `${objective.Type} ${objective.MetricName}`,
          Strategy: c?.Strategy,
          Resource: band && `${band.MinResource ?? 1} to ${band.MaxResource} reports`,
          "Early stopping": c?.TrainingJobEarlyStoppingType,
          "Trials, at most": limits?.MaxNumberOfTrainingJobs,
          "At once": limits?.MaxParallelTrainingJobs,
          "At most": limits?.MaxRuntimeInSeconds && duration(limits.MaxRuntimeInSeconds),
          "Good enough": criteria?.TargetObjectiveMetricValue,
          "Trials without a gain": criteria?.BestObjectiveNotImproving?.MaxNumberOfTrainingJobsNotImproving,
          "On convergence": criteria?.ConvergenceDetected?.CompleteOnConvergence === "Enabled" ? "Completes" : undefined,
          Seed: c?.RandomSeed,
          Autotune: job.Autotune?.Mode,
          "Warm start": job.WarmStartConfig?.WarmStartType && words(job.WarmStartConfig.WarmStartType),
          Parents: job.WarmStartConfig?.ParentHyperParameterTuningJobs?.map((p) => p.HyperParameterTuningJobName!).map((n) => <div key={n}><NameLink href={href(n)}>{n}</NameLink></div>),
          Created: <RelativeTime at={job.CreationTime} />,
          ARN: <Copied text={job.HyperParameterTuningJobArn} what="the ARN" />,
        }}
      />
    </Container>
  );
}

const scale = (r: Row) => {
  if (r.kind === "Categorical") return "–";
  const used = words(scaling(r.scale, Number(r.low), Number(r.high)));
  return r.scale === "Auto" ? `${used}, chosen by itself` : used;
};

function Ranges({ of }: { of: ParameterRanges }) {
  const rows = rowsOf(of);
  return (
    <Table<Row>
      variant="container"
      header={<Header variant="h2" counter={`(${rows.length})`}>What is searched</Header>}
      items={rows}
      ariaLabels={{ tableLabel: "Ranges" }}
      columnDefinitions={[
        { id: "name", header: "Hyperparameter", isRowHeader: true, cell: (r) => <span className="mono">{r.name}</span> },
        { id: "kind", header: "Kind", cell: (r) => r.kind },
        { id: "range", header: "Values", cell: (r) => <span className="mono">{r.kind === "Categorical" ? r.values.join(", ") : `${r.low} to ${r.high}`}</span> },
        { id: "scale", header: "Scale", cell: scale },
      ]}
      empty={<Box color="text-body-secondary">No range of its own.</Box>}
    />
  );
}

function Definition({ of: d }: { of: HyperParameterTrainingJobDefinition }) {
  const machines = d.ResourceConfig;
  const wide = d.HyperParameterTuningResourceConfig?.InstanceConfigs;
  const fixed = Object.entries(d.StaticHyperParameters ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">{d.DefinitionName ? `Training jobs of ${d.DefinitionName}` : "Its training jobs"}</Header>}>
        <Facts
          of={{
            Objective: d.TuningObjective && `${d.TuningObjective.Type} ${d.TuningObjective.MetricName}`,
            Image: <span className="mono">{(d.AlgorithmSpecification?.TrainingImage ?? d.AlgorithmSpecification?.AlgorithmName)?.split("/").pop()}</span>,
            Machines: (wide ?? (machines && [machines]))?.map((m) => `${m.InstanceCount} × ${m.InstanceType}`).join(", else "),
            "Each at most": d.StoppingCondition?.MaxRuntimeInSeconds && duration(d.StoppingCondition.MaxRuntimeInSeconds),
            Role: d.RoleArn?.split("/").pop(),
            "Models go to": <S3Link uri={d.OutputDataConfig?.S3OutputPath} />,
            Metrics: d.AlgorithmSpecification?.MetricDefinitions?.map((m) => <div key={m.Name} title={m.Regex}>{m.Name}</div>),
            ...Object.fromEntries((d.InputDataConfig ?? []).map((c) => [`Channel ${c.ChannelName}`, <S3Link uri={c.DataSource?.S3DataSource?.S3Uri} />])),
          }}
        />
      </Container>
      {d.HyperParameterRanges && <Ranges of={d.HyperParameterRanges} />}
      <Table
        variant="container"
        header={<Header variant="h2" counter={`(${fixed.length})`}>Fixed hyperparameters</Header>}
        items={fixed}
        ariaLabels={{ tableLabel: "Fixed hyperparameters" }}
        columnDefinitions={[
          { id: "name", header: "Name", isRowHeader: true, cell: ([k]) => <span className="mono">{k}</span> },
          { id: "value", header: "Value", cell: ([, v]) => <span className="mono">{v}</span> },
        ]}
        empty={<Box color="text-body-secondary">None: the algorithm's own defaults are used.</Box>}
      />
    </SpaceBetween>
  );
}
