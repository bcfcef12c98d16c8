/** Spaces with the app that runs in each, JupyterLab or a code editor, as the pages need them. */
import {
  CreateAppCommand, CreatePresignedDomainUrlCommand, DeleteAppCommand, DescribeAppCommand, DescribeSpaceCommand, ListAppsCommand, ListSpacesCommand,
  ListStudioLifecycleConfigsCommand, type AppDetails, type CreateSpaceRequest, type DescribeAppResponse, type DescribeSpaceResponse, type ListSpacesCommandInput, type SpaceDetails,
} from "@aws-sdk/client-sagemaker";

import { sagemaker } from "../../kit/aws/sagemaker";
import { here } from "../../kit/clients";
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

/** The apps of spaces; what says nothing is of the first. */
export const APPS = {
  JupyterLab: { name: "JupyterLab", settings: "JupyterLabAppSettings", ends: "Kernels end, and with them what is in their memory. Files in the home stay." },
  CodeEditor: { name: "Code Editor", settings: "CodeEditorAppSettings", ends: "Terminals and what runs in them end. Files in the home stay as they were saved." },
} as const;
export type Type = keyof typeof APPS;

const known = (given: string | undefined): Type => (given === "CodeEditor" ? given : "JupyterLab");
/** Of a space as the list has it, and as its description has it. */
export const typeOf = (space: { SpaceSettingsSummary?: { AppType?: string | undefined } | undefined; SpaceSettings?: { AppType?: string | undefined } | undefined }) =>
  known(space.SpaceSettings?.AppType ?? space.SpaceSettingsSummary?.AppType);

/** What a space's app is called. */
export const app = (DomainId: string, SpaceName: string, AppType: Type) => ({ DomainId, SpaceName, AppType, AppName: "default" });

export const isPrivate = (s: SpaceDetails) => s.SpaceSharingSettingsSummary?.SharingType === "Private";
const shown = (s: SpaceDetails, who: Who) => !isPrivate(s) || s.OwnershipSettingsSummary?.OwnerUserProfileName === who.UserProfileName;

const STATES: Record<string, string> = { Pending: "Starting", InService: "Running", Deleting: "Stopping", Failed: "Failed", Deleted: "Stopped" };

/** One word for both: the space's own trouble, or what its app does. */
export function state(space: string | undefined, running: string | undefined): string {
  if (space !== "InService" && space !== undefined) return space;
  return running ? (STATES[running] ?? running) : "Stopped";
}
export const stateOf = (s: Space) => state(s.Status, s.app?.Status);

/** Space and type → the app, for a whole domain. */
async function running(DomainIdEquals: string, abortSignal?: AbortSignal): Promise<Map<string, AppDetails>> {
  const found = new Map<string, AppDetails>();
  let NextToken: string | undefined;
  do {
    const page = await sagemaker().send(new ListAppsCommand({ DomainIdEquals, MaxResults: 100, NextToken }), { ...(abortSignal && { abortSignal }) });
    for (const a of page.Apps ?? []) if (a.SpaceName && a.AppName === "default") found.set(`${a.SpaceName}/${a.AppType}`, a);
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
  return { items: items.map((s): Space => ({ ...s, app: apps.get(`${s.SpaceName}/${typeOf(s)}`) })), next };
}

export interface Described {
  space: DescribeSpaceResponse;
  /** None where it was never started, or not for a day. */
  app: DescribeAppResponse | undefined;
}

export async function describe(DomainId: string, SpaceName: string, abortSignal: AbortSignal): Promise<Described> {
  const space = await sagemaker().send(new DescribeSpaceCommand({ DomainId, SpaceName }), { abortSignal });
  const running = await sagemaker()
    .send(new DescribeAppCommand(app(DomainId, SpaceName, typeOf(space))), { abortSignal })
    .catch((error: Error) => {
      if (error.name === "ResourceNotFound") return undefined;
      throw error;
    });
  return { space, app: running };
}

export const start = (domain: string, space: string, type: Type) => sagemaker().send(new CreateAppCommand(app(domain, space, type)));
export const stop = (domain: string, space: string, type: Type) => sagemaker().send(new DeleteAppCommand(app(domain, space, type)));
/** A failed app keeps its place until it is deleted or made anew. */
export const living = (status: string | undefined) => status === "Pending" || status === "InService" || status === "Failed";

const opening = (who: Who, SpaceName: string, type: Type) => ({ DomainId: who.DomainId, UserProfileName: who.UserProfileName, SpaceName, LandingUri: `app:${type}:` });
export const open = async (who: Who, space: string, type: Type) => (await sagemaker().send(new CreatePresignedDomainUrlCommand(opening(who, space, type)))).AuthorizedUrl;

/** What makes a space work, in order. */
export function calls(who: Who, create: Pick<CreateSpaceRequest, "SpaceName" | "SpaceSettings">): Call[] {
  const [name, type] = [create.SpaceName ?? "", typeOf(create)];
  const made = app(who.DomainId, name, type);
  return [
    // an app wants its space to be there, a link an app that runs
    {
      service: "sagemaker", operation: "CreateSpace", input: create,
      whilst: { operation: "DescribeSpace", input: { DomainId: who.DomainId, SpaceName: name }, status: "Pending" },
    },
    { service: "sagemaker", operation: "CreateApp", input: made, whilst: { operation: "DescribeApp", input: made, status: "Pending" } },
    { service: "sagemaker", operation: "CreatePresignedDomainUrl", input: opening(who, name, type) },
  ];
}

/** Scripts that may run when such an app starts, the newest first. */
export async function scripts(AppTypeEquals: Type, abortSignal: AbortSignal) {
  const page = await sagemaker().send(new ListStudioLifecycleConfigsCommand({ AppTypeEquals, SortBy: "CreationTime", SortOrder: "Descending", MaxResults: 100 }), { abortSignal });
  return page.StudioLifecycleConfigs ?? [];
}

export async function find(text: string): Promise<Hit[]> {
  const { Spaces } = await sagemaker().send(new ListSpacesCommand({ DomainIdEquals: here().DomainId, SpaceNameContains: text, MaxResults: 5 }));
  return (Spaces ?? []).map((s) => ({ kind: "Workspace", name: s.SpaceName!, href: href(s.SpaceName!), status: s.Status }));
}
