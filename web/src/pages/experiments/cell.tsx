import { short } from "../../kit/chart";
import type { Value } from "./api";

/** A value, and how far it is from the baseline's. */
export function Cell({ value, base }: { value: Value | undefined; base: Value | undefined }) {
  if (value === undefined) return <span className="dim">–</span>;
  if (typeof value === "string") return <span title={value}>{value}</span>;
  const far = typeof base === "number" && base !== value ? (base === 0 ? value : (100 * (value - base)) / Math.abs(base)) : undefined;
  return (
    <>
      {short(value)}
      {far !== undefined && <small className="dim"> {far > 0 ? "+" : "−"}{short(Number(Math.abs(far).toPrecision(2)))}{base === 0 ? "" : " %"}</small>}
    </>
  );
}

export const kindOf = (column: string) => (column[0] === "m" ? "metric" : "parameter");
