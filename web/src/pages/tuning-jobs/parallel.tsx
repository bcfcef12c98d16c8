/**
 * Each trial as a line through its hyperparameters to its result, coloured by its place among them. The pointer shows the nearest line;
 * it is also a list box: arrows go from the best trial to the worst, Enter opens its training job.
 */
import { useEffect, useId, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { useNavigate } from "react-router";

import { short } from "../../kit/chart";
import { number, trainingHref, value, type Trial } from "./api";
import type { Axis } from "./space";

const [WIDTH, HEIGHT, TOP, BOTTOM, SIDE] = [1000, 300, 44, 16, 60];
/** How far from a line, in the drawing's units, the pointer still means it. */
const NEAR = 14;

interface Line {
  trial: Trial;
  points: { x: number; y: number }[];
  /** From 0, for the best. */
  rank: number;
  /** 1 for the best, 0 for the worst. */
  place: number;
}

export interface ParallelProps {
  /** Measured ones, best first. */
  trials: readonly Trial[];
  axes: readonly Axis[];
  objective: string;
  chosen: string;
  choose: (name: string | undefined) => void;
}

/** Where a line is at `x`; undefined beside it. */
function heightAt({ points }: Line, x: number): number | undefined {
  const i = points.findIndex((p) => p.x >= x);
  if (i === 0 && points[0]!.x - x < NEAR) return points[0]!.y;
  if (i <= 0) return undefined;
  const [a, b] = [points[i - 1]!, points[i]!];
  return a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const said = (t: Trial, objective: string) => `trial ${number(t)}: ${objective} ${short(value(t))}, ${Object.entries(t.TunedHyperParameters ?? {}).map(([k, v]) => `${k} ${v}`).join(", ")}`;

export function Parallel({ trials, axes, objective, chosen, choose }: ParallelProps) {
  const navigate = useNavigate();
  const id = useId();
  const [under, setUnder] = useState<string>();
  const x = (i: number) => SIDE + (i * (WIDTH - 2 * SIDE)) / Math.max(axes.length - 1, 1);
  const y = (share: number) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
  const lines: Line[] = trials.map((trial, rank) => ({
    trial,
    rank,
    place: trials.length === 1 ? 1 : 1 - rank / (trials.length - 1),
    points: axes.flatMap((a, i) => {
      const at = a.at(trial);
      return at === undefined ? [] : [{ x: x(i), y: y(at) }];
    }),
  }));
  const at = trials.findIndex((t) => t.TrainingJobName === chosen);
  const lit = under ?? (chosen || undefined);

  const point = (event: PointerEvent<SVGSVGElement>): string | undefined => {
    const box = event.currentTarget.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) * WIDTH) / box.width, ((event.clientY - box.top) * HEIGHT) / box.height];
    let nearest: { name: string | undefined; far: number } = { name: undefined, far: NEAR };
    for (const line of lines) {
      const far = Math.abs((heightAt(line, px) ?? Infinity) - py);
      if (far < nearest.far) nearest = { name: line.trial.TrainingJobName, far };
    }
    return nearest.name;
  };
  // a key that is held is quicker than the address, which says what is chosen
  const reached = useRef(at);
  useEffect(() => {
    reached.current = at;
  }, [at]);
  const press = (event: KeyboardEvent) => {
    const from = reached.current;
    const steps: Record<string, number> = { ArrowDown: from + 1, ArrowRight: from + 1, ArrowUp: from - 1, ArrowLeft: from - 1, Home: 0, End: trials.length - 1 };
    if (event.key === "Enter" && chosen) void navigate(trainingHref(chosen));
    else if (event.key === "Escape") choose(undefined);
    else if (event.key in steps) {
      reached.current = Math.min(trials.length - 1, Math.max(0, steps[event.key]!));
      choose(trials[reached.current]!.TrainingJobName);
    } else return;
    event.preventDefault();
  };
  // the best are drawn last, over the others, and what is looked at over all
  const drawn = [...lines].reverse().sort((a, b) => Number(a.trial.TrainingJobName === lit) - Number(b.trial.TrainingJobName === lit));
  return (
    <figure className="chart">
      <figcaption>Hyperparameters and result, a line a trial</figcaption>
      {trials.length === 0 ? (
        <p className="chart-none">No trial has been measured yet.</p>
      ) : (
        <>
          <div className="parallel-box">
            <svg
              className={lit ? "parallel lit" : "parallel"}
              viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
              role="listbox"
              tabIndex={0}
              aria-label={`Trials, best first, through ${axes.map((a) => a.name).join(", ")}`}
              {...(at >= 0 && { "aria-activedescendant": `${id}-${at}` })}
              onKeyDown={press}
              onPointerMove={(e) => setUnder(point(e))}
              onPointerLeave={() => setUnder(undefined)}
              onClick={(e) => choose(point(e as unknown as PointerEvent<SVGSVGElement>))}
            >
              {drawn.map((l) => (
                <polyline
                  key={l.trial.TrainingJobName}
                  id={`${id}-${l.rank}`}
                  role="option"
                  aria-selected={l.trial.TrainingJobName === chosen}
                  aria-label={said(l.trial, objective)}
                  className={l.trial.TrainingJobName === lit ? "now" : ""}
                  points={l.points.map((p) => `${p.x.toFixed(1)},${p.y.toFixed(1)}`).join(" ")}
                  style={{ stroke: `color-mix(in oklab, var(--sage-good) ${Math.round(l.place * 100)}%, var(--sage-poor))` }}
                />
              ))}
              <g aria-hidden="true">
                {axes.map((a, i) => (
                  <AxisLine key={a.name} axis={a} x={x(i)} y={y} last={i === axes.length - 1} room={Math.floor((WIDTH - 2 * SIDE) / Math.max(axes.length - 1, 1) / 7)} />
                ))}
              </g>
            </svg>
          </div>
          <Legend trials={trials} objective={objective} lit={trials.find((t) => t.TrainingJobName === lit)} />
        </>
      )}
    </figure>
  );
}

function AxisLine({ axis: a, x, y, last, room }: { axis: Axis; x: number; y: (share: number) => number; last: boolean; room: number }) {
  return (
    <g className={last ? "axis objective" : "axis"}>
      <line x1={x} x2={x} y1={y(0)} y2={y(1)} />
      <text x={x} y={14} textAnchor="middle" className="name">
        {cut(a.name, Math.max(6, room))}
        <title>{a.name}</title>
      </text>
      {a.scale && <text x={x} y={28} textAnchor="middle">{a.scale}</text>}
      {a.ticks.map((t) => (
        <g key={t.label + t.at}>
          <line x1={x - 4} x2={x} y1={y(t.at)} y2={y(t.at)} />
          <text className="tick" x={x - 8} y={y(t.at) + 4} textAnchor="end">{cut(t.label, Math.max(5, room - 3))}</text>
        </g>
      ))}
    </g>
  );
}

/** What the colours mean, and the trial that is looked at. */
function Legend({ trials, objective, lit }: { trials: readonly Trial[]; objective: string; lit: Trial | undefined }) {
  return (
    <div className="parallel-legend">
      <span className="places">
        best {short(value(trials[0]!))} <i /> {short(value(trials.at(-1)!))} poorest
      </span>
      <span className="dim">
        {lit ? (
          <>
            <b>Trial {number(lit)}</b>, {objective} <b>{short(value(lit))}</b>, place {trials.indexOf(lit) + 1} of {trials.length}
            {Object.entries(lit.TunedHyperParameters ?? {}).map(([k, v]) => ` · ${k} ${Number.isFinite(Number(v)) ? short(Number(v)) : v}`)}
          </>
        ) : (
          "Point at a line, or use the arrow keys here; a click or Enter goes on from there."
        )}
      </span>
    </div>
  );
}
