/** Metrics of the drawn runs, one chart each, side by side: the same run has the same colour in all of them, and one moment is under the pointer. */
import Multiselect from "@cloudscape-design/components/multiselect";
import { memo } from "react";

import { runMetrics } from "../../kit/aws/run-metrics";
import { Chart, type Series } from "../../kit/chart";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { moving } from "../../kit/status";
import type { Run } from "./api";
import type { Chosen } from "./chosen";

/** Charts when nobody has chosen, and at most. */
const USUAL = 2;
const MOST = 8;
/** Milliseconds between two looks at runs that go on: nobody announces points. */
const LIVE = 5000;

interface Curves {
  metric: string;
  series: (Series & { run: string })[];
}

/** Names that are told apart: two experiments may each have a run of the same title. */
function titles(runs: Run[]): Map<string, string> {
  const often = (title: string) => runs.filter((r) => r.title === title).length > 1;
  return new Map(runs.map((r) => [r.name, often(r.title) ? `${r.title} (${r.name})` : r.title]));
}

/** Drawn again when its own inputs change, and not for every page of the table. */
export const CurvesOf = memo(function CurvesOf({ runs, chosen, metrics, shown, choose }: { runs: Run[]; chosen: Chosen; metrics: string[]; shown: string[]; choose: (metrics: string[]) => void }) {
  const drawn = (shown.length > 0 ? shown : metrics.slice(0, USUAL)).slice(0, MOST);
  const pairs = drawn.flatMap((metric) => runs.filter((r) => r.cell(`m:${metric}`) !== undefined).map((run) => ({ metric, run })));
  const named = titles(runs);
  const { value, error } = useLoad<Curves[]>(
    async (abort) => {
      const results = await runMetrics(pairs.map(({ metric, run }) => ({ ResourceArn: run.arn, MetricName: metric, MetricStat: "Last", Period: "IterationNumber", XAxisType: "IterationNumber" })), abort);
      return drawn.map((metric) => ({
        metric,
        series: pairs.flatMap(({ run, metric: mine }, i) =>
          mine === metric ? [{ run: run.name, name: named.get(run.name)!, points: (results[i]?.XAxisValues ?? []).map((x, j): [number, number] => [x, results[i]!.MetricValues![j]!]) }] : [],
        ),
      }));
    },
    [runs.map((r) => r.name), drawn],
    { every: runs.some((r) => moving(r.status)) && LIVE },
  );
  return (
    <div>
      <div className="curves-head">
        <Multiselect
          selectedOptions={drawn.map((m) => ({ value: m, label: m }))}
          options={metrics.map((m) => ({ value: m, label: m }))}
          onChange={({ detail }) => choose(detail.selectedOptions.map((o) => o.value!))}
          ariaLabel="Choose metrics"
          placeholder="Choose metrics"
          deselectAriaLabel={(o) => `Put ${o.label} away`}
          filteringType={metrics.length > 10 ? "auto" : "none"}
          virtualScroll={metrics.length > 50}
        />
      </div>
      {error !== undefined && <ErrorPanel error={error} doing="The curves cannot be read" />}
      <div className="curves">
        {drawn.map((metric) => (
          <Chart
            key={metric}
            title={`${metric}, step by step`}
            time={false}
            series={(value?.find((c) => c.metric === metric)?.series ?? []).flatMap(({ run, ...s }) => (chosen.has(run) ? [{ ...s, ink: chosen.ink(run)! }] : []))}
            height={220}
            together="runs"
            none={value ? "None of the drawn runs has logged it by steps." : "Reading …"}
          />
        ))}
      </div>
    </div>
  );
});
