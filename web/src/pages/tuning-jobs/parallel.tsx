/** Each trial as a line through its hyperparameters to its result: good ones stand out by colour. */
import type { HyperParameterTrainingJobSummary } from "@aws-sdk/client-sagemaker";

import { short } from "../../kit/chart";

interface Axis {
  name: string;
  /** From 0 (bottom) to 1 (top); undefined where a trial has no value. */
  at: (t: HyperParameterTrainingJobSummary) => number | undefined;
  ends: [string, string];
}

const [WIDTH, HEIGHT, TOP, BOTTOM] = [640, 230, 26, 22];

function axis(name: string, of: (t: HyperParameterTrainingJobSummary) => string | number | undefined, trials: HyperParameterTrainingJobSummary[]): Axis {
  const values = trials.map(of).filter((v) => v !== undefined);
  if (values.every((v) => !Number.isNaN(Number(v)))) {
    const numbers = values.map(Number);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return { name, ends: [short(low), short(high)], at: (t) => (of(t) === undefined ? undefined : high === low ? 0.5 : (Number(of(t)) - low) / (high - low)) };
  }
  const words = [...new Set(values.map(String))].sort();
  return { name, ends: [words[0]!, words.at(-1)!], at: (t) => (of(t) === undefined ? undefined : words.length === 1 ? 0.5 : words.indexOf(String(of(t))) / (words.length - 1)) };
}

export function Parallel({ trials, parameters, least, objective }: { trials: HyperParameterTrainingJobSummary[]; parameters: string[]; least: boolean; objective: string }) {
  const result = (t: HyperParameterTrainingJobSummary) => t.FinalHyperParameterTuningJobObjectiveMetric?.Value;
  const axes = [...parameters.map((p) => axis(p, (t) => t.TunedHyperParameters?.[p], trials)), axis(objective, result, trials)];
  const last = axes.at(-1)!;
  const x = (i: number) => 40 + (i * (WIDTH - 80)) / Math.max(axes.length - 1, 1);
  const y = (share: number) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  return (
    <figure className="chart">
      <figcaption>Hyperparameters and result</figcaption>
      {trials.length === 0 ? (
        <p className="chart-none" style={{ height: 120 }}>No trial has been measured yet.</p>
      ) : (
        <svg className="parallel" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${trials.length} trials through ${axes.map((a) => a.name).join(", ")}`}>
          {trials.map((t) => {
            const points = axes.map((a, i) => [x(i), a.at(t)] as const).filter((p): p is readonly [number, number] => p[1] !== undefined);
            const share = last.at(t) ?? 0;
            const good = least ? 1 - share : share;
            return (
              <polyline key={t.TrainingJobName} points={points.map(([px, py]) => `${px},${y(py)}`).join(" ")} style={{ opacity: 0.25 + 0.75 * good ** 2 }} className={good > 0.9 ? "good" : ""}>
                <title>{`${t.TrainingJobName}: ${short(result(t))}`}</title>
              </polyline>
            );
          })}
          {axes.map((a, i) => (
            <g key={a.name}>
              <line x1={x(i)} x2={x(i)} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text x={x(i)} y={12} textAnchor="middle" className="name">{a.name}</text>
              <text x={x(i) + 4} y={TOP + 10}>{a.ends[1]}</text>
              <text x={x(i) + 4} y={HEIGHT - BOTTOM - 2}>{a.ends[0]}</text>
            </g>
          ))}
        </svg>
      )}
    </figure>
  );
}
