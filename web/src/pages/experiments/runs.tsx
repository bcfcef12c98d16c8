/** The runs of an experiment, or of several: a table, curves, and runs beside each other, one colour a run in all; what is shown stands in the address. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useParams } from "react-router";

import { CodePanel } from "../../kit/code";
import { Crumbs } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useView } from "../../kit/view";
import { Waiting } from "../../kit/waiting";
import { search, type Asked } from "./api";
import { useChosen } from "./chosen";
import { CurvesOf } from "./curves";
import { Grid } from "./grid";
import { useNamed, useReading } from "./reading";
import { SideBySide } from "./side";
import "./experiments.css";

/** Runs whose curves are drawn when nobody has chosen. */
const DRAWN = 6;
/** Milliseconds of quiet typing before the runs are searched. */
const QUIET = 250;

export default function Experiment() {
  const name = useParams()["name"]!;
  const [read, write] = useView();
  const others = read("with");
  const experiments = useMemo(() => [name, ...others.split(",").filter((o) => o && o !== name)], [name, others]);
  const sort = read("sort");
  const descending = read("order") !== "up";
  const asked: Asked = { experiments, find: read("q"), sort, descending };
  const { reader, behind, stale, renew, need } = useReading(asked);
  const { rows, total, whole } = reader;
  const differing = read("columns") === "differing";
  const side = read("view") === "side";

  const columns = useMemo(() => {
    const all = [...reader.columns].filter(([, differs]) => !differing || rows.length < 2 || differs).map(([c]) => c);
    const order = new Intl.Collator(undefined, { numeric: true }).compare;
    return all.sort((a, b) => (a[0] === b[0] ? order(a, b) : a[0] === "m" ? -1 : 1));
  }, [reader.columns, differing, rows.length > 1]);
  const metrics = useMemo(() => [...reader.columns.keys()].filter((c) => c[0] === "m").map((c) => c.slice(2)).sort(), [reader.columns]);

  const chosen = useChosen(read("runs"), useMemo(() => rows.slice(0, DRAWN).map((r) => r.name), [rows]));
  const baseline = read("baseline");
  const wanted = useMemo(() => [...chosen.names, ...(baseline && !chosen.has(baseline) ? [baseline] : [])], [chosen, baseline]);
  const found = useNamed(wanted, rows);
  const drawn = useMemo(() => found.runs.filter((r) => chosen.has(r.name)), [found.runs, chosen]);
  const shownMetrics = useMemo(() => metricsIn(read("metrics")), [read]);
  const base = found.runs.find((r) => r.name === baseline);

  // of one identity, so that no row is drawn again because of them
  const latest = useRef({ chosen, baseline, write });
  latest.current = { chosen, baseline, write };
  const draw = useCallback((run: string) => latest.current.write({ runs: latest.current.chosen.toggled(run) }), []);
  const pin = useCallback((run: string) => latest.current.write({ baseline: run === latest.current.baseline ? undefined : run }), []);
  const choose = useCallback((m: string[]) => latest.current.write({ metrics: m.map(encodeURIComponent).join(",") }), []);
  const view = { baseline: base, chosen, pin, draw };
  const title = experiments.join(" and ");
  const request = search(asked);

  return (
    <SpaceBetween size="m">
      <Crumbs items={[{ text: "Experiments", href: "/experiments" }, { text: title, href: "#" }]} />
      <Header variant="h1" counter={reader.started ? `(${total.toLocaleString()} ${total === 1 ? "run" : "runs"})` : ""}>{title}</Header>
      {(reader.error ?? found.error) !== undefined && <ErrorPanel error={reader.error ?? found.error} retry={() => (reader.error ? reader.again() : renew())} doing="The runs cannot be read" />}
      {!reader.started && reader.error === undefined && <Waiting size="large" />}
      {reader.started && total === 0 && !asked.find && <Box color="text-body-secondary">It has no run yet: give a job an ExperimentConfig with this experiment's name, or log one with the SDK's Run.</Box>}
      {reader.started && (total > 0 || asked.find) && (
        <SpaceBetween size="m">
          {metrics.length > 0 && <CurvesOf runs={drawn} chosen={chosen} metrics={metrics} shown={shownMetrics} choose={choose} />}
          <div>
            <div className="filters">
              <div className="filters-text">
                <Find text={asked.find} find={(q) => write({ q })} />
              </div>
              <SegmentedControl
                label="View"
                selectedId={side ? "side" : "table"}
                options={[{ id: "table", text: "Table" }, { id: "side", text: "Side by side" }]}
                onChange={({ detail }) => write({ view: detail.selectedId === "side" ? "side" : undefined })}
              />
              <Toggle checked={differing} onChange={({ detail }) => write({ columns: detail.checked ? "differing" : undefined })}>{side ? "Only what differs" : "Only columns that differ"}</Toggle>
            </div>
            <div role="status" aria-busy={behind} className="dim runs-status">
              {behind && <>Looking at all runs … </>}
              {total === 0 && "No run matches."}
              {!side && !whole && total > 0 && <>Columns are those of the {rows.length.toLocaleString()} runs read so far; orders and filters are of all. <Link onFollow={() => need(Infinity)}>Read all</Link></>}
              {stale && <> Runs have changed. <Button variant="inline-link" onClick={renew}>Read them anew</Button></>}
            </div>
          </div>
          {side ? (
            <SideBySide runs={drawn} differing={differing} {...view} />
          ) : (
            total > 0 && <Grid rows={rows} total={total} columns={columns} several={experiments.length > 1} sort={sort} descending={descending} need={need} order={(by) => write({ sort: by, order: by === sort && descending ? "up" : undefined })} {...view} />
          )}
          <CodePanel
            snippet={{
              calls: [{ service: "sagemaker", operation: "Search", input: request }],
              sdk: `from sagemaker.analytics import ExperimentAnalytics   # SageMaker SDK v2\n\nruns = ExperimentAnalytics(experiment_name=${JSON.stringify(name)}).dataframe()`,
            }}
          />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

const metricsIn = (text: string) => text.split(",").filter(Boolean).map(decodeURIComponent);

/** The server is asked when somebody stops typing. */
function Find({ text, find }: { text: string; find: (text: string) => void }) {
  const [own, setOwn] = useState(text);
  const latest = useRef(find);
  latest.current = find;
  useEffect(() => {
    if (own === text) return undefined;
    const timer = setTimeout(() => latest.current(own), QUIET);
    return () => clearTimeout(timer);
  }, [own, text]);
  return <Input type="search" value={own} placeholder="Find runs by name or value: digits rate<0.1 loss>=0.5" ariaLabel="Find runs" onChange={({ detail }) => setOwn(detail.value)} />;
}
