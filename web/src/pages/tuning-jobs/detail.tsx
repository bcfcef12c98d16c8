import {
  DescribeHyperParameterTuningJobCommand,
  ListTrainingJobsForHyperParameterTuningJobCommand,
  StopHyperParameterTuningJobCommand,
  type DescribeHyperParameterTuningJobResponse,
  type HyperParameterTrainingJobSummary,
} from "@aws-sdk/client-sagemaker";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Chart, short } from "../../kit/chart";
import { Described, picked } from "../../kit/described";
import { Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { Status } from "../../kit/status";
import { NameLink } from "../../kit/table";
import { Duration } from "../../kit/time";
import { Parallel } from "./parallel";

type Trial = HyperParameterTrainingJobSummary;

async function trials(HyperParameterTuningJobName: string, abortSignal: AbortSignal): Promise<Trial[]> {
  const found: Trial[] = [];
  let NextToken: string | undefined;
  do {
    const page = await sagemaker().send(new ListTrainingJobsForHyperParameterTuningJobCommand({ HyperParameterTuningJobName, MaxResults: 100, NextToken, SortBy: "CreationTime", SortOrder: "Ascending" }), { abortSignal });
    found.push(...(page.TrainingJobSummaries ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  return found;
}

export const value = (t: Trial) => t.FinalHyperParameterTuningJobObjectiveMetric?.Value;

export default function TuningJob() {
  const name = useParams()["name"]!;
  return (
    <Described<DescribeHyperParameterTuningJobResponse>
      kind="HyperParameterTuningJob"
      kinds={["TrainingJob"]}
      name={name}
      parent={{ text: "Tuning jobs", href: "/tuning-jobs" }}
      describe={(abortSignal) => sagemaker().send(new DescribeHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name }), { abortSignal })}
      status={(j) => j.HyperParameterTuningJobStatus}
      without={["HyperParameterTuningJobName", "HyperParameterTuningJobStatus", "BestTrainingJob"]}
      tabs={(j) => [{ id: "trials", label: "Trials", content: <Trials job={j} /> }]}
      stop={() => sagemaker().send(new StopHyperParameterTuningJobCommand({ HyperParameterTuningJobName: name }))}
      code={(j) => ({
        calls: [{ service: "sagemaker", operation: "CreateHyperParameterTuningJob", input: picked(j, ["HyperParameterTuningJobName", "HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "WarmStartConfig", "Autotune"]) }],
      })}
    />
  );
}

function Trials({ job }: { job: DescribeHyperParameterTuningJobResponse }) {
  const navigate = useNavigate();
  const name = job.HyperParameterTuningJobName!;
  const [sort, setSort] = useState<{ by: string; descending: boolean }>();
  const { value: all, error, reload } = useLoad((abort) => trials(name, abort), name, { kinds: ["TrainingJob"] });
  if (error !== undefined) return <ErrorPanel error={error} retry={reload} />;
  if (!all) return <Spinner />;
  const objective = job.HyperParameterTuningJobConfig?.HyperParameterTuningJobObjective ?? job.TrainingJobDefinitions?.[0]?.TuningObjective;
  const least = objective?.Type === "Minimize";
  const measured = all.filter((t) => value(t) !== undefined);
  const order = (a: Trial, b: Trial) => (least ? 1 : -1) * (value(a)! - value(b)!);
  const best = [...measured].sort(order)[0];
  const parameters = [...new Set(all.flatMap((t) => Object.keys(t.TunedHyperParameters ?? {})))].sort();
  let leader = NaN;
  const leading = measured.map((t, i): [number, number] => {
    const v = value(t)!;
    leader = Number.isNaN(leader) || (least ? v < leader : v > leader) ? v : leader;
    return [i + 1, leader];
  });
  const rows = [...all].sort((a, b) => {
    if (!sort) return (value(a) === undefined ? 1 : 0) - (value(b) === undefined ? 1 : 0) || (value(a) === undefined ? 0 : order(a, b));
    const of = (t: Trial) => (sort.by === "objective" ? value(t) : t.TunedHyperParameters?.[sort.by]) ?? "";
    const [x, y] = [of(a), of(b)];
    return (sort.descending ? -1 : 1) * (Number(x) - Number(y) || String(x).localeCompare(String(y)));
  });
  return (
    <SpaceBetween size="l">
      {best && (
        <Facts
          of={{
            "Best trial": <NameLink href={`/training-jobs/${best.TrainingJobName}`}>{best.TrainingJobName}</NameLink>,
            [objective?.MetricName ?? "Objective"]: <Box variant="h2" tagOverride="span">{short(value(best))}</Box>,
            Trials: `${measured.length} measured of ${all.length}`,
            "": <Button onClick={() => void navigate(`/models/create?job=${best.TrainingJobName}`)}>Make a model of the best</Button>,
          }}
        />
      )}
      <div className="charts">
        <Chart title={`${objective?.MetricName ?? "Objective"}, trial by trial`} time={false} series={[{ name: "trial", points: measured.map((t, i): [number, number] => [i + 1, value(t)!]) }, { name: "best so far", points: leading, dashed: true }]} none="No trial has been measured yet." />
        <Parallel trials={measured} parameters={parameters} least={least} objective={objective?.MetricName ?? "objective"} />
      </div>
      <Table<Trial>
        variant="container"
        header={<Header variant="h2" counter={`(${all.length})`}>Trials</Header>}
        items={rows}
        trackBy="TrainingJobName"
        {...(sort && { sortingColumn: { sortingField: sort.by }, sortingDescending: sort.descending })}
        onSortingChange={({ detail }) => setSort({ by: detail.sortingColumn.sortingField!, descending: Boolean(detail.isDescending) })}
        ariaLabels={{ tableLabel: "Trials" }}
        columnDefinitions={[
          { id: "name", header: "Training job", isRowHeader: true, cell: (t) => <NameLink href={`/training-jobs/${t.TrainingJobName}`}>{t.TrainingJobName}</NameLink> },
          { id: "status", header: "Status", cell: (t) => <Status value={t.TrainingJobStatus} /> },
          { id: "objective", header: objective?.MetricName ?? "Objective", sortingField: "objective", cell: (t) => <b>{short(value(t))}</b> },
          ...parameters.map((p) => ({ id: p, header: p, sortingField: p, cell: (t: Trial) => (t.TunedHyperParameters?.[p] === undefined ? "–" : Number.isNaN(Number(t.TunedHyperParameters[p])) ? t.TunedHyperParameters[p] : short(Number(t.TunedHyperParameters[p]))) })),
          { id: "took", header: "Took", cell: (t) => <Duration from={t.TrainingStartTime} to={t.TrainingEndTime} /> },
        ]}
        empty={<Box color="text-body-secondary">The first trial starts in a moment.</Box>}
      />
    </SpaceBetween>
  );
}
