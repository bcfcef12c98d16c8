import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

const TYPES: [RegExp, StatusIndicatorProps.Type][] = [
  [/^(Completed|InService|Succeeded|Active|Created|Approved|Started|Running|Enabled|Issued|READY|OK)$/i, "success"],
  [/Fail|Error|RollbackFailed|Rejected|OutOfService|ALARM/i, "error"],
  [/^(Stopped|Off|Disabled|Inactive|Deleted)$/i, "stopped"],
  [/^Pending|Waiting|Queued|INSUFFICIENT_DATA/i, "pending"],
  [/ing$|InProgress|Rollback/i, "in-progress"],
];

/** "InService" as people read it; what is all capitals, as "GB", stays. */
export const words = (status: string) => status.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/ (\w)(?![A-Z])/g, (_, c: string) => ` ${c.toLowerCase()}`);

/** A member's name as a label: "RoleArn" is "Role ARN". */
export const label = (member: string) => words(member).replace(/\b(arn|uri|url|id|uid|vpc|kms|iam|efs)(s?)\b/gi, (_, short: string, several: string) => short.toUpperCase() + several).replace("Hyper parameter", "Hyperparameter");

export function Status({ value }: { value: string | undefined }) {
  if (!value) return <>–</>;
  return <StatusIndicator type={TYPES.find(([p]) => p.test(value))?.[1] ?? "info"}>{words(value)}</StatusIndicator>;
}

/** Whether a thing of this status may still change by itself. */
export const moving = (status: string | undefined) => !!status && /ing$|InProgress|^Pending/i.test(status);
