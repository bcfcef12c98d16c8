/** An experiment: its runs as a table and as curves, one colour a run in both; what is shown stands in the address. */
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Toggle from "@cloudscape-design/components/toggle";
import Box from "@cloudscape-design/components/box";
import { useMemo, useState } from "react";
import { useParams } from "react-router";

import { runMetrics } from "../../kit/aws/run-metrics";
import { Chart, type Series } from "../../kit/chart";
import { CodePanel } from "../../kit/code";
import { Crumbs } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { useView } from "../../kit/view";
import { found as search, runs, type Run, type Runs } from "./api";
import { Grid } from "./grid";

/** Runs whose curves are drawn when nobody has chosen. */
const DRAWN = 8;

export default function Experiment() {
  const name = useParams()["name"]!;
  const [read, write] = useView();
  const [soFar, setSoFar] = useState<Runs>();
  const { value, error, reload } = useLoad((abort) => runs(name, setSoFar, abort), name, { kinds: ["TrialComponent", "Experiment"] });
  const known = value ?? soFar;
  const all = known?.all;
  const find = read("q").toLowerCase();
  const differing = read("columns") === "differing";
  const sort = read("sort");
  const descending = read("order") !== "up";
  const baseline = read("baseline");

  const columns = useMemo(() => {
    const many = (known?.all.length ?? 0) > 1;
    return [...(known?.columns ?? [])].filter(([, differs]) => !differing || !many || differs).map(([k]) => k).sort((a, b) => (a[0] === b[0] ? a.localeCompare(b) : a[0] === "m" ? -1 : 1));
  }, [known, differing]);
  const rows = useMemo(() => {
    const found = (all ?? []).filter((r) => !find || r.title.toLowerCase().includes(find) || Object.entries(r.cells).some(([k, v]) => `${k.slice(2)}=${v}`.toLowerCase().includes(find)));
    if (sort) {
      const of = (r: Run) => (sort === "name" ? r.title : sort === "at" ? (r.at?.getTime() ?? 0) : r.cells[sort]);
      found.sort((a, b) => {
        const [x, y] = [of(a), of(b)];
        if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
        return (descending ? -1 : 1) * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
      });
    }
    const pinned = found.findIndex((r) => r.name === baseline);
    return pinned > 0 ? [found[pinned]!, ...found.slice(0, pinned), ...found.slice(pinned + 1)] : found;
  }, [all, find, sort, descending, baseline]);

  const chosen = read("runs");
  const drawn = chosen ? (chosen === "none" ? [] : chosen.split(",")) : rows.slice(0, DRAWN).map((r) => r.name);
  const metrics = columns.filter((c) => c.startsWith("m:")).map((c) => c.slice(2));
  const metric = metrics.includes(read("metric")) ? read("metric") : metrics[0];

  return (
    <SpaceBetween size="m">
      <Crumbs items={[{ text: "Experiments", href: "/experiments" }, { text: name, href: "#" }]} />
      <Header variant="h1" counter={known ? `(${known.total.toLocaleString()} ${known.total === 1 ? "run" : "runs"})` : ""} {...(known && !known.whole && { description: <span role="status">{all!.length.toLocaleString()} have come so far; orders and filters are of these.</span> })}>{name}</Header>
      {error !== undefined && <ErrorPanel error={error} retry={reload} doing="The runs cannot be read" />}
      {!all && error === undefined && <Spinner size="large" />}
      {all?.length === 0 && <Box color="text-body-secondary">It has no run yet: give a job an ExperimentConfig with this experiment's name, or log one with the SDK's Run.</Box>}
      {all && all.length > 0 && (
        <SpaceBetween size="m">
          {metric && <Curves runs={rows.filter((r) => drawn.includes(r.name))} metric={metric} metrics={metrics} choose={(m) => write({ metric: m })} />}
          <div className="filters">
            <div className="filters-text">
              <Input type="search" value={read("q")} placeholder="Find runs by name or value, as rate=0.1" ariaLabel="Find runs" onChange={({ detail }) => write({ q: detail.value })} />
            </div>
            <Toggle checked={differing} onChange={({ detail }) => write({ columns: detail.checked ? "differing" : undefined })}>Only columns that differ</Toggle>
          </div>
          <Grid
            rows={rows}
            columns={columns}
            sort={sort}
            descending={descending}
            baseline={baseline}
            drawn={drawn}
            order={(by) => write({ sort: by, order: by === sort && descending ? "up" : undefined })}
            pin={(run) => write({ baseline: run === baseline ? undefined : run })}
            draw={(run) => {
              const next = drawn.includes(run) ? drawn.filter((d) => d !== run) : [...drawn, run];
              write({ runs: next.join(",") || "none" });
            }}
          />
          <CodePanel
            snippet={{
              calls: [{ service: "sagemaker", operation: "Search", input: { ...search(name), ...(sort.startsWith("m:") && { SortBy: `Metrics.${sort.slice(2)}.Last`, SortOrder: descending ? "Descending" : "Ascending" }) } }],
              sdk: `from sagemaker.analytics import ExperimentAnalytics   # SageMaker SDK v2\n\nruns = ExperimentAnalytics(experiment_name=${JSON.stringify(name)}).dataframe()`,
            }}
          />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

function Curves({ runs: shown, metric, metrics, choose }: { runs: Run[]; metric: string; metrics: string[]; choose: (metric: string) => void }) {
  const having = shown.filter((r) => r.cells[`m:${metric}`] !== undefined);
  const { value, error } = useLoad<Series[]>(
    async (abort) => {
      if (having.length === 0) return [];
      const results = await runMetrics(having.map((r) => ({ ResourceArn: r.arn, MetricName: metric, MetricStat: "Last", Period: "IterationNumber", XAxisType: "IterationNumber" })), abort);
      return results.map((found, i) => ({ name: having[i]!.title, points: (found.XAxisValues ?? []).map((x, j): [number, number] => [x, found.MetricValues![j]!]) }));
    },
    [having.map((r) => r.name), metric],
  );
  return (
    <SpaceBetween size="xs">
      <div className="curves-head">
        <Select selectedOption={{ value: metric, label: metric }} options={metrics.map((m) => ({ value: m, label: m }))} onChange={({ detail }) => choose(detail.selectedOption.value!)} ariaLabel="Metric" filteringType={metrics.length > 10 ? "auto" : "none"} />
      </div>
      {error !== undefined ? <ErrorPanel error={error} doing="The curves cannot be read" /> : <Chart title={`${metric}, step by step`} time={false} series={value ?? []} height={240} none="None of the chosen runs has logged it by steps." />}
    </SpaceBetween>
  );
}
