/** How the search goes: progress, the best trial, the way there, what mattered, and every trial. Trials of one definition at a time. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMemo } from "react";
import { useNavigate } from "react-router";

import { Chart, short, type Series } from "../../kit/chart";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { moving } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { duration } from "../../kit/time";
import { useView } from "../../kit/view";
import { Waiting } from "../../kit/waiting";
import { number, objectiveOf, trainingHref, useTrials, value, type Job, type Trial } from "./api";
import { Importances } from "./importances";
import { Parallel } from "./parallel";
import { axes, objectiveAxis } from "./space";
import { Trials } from "./trials";

export function Results({ job }: { job: Job }) {
  const name = job.HyperParameterTuningJobName!;
  const [read, write] = useView();
  const { value: all, error, reload } = useTrials(name);
  const several = (job.TrainingJobDefinitions ?? []).map((d) => d.DefinitionName!);
  const definition = several.length > 0 ? read("definition", several[0]) : "";
  const trials = useMemo(() => (all ?? []).filter((t) => !definition || t.TrainingJobDefinitionName === definition), [all, definition]);
  const objective = objectiveOf(job, definition);
  const less = objective?.Type !== "Maximize";
  const ranked = useMemo(() => trials.filter((t) => value(t) !== undefined).sort((a, b) => (less ? 1 : -1) * (value(a)! - value(b)!)), [trials, less]);
  const names = useMemo(() => [...new Set(trials.flatMap((t) => Object.keys(t.TunedHyperParameters ?? {})))].sort(), [trials]);
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} doing="The trials cannot be listed" />;
  if (!all) return <Waiting />;
  const metric = objective?.MetricName ?? "objective";
  const chosen = read("trial");
  const choose = (trial: string | undefined) => write({ trial });
  const ranges = [job.HyperParameterTuningJobConfig?.ParameterRanges, ...(job.TrainingJobDefinitions ?? []).filter((d) => d.DefinitionName === definition).map((d) => d.HyperParameterRanges)];
  const lines = ranked.length > 0 ? [...axes(names, ranges, ranked), objectiveAxis(metric, ranked, value)] : [];
  return (
    <SpaceBetween size="l">
      {several.length > 1 && <SegmentedControl label="Training job definition" selectedId={definition} options={several.map((id) => ({ id, text: id }))} onChange={({ detail }) => write({ definition: detail.selectedId, trial: undefined, page: undefined })} />}
      <div className="tuning-top">
        <Progress job={job} trials={all} />
        <Best job={job} trial={ranked[0]} metric={metric} />
      </div>
      <div className="tuning-charts">
        <Chart title={`${metric}, trial by trial`} time={false} height={230} series={history(trials, less, chosen)} none="No trial has been measured yet." />
        <Importances trials={ranked} names={names} less={less} />
      </div>
      <Parallel trials={ranked} axes={lines} objective={metric} chosen={chosen} choose={choose} />
      <Trials trials={trials} names={names} objective={objective} chosen={chosen} choose={choose} best={ranked[0]} />
    </SpaceBetween>
  );
}

/** The measured trials by number, and the best of them so far. */
function history(trials: readonly Trial[], less: boolean, chosen: string): Series[] {
  const measured = trials.filter((t) => value(t) !== undefined).sort((a, b) => number(a) - number(b));
  const points = measured.map((t): [number, number] => [number(t), value(t)!]);
  let leader = less ? Infinity : -Infinity;
  const leading = points.map(([x, v]): [number, number] => [x, (leader = less ? Math.min(leader, v) : Math.max(leader, v))]);
  const picked = points.filter((_, i) => measured[i]!.TrainingJobName === chosen);
  return [{ name: "measured", points, shape: "dots" }, { name: "best so far", points: leading, shape: "steps" }, { name: `trial ${picked[0]?.[0]}`, points: picked, shape: "dots" }];
}

function Progress({ job, trials }: { job: Job; trials: readonly Trial[] }) {
  const most = job.HyperParameterTuningJobConfig?.ResourceLimits?.MaxNumberOfTrainingJobs;
  const count = (...statuses: string[]) => trials.filter((t) => statuses.includes(t.TrainingJobStatus ?? "")).length;
  const ended = count("Completed", "Failed", "Stopped");
  const parts = [[count("InProgress", "Stopping"), "running"], [count("Stopped"), "stopped early"], [count("Failed"), "failed"]].filter(([n]) => n);
  const busy = moving(job.HyperParameterTuningJobStatus);
  const seconds = job.ConsumedResources?.RuntimeInSeconds;
  return (
    <Container header={<Header variant="h2">The search</Header>}>
      <SpaceBetween size="m">
        {most !== undefined && <ProgressBar value={(100 * ended) / most} label={`${ended} of ${most} trials`} {...(parts.length > 0 && { description: parts.map(([n, w]) => `${n} ${w}`).join(", ") })} />}
        <Facts
          columns={3}
          of={{
            Strategy: job.HyperParameterTuningJobConfig?.Strategy,
            Objective: objectiveOf(job) && `${objectiveOf(job)!.Type === "Maximize" ? "More" : "Less"} ${objectiveOf(job)!.MetricName}`,
            [busy ? "Training so far" : "Training in all"]: seconds === undefined ? undefined : duration(seconds),
          }}
        />
      </SpaceBetween>
    </Container>
  );
}

function Best({ job, trial, metric }: { job: Job; trial: Trial | undefined; metric: string }) {
  const navigate = useNavigate();
  const busy = moving(job.HyperParameterTuningJobStatus);
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={trial && trial.TrainingJobStatus === "Completed" && <Button variant="primary" onClick={() => void navigate(`/models/create?job=${encodeURIComponent(trial.TrainingJobName!)}`)}>Make a model of the best trial</Button>}
        >
          {busy ? "Best trial so far" : "Best trial"}
        </Header>
      }
    >
      {trial ? (
        <Facts
          columns={3}
          of={{
            [metric]: <Box variant="h1" tagOverride="span">{short(value(trial))}</Box>,
            "Training job": <NameLink href={trainingHref(trial.TrainingJobName!)}>{trial.TrainingJobName}</NameLink>,
            ...Object.fromEntries(Object.entries(trial.TunedHyperParameters ?? {}).map(([k, v]) => [k, Number.isFinite(Number(v)) ? short(Number(v)) : v])),
            "Best with its parents": job.OverallBestTrainingJob?.TrainingJobName !== trial.TrainingJobName && job.OverallBestTrainingJob && <NameLink href={trainingHref(job.OverallBestTrainingJob.TrainingJobName!)}>{job.OverallBestTrainingJob.TrainingJobName}</NameLink>,
          }}
        />
      ) : (
        <Box color="text-body-secondary">{busy ? "The first result comes when a trial has ended." : "No trial came to a result: the table says why."}</Box>
      )}
    </Container>
  );
}
