/** The drawn runs beside each other: one column a run, and how far each is from the baseline. */
import { Fragment } from "react";

import { call } from "../../kit/aws/any";
import { Arn } from "../../kit/arn";
import { Opens } from "../../kit/open";
import { Status } from "../../kit/status";
import { RelativeTime } from "../../kit/time";
import type { Run } from "./api";
import { Cell } from "./cell";
import type { Chosen } from "./chosen";

export interface SideProps {
  runs: Run[];
  differing: boolean;
  baseline: Run | undefined;
  chosen: Chosen;
  pin: (run: string) => void;
  draw: (run: string) => void;
}

export function SideBySide({ runs, differing, baseline, chosen, pin, draw }: SideProps) {
  const all = [...new Set(runs.flatMap((r) => r.columns()))];
  const some = all.filter((c) => !differing || runs.length < 2 || runs.some((r) => r.cell(c) !== runs[0]!.cell(c)));
  const groups = [["Parameters", "p"], ["Metrics", "m"]] as const;
  if (runs.length === 0) return <p>Draw runs by the squares before their names, then see them beside each other here.</p>;
  return (
    <div className="side" role="region" aria-label="Runs beside each other" tabIndex={0}>
      <table className="diff">
        <thead>
          <tr>
            <th scope="col">Run</th>
            {runs.map((r) => (
              <th key={r.name} scope="col" className={r.name === baseline?.name ? "side-base" : undefined}>
                <span className="side-run">
                  <button type="button" className="eye" aria-pressed aria-label={`Draw ${r.title}`} onClick={() => draw(r.name)}><i style={{ background: chosen.ink(r.name) }} /></button>
                  <button type="button" className="pin" aria-pressed={r.name === baseline?.name} aria-label={`Compare with ${r.title}`} onClick={() => pin(r.name)}>⚑</button>
                  <span title={r.name}>{r.title}</span>
                </span>
                <small className="dim">{r.experiments.join(", ")}</small>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr><th scope="row">Created</th>{runs.map((r) => <td key={r.name}><RelativeTime at={r.at} /></td>)}</tr>
          {runs.some((r) => r.status) && <tr><th scope="row">Status</th>{runs.map((r) => <td key={r.name}><Status value={r.status} /></td>)}</tr>}
          {runs.some((r) => r.source) && <tr><th scope="row">Made by</th>{runs.map((r) => <td key={r.name}><Arn arn={r.source || undefined} /></td>)}</tr>}
          {runs.some((r) => r.mlflow) && <tr><th scope="row">MLflow</th>{runs.map((r) => <td key={r.name}>{r.mlflow ? <InMlflow about={r.mlflow} /> : "–"}</td>)}</tr>}
          {groups.map(([title, kind]) => {
            const rows = some.filter((c) => c[0] === kind);
            if (!all.some((c) => c[0] === kind)) return null;
            return (
              <Fragment key={kind}>
                <tr><th scope="rowgroup" colSpan={runs.length + 1}>{title}{rows.length === 0 && ": the same in all"}</th></tr>
                {rows.map((c) => (
                  <tr key={c} className={!differing && runs.some((r) => r.cell(c) !== runs[0]!.cell(c)) ? "differs" : undefined}>
                    <th scope="row">{c.slice(2)}</th>
                    {runs.map((r) => <td key={r.name}><Cell value={r.cell(c)} base={baseline && baseline !== r ? baseline.cell(c) : undefined} /></td>)}
                  </tr>
                ))}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** A link to the run is good once and for five minutes: it is asked for when it is clicked. */
function InMlflow({ about: { server, experiment, run } }: { about: NonNullable<Run["mlflow"]> }) {
  const url = async () => {
    const app = server.includes(":mlflow-app/");
    const { AuthorizedUrl } = await call<{ AuthorizedUrl?: string }>(
      "sagemaker",
      app ? "CreatePresignedMlflowAppUrl" : "CreatePresignedMlflowTrackingServerUrl",
      app ? { Arn: server } : { TrackingServerName: server.split("/").pop() },
    );
    return AuthorizedUrl && `${AuthorizedUrl}#/experiments/${experiment}/runs/${run}`;
  };
  return <Opens label="Open in MLflow" variant="inline-link" url={url} />;
}
