/** Spaces with the JupyterLab that runs in each, as the pages need them. */
import {
  CreateAppCommand, CreatePresignedDomainUrlCommand, DeleteAppCommand, DescribeAppCommand, DescribeSpaceCommand, ListAppsCommand, ListSpacesCommand,
  ListStudioLifecycleConfigsCommand, type AppDetails, type DescribeAppResponse, type DescribeSpaceResponse, type ListSpacesCommandInput, type SpaceDetails,
} from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import type { Call } from "../../kit/code";
import type { Hit } from "../../kit/page";
import type { Session } from "../../kit/server";

type Who = Pick<Session, "DomainId" | "UserProfileName">;

export const KINDS = ["Space", "App"];
export const LOGS = "/aws/sagemaker/studio";
export const INSTANCES = ["ml.t3.medium", "ml.t3.large", "ml.m5.large", "ml.m5.xlarge", "ml.c5.2xlarge", "ml.g5.xlarge"];
export const href = (name: string) => `/workspaces/${encodeURIComponent(name)}`;

export interface Space extends SpaceDetails {
  app?: AppDetails | undefined;
}

/** What a space's JupyterLab is called. */
export const app = (DomainId: string, SpaceName: string) => ({ DomainId, SpaceName, AppType: "JupyterLab" as const, AppName: "default" });

export const isPrivate = (s: SpaceDetails) => s.SpaceSharingSettingsSummary?.SharingType === "Private";
const shown = (s: SpaceDetails, who: Who) => !isPrivate(s) || s.OwnershipSettingsSummary?.OwnerUserProfileName === who.UserProfileName;

const STATES: Record<string, string> = { Pending: "Starting", InService: "Running", Deleting: "Stopping", Failed: "Failed", Deleted: "Stopped" };

/** One word for both: the space's own trouble, or what its JupyterLab does. */
export function state(space: string | undefined, running: string | undefined): string {
  if (space !== "InService" && space !== undefined) return space;
  return running ? (STATES[running] ?? running) : "Stopped";
}
export const stateOf = (s: Space) => state(s.Status, s.app?.Status);

/** Space → its app, for a whole domain. */
async function running(DomainIdEquals: string, abortSignal?: AbortSignal): Promise<Map<string, AppDetails>> {
  const found = new Map<string, AppDetails>();
  let NextToken: string | undefined;
  do {
    const page = await sagemaker().send(new ListAppsCommand({ DomainIdEquals, MaxResults: 100, NextToken }), { ...(abortSignal && { abortSignal }) });
    for (const a of page.Apps ?? []) if (a.SpaceName && a.AppType === "JupyterLab") found.set(a.SpaceName, a);
    NextToken = page.NextToken;
  } while (NextToken);
  return found;
}

/** As many spaces as a page has, or a few more: those that are another's alone are left out after the server has paged. */
async function spaces(who: Who, all: boolean, query: ListSpacesCommandInput, abortSignal?: AbortSignal) {
  const items: SpaceDetails[] = [];
  let next = query.NextToken;
  do {
    const page = await sagemaker().send(new ListSpacesCommand({ ...query, DomainIdEquals: who.DomainId, NextToken: next }), { ...(abortSignal && { abortSignal }) });
    items.push(...(page.Spaces ?? []).filter((s) => all || shown(s, who)));
    next = page.NextToken;
  } while (next && items.length < (query.MaxResults ?? 1));
  return { items, next };
}

/** A page of the spaces that a profile works in, its own and those that are shared; or of all. */
export async function list(who: Who, all: boolean, query: ListSpacesCommandInput, abortSignal?: AbortSignal) {
  const [{ items, next }, apps] = await Promise.all([spaces(who, all, query, abortSignal), running(who.DomainId, abortSignal)]);
  return { items: items.map((s): Space => ({ ...s, app: apps.get(s.SpaceName!) })), next };
}

export interface Described {
  space: DescribeSpaceResponse;
  /** None where it was never started, or not for a day. */
  app: DescribeAppResponse | undefined;
}

export async function describe(DomainId: string, SpaceName: string, abortSignal: AbortSignal): Promise<Described> {
  const [space, running] = await Promise.all([
    sagemaker().send(new DescribeSpaceCommand({ DomainId, SpaceName }), { abortSignal }),
    sagemaker()
      .send(new DescribeAppCommand(app(DomainId, SpaceName)), { abortSignal })
      .catch((error: Error) => {
        if (error.name === "ResourceNotFound") return undefined;
        throw error;
      }),
  ]);
  return { space, app: running };
}

export const start = (domain: string, space: string) => sagemaker().send(new CreateAppCommand(app(domain, space)));
export const stop = (domain: string, space: string) => sagemaker().send(new DeleteAppCommand(app(domain, space)));
/** A failed app keeps its place until it is deleted or made anew. */
export const living = (status: string | undefined) => status === "Pending" || status === "InService" || status === "Failed";

const opening = (who: Who, SpaceName: string) => ({ DomainId: who.DomainId, UserProfileName: who.UserProfileName, SpaceName, LandingUri: "app:JupyterLab:" });
export const open = async (who: Who, space: string) => (await sagemaker().send(new CreatePresignedDomainUrlCommand(opening(who, space)))).AuthorizedUrl;

/** What makes a space work, in order. */
export const calls = (who: Who, create: { SpaceName?: string | undefined }): Call[] => [
  { service: "sagemaker", operation: "CreateSpace", input: create },
  {
    service: "sagemaker",
    operation: "CreateApp",
    input: app(who.DomainId, create.SpaceName ?? ""),
    // a link leads only into what runs
    whilst: { operation: "DescribeApp", input: app(who.DomainId, create.SpaceName ?? ""), status: "Pending" },
  },
  { service: "sagemaker", operation: "CreatePresignedDomainUrl", input: opening(who, create.SpaceName ?? "") },
];

/** Scripts that may run when JupyterLab starts, the newest first. */
export async function scripts(abortSignal: AbortSignal) {
  const page = await sagemaker().send(new ListStudioLifecycleConfigsCommand({ AppTypeEquals: "JupyterLab", SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 100 }), { abortSignal });
  return page.StudioLifecycleConfigs ?? [];
}

export async function find(text: string): Promise<Hit[]> {
  const { Spaces } = await sagemaker().send(new ListSpacesCommand({ SpaceNameContains: text, MaxResults: 5 }));
  return (Spaces ?? []).map((s) => ({ kind: "Workspace", name: s.SpaceName!, href: href(s.SpaceName!), status: s.Status }));
}
