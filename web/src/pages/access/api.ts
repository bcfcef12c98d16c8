/** Users and roles with every policy that decides for them, read by IAM's own operations. */
import {
  GetGroupPolicyCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  GetUserCommand,
  GetUserPolicyCommand,
  ListAttachedGroupPoliciesCommand,
  ListAttachedRolePoliciesCommand,
  ListAttachedUserPoliciesCommand,
  ListGroupPoliciesCommand,
  ListGroupsForUserCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
  ListUserPoliciesCommand,
  ListUsersCommand,
  type AttachedPolicy,
  type Role,
  type User,
} from "@aws-sdk/client-iam";

import { iam } from "../../kit/aws/iam";

export interface Statement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  NotResource?: string | string[];
  Principal?: unknown;
  Condition?: Record<string, Record<string, string | string[]>>;
}

export interface Policy {
  name: string;
  /** Set for managed policies. */
  arn?: string | undefined;
  /** "attached", "inline", or by which group it comes. */
  by: string;
  statements: Statement[];
}

export interface Principal {
  kind: "roles" | "users";
  about: Role | User;
  trust: Statement[];
  groups: string[];
  boundary?: Policy;
  policies: Policy[];
}

export const many = <T>(value: T | T[] | undefined): T[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

/** The statements of a document as IAM sends it: JSON, percent-encoded. */
export function statements(document: string | undefined): Statement[] {
  if (!document) return [];
  return many((JSON.parse(decodeURIComponent(document)) as { Statement?: Statement | Statement[] }).Statement);
}

/** All pages of a list of IAM's. */
async function all<T>(page: (Marker?: string) => Promise<{ found: T[] | undefined; Marker?: string | undefined }>): Promise<T[]> {
  const every: T[] = [];
  let marker: string | undefined;
  do {
    const { found, Marker } = await page(marker);
    every.push(...(found ?? []));
    marker = Marker;
  } while (marker);
  return every;
}

export async function managed(PolicyArn: string, by = "attached"): Promise<Policy> {
  const { Policy } = await iam().send(new GetPolicyCommand({ PolicyArn }));
  const { PolicyVersion } = await iam().send(new GetPolicyVersionCommand({ PolicyArn, VersionId: Policy!.DefaultVersionId! }));
  return { name: Policy!.PolicyName!, arn: PolicyArn, by, statements: statements(PolicyVersion!.Document) };
}

const attached = (list: AttachedPolicy[] | undefined, by?: string) => Promise.all((list ?? []).map((p) => managed(p.PolicyArn!, by)));

async function ofRole(RoleName: string): Promise<Principal> {
  const [{ Role }, a, inline] = await Promise.all([
    iam().send(new GetRoleCommand({ RoleName })),
    iam().send(new ListAttachedRolePoliciesCommand({ RoleName })),
    iam().send(new ListRolePoliciesCommand({ RoleName })),
  ]);
  const own = (inline.PolicyNames ?? []).map(async (PolicyName): Promise<Policy> => {
    const { PolicyDocument } = await iam().send(new GetRolePolicyCommand({ RoleName, PolicyName }));
    return { name: PolicyName, by: "inline", statements: statements(PolicyDocument) };
  });
  const limit = Role!.PermissionsBoundary?.PermissionsBoundaryArn;
  return {
    kind: "roles",
    about: Role!,
    trust: statements(Role!.AssumeRolePolicyDocument),
    groups: [],
    policies: [...(await attached(a.AttachedPolicies)), ...(await Promise.all(own))],
    ...(limit && { boundary: await managed(limit, "boundary") }),
  };
}

async function ofGroup(GroupName: string): Promise<Policy[]> {
  const by = `group ${GroupName}`;
  const [a, inline] = await Promise.all([iam().send(new ListAttachedGroupPoliciesCommand({ GroupName })), iam().send(new ListGroupPoliciesCommand({ GroupName }))]);
  const own = (inline.PolicyNames ?? []).map(async (PolicyName): Promise<Policy> => {
    const { PolicyDocument } = await iam().send(new GetGroupPolicyCommand({ GroupName, PolicyName }));
    return { name: PolicyName, by, statements: statements(PolicyDocument) };
  });
  return [...(await attached(a.AttachedPolicies, by)), ...(await Promise.all(own))];
}

async function ofUser(UserName: string): Promise<Principal> {
  const [{ User }, a, inline, { Groups }] = await Promise.all([
    iam().send(new GetUserCommand({ UserName })),
    iam().send(new ListAttachedUserPoliciesCommand({ UserName })),
    iam().send(new ListUserPoliciesCommand({ UserName })),
    iam().send(new ListGroupsForUserCommand({ UserName })),
  ]);
  const own = (inline.PolicyNames ?? []).map(async (PolicyName): Promise<Policy> => {
    const { PolicyDocument } = await iam().send(new GetUserPolicyCommand({ UserName, PolicyName }));
    return { name: PolicyName, by: "inline", statements: statements(PolicyDocument) };
  });
  const groups = (Groups ?? []).map((g) => g.GroupName!);
  const limit = User!.PermissionsBoundary?.PermissionsBoundaryArn;
  return {
    kind: "users",
    about: User!,
    trust: [],
    groups,
    policies: [...(await attached(a.AttachedPolicies)), ...(await Promise.all(own)), ...(await Promise.all(groups.map(ofGroup))).flat()],
    ...(limit && { boundary: await managed(limit, "boundary") }),
  };
}

export const principal = (kind: string, name: string) => (kind === "users" ? ofUser(name) : ofRole(name));

/** Everybody whom a policy can decide for, as far as one may list them. */
export async function principals(): Promise<{ found: { arn: string; name: string; kind: "roles" | "users" }[]; errors: unknown[] }> {
  const parts = await Promise.allSettled([
    all(async (Marker) => iam().send(new ListRolesCommand({ Marker })).then((p) => ({ found: p.Roles?.map((r) => ({ arn: r.Arn!, name: r.RoleName!, kind: "roles" as const })), Marker: p.Marker }))),
    all(async (Marker) => iam().send(new ListUsersCommand({ Marker })).then((p) => ({ found: p.Users?.map((u) => ({ arn: u.Arn!, name: u.UserName!, kind: "users" as const })), Marker: p.Marker }))),
  ]);
  return {
    found: parts.flatMap((p) => (p.status === "fulfilled" ? (p.value as { arn: string; name: string; kind: "roles" | "users" }[]) : [])),
    errors: parts.flatMap((p) => (p.status === "rejected" ? [p.reason] : [])),
  };
}

/** Whether a pattern of a policy covers a text; `?` and `*` as IAM reads them. */
export function covers(pattern: string, text: string, anyCase = false): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[\\s\\S]*").replaceAll("?", "[\\s\\S]");
  return new RegExp(`^${source}$`, anyCase ? "i" : "").test(text);
}

/** Whether a statement speaks about an action on a resource, its conditions aside. */
export function speaksOf({ Action, NotAction, Resource, NotResource }: Statement, action: string, resource: string): boolean {
  const acts = NotAction ? !many(NotAction).some((p) => covers(p, action, true)) : many(Action).some((p) => covers(p, action, true));
  const on = NotResource ? !many(NotResource).some((p) => covers(p, resource)) : many(Resource).some((p) => covers(p, resource));
  return acts && on;
}
