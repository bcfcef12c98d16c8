/** One member of a summary, as its kind in the model is read. */
import { Arn } from "../../kit/arn";
import { EXACT } from "../../kit/described";
import { S3Link } from "../../kit/s3-link";
import { Status } from "../../kit/status";
import { RelativeTime } from "../../kit/time";
import type { Kind } from "./api";

export function Cell({ value, kind }: { value: unknown; kind: Kind }) {
  if (value === undefined || value === null || value === "") return <>–</>;
  if (value instanceof Date) return <RelativeTime at={value} />;
  if (kind === "status") return <Status value={String(value)} />;
  if (kind === "flag") return <>{value ? "Yes" : "No"}</>;
  if (kind === "arn") return <Arn arn={String(value)} />;
  if (typeof value === "number") return <>{value.toLocaleString(undefined, EXACT)}</>;
  if (typeof value === "object") {
    const parts = Array.isArray(value) ? `${value.length} ${value.length === 1 ? "item" : "items"}` : Object.values(value).filter((v) => typeof v === "string").join(", ");
    return <span title={JSON.stringify(value)}>{parts || `${Object.keys(value).length} members`}</span>;
  }
  return typeof value === "string" && value.startsWith("s3://") ? <S3Link uri={value} /> : <>{String(value)}</>;
}
