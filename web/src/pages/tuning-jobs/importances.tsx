/** What mattered: bars by importance, with which way to go. */
import { useMemo } from "react";

import { value, type Trial } from "./api";
import { importance, LEAST, type Importance } from "./importance";

/** Weaker rank correlations say no direction. */
const CLEAR = 0.3;

function direction({ trend }: Importance, less: boolean): string {
  if (trend === undefined || Math.abs(trend) < CLEAR) return "";
  return trend > 0 === less ? "less is better" : "more is better";
}

export function Importances({ trials, names, less }: { trials: readonly Trial[]; names: readonly string[]; less: boolean }) {
  const found = useMemo(() => importance(trials.map((t) => ({ values: t.TunedHyperParameters ?? {}, objective: value(t)! })), names), [trials, names]);
  return (
    <figure className="chart">
      <figcaption>What mattered</figcaption>
      {found.length === 0 ? (
        <p className="chart-none">{`Told from ${LEAST} measured trials on; there ${trials.length === 1 ? "is 1" : `are ${trials.length}`}.`}</p>
      ) : (
        <>
          <table className="importance">
            <thead className="unseen">
              <tr><th scope="col">Hyperparameter</th><th scope="col">Share</th><th scope="col">Which way</th></tr>
            </thead>
            <tbody>
              {found.map((i) => (
                <tr key={i.name} className={i.beyondChance ? "" : "chance"}>
                  <th scope="row">{i.name}</th>
                  <td>
                    <span className="share"><i><b style={{ width: `${Math.round(i.share * 100)}%` }} /></i>{Math.round(i.share * 100)} %</span>
                  </td>
                  <td className="dim">{i.beyondChance ? direction(i, less) : "could be chance"}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <details className="method">
            <summary>How this is computed</summary>
            <p>
              The share of the objective’s variance, by ranks, that lies between classes of trials with like values of one hyperparameter, less what
              chance puts there: Kelley’s ε² of Kruskal and Wallis’s H (1952). “Could be chance”: p above 0.05. It sees each hyperparameter alone,
              not their interplay, in the trials there are: a search that has closed in tells less of what it left early.
            </p>
          </details>
        </>
      )}
    </figure>
  );
}
