/** EventBridge Scheduler, as far as pages need it: a service of paths, for which no client of the SDK is carried. */
import { unique } from "../unique";
import { ask } from "./any";

export interface Schedule {
  Name: string;
  GroupName: string;
  Arn: string;
  State: "ENABLED" | "DISABLED";
  ScheduleExpression: string;
  ScheduleExpressionTimezone: string;
  FlexibleTimeWindow: { Mode: string; MaximumWindowInMinutes?: number };
  Target: { Arn: string; RoleArn: string; Input?: string };
  ActionAfterCompletion?: string;
  Description?: string;
  /** Epoch seconds, as all times here. */
  StartDate?: number;
  EndDate?: number;
  CreationDate: number;
  LastModificationDate: number;
}

export type Summary = Pick<Schedule, "Name" | "GroupName" | "Arn" | "State" | "CreationDate" | "LastModificationDate"> & { Target: { Arn: string } };
export type NewSchedule = Pick<Schedule, "Name" | "ScheduleExpression" | "ScheduleExpressionTimezone" | "FlexibleTimeWindow" | "Target"> & Partial<Schedule>;

const at = (name: string) => `/schedules/${encodeURIComponent(name)}`;
const json = { "content-type": "application/json" };

export async function listSchedules(query: { NamePrefix?: string; State?: string; MaxResults?: string; NextToken?: string }, signal?: AbortSignal) {
  const given = Object.fromEntries(Object.entries(query).filter(([, v]) => v));
  return (await (await ask("scheduler", { method: "GET", path: "/schedules", query: given }, signal)).json()) as { Schedules: Summary[]; NextToken?: string };
}

export async function getSchedule(group: string, name: string, signal?: AbortSignal): Promise<Schedule> {
  return (await (await ask("scheduler", { method: "GET", path: at(name), query: { groupName: group } }, signal)).json()) as Schedule;
}

export async function createSchedule({ Name, ...rest }: NewSchedule): Promise<void> {
  await ask("scheduler", { method: "POST", path: at(Name), headers: json, body: JSON.stringify({ ...rest, ClientToken: unique() }) });
}

export async function deleteSchedule(group: string, name: string): Promise<void> {
  await ask("scheduler", { method: "DELETE", path: at(name), query: { groupName: group, clientToken: unique() } });
}

/** What UpdateSchedule is asked for, of what GetSchedule said: it replaces the whole. */
export function asked({ Arn: _a, CreationDate: _c, LastModificationDate: _m, ...kept }: Schedule) {
  return kept;
}

export type Change = ReturnType<typeof asked>;

export async function updateSchedule({ Name, ...rest }: Change): Promise<void> {
  await ask("scheduler", { method: "PUT", path: at(Name), headers: json, body: JSON.stringify({ ...rest, ClientToken: unique() }) });
}

/** Pause or resume. */
export async function turn(group: string, name: string, State: Schedule["State"]): Promise<void> {
  await updateSchedule({ ...asked(await getSchedule(group, name)), State });
}
