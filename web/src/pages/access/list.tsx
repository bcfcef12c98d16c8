import { ListPoliciesCommand, ListRolesCommand, ListUsersCommand, type Policy, type Role, type User } from "@aws-sdk/client-iam";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { iam } from "../../kit/aws/iam";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { useView } from "../../kit/view";
import { Grant, useWatched } from "./grant";
import { policyHref } from "./statements";

const KINDS = [
  { id: "roles", text: "Roles" },
  { id: "users", text: "Users" },
  { id: "policies", text: "Policies" },
];

const trust = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}]}`;

export default function Access() {
  const [read, write] = useView();
  const show = read("show", "roles");
  const [error, watch] = useWatched();
  const page = (q: { MaxResults?: number; NextToken?: string }) => ({ MaxItems: q.MaxResults, Marker: q.NextToken });
  return (
    <SpaceBetween size="m">
      <SegmentedControl label="Show" selectedId={show} options={KINDS} onChange={({ detail }) => write({ show: detail.selectedId === "roles" ? undefined : detail.selectedId, page: undefined, token: undefined, selected: undefined })} />
      <Grant errors={[error]} />
      {show === "users" ? (
        <ResourceTable<User>
          key="users"
          kinds={["User"]}
          title="Users"
          noun="user"
          description="People and programs with keys of their own."
          filter={false}
          list={watch(async (q, abortSignal) => iam().send(new ListUsersCommand(page(q)), { abortSignal }).then((p) => ({ items: p.Users, next: p.Marker })))}
          id={(u) => u.UserName!}
          columns={[
            { id: "name", header: "Name", width: 320, cell: (u) => <NameLink href={`/access/users/${encodeURIComponent(u.UserName!)}`}>{u.UserName}</NameLink> },
            { id: "path", header: "Path", width: 140, cell: (u) => u.Path },
            { id: "created", header: "Created", width: 180, cell: (u) => <RelativeTime at={u.CreateDate} /> },
            { id: "arn", header: "ARN", hidden: true, cell: (u) => u.Arn },
          ]}
          code={(q) => ({ calls: [{ service: "iam", operation: "ListUsers", input: page(q) }] })}
          teach={{ text: "A user has access keys, and the rights of its own policies and of its groups.", code: `import boto3\n\nboto3.client("iam").create_user(UserName="ana")` }}
        />
      ) : show === "policies" ? (
        <ResourceTable<Policy>
          key="policies"
          kinds={["Policy"]}
          title="Policies"
          noun="policy"
          description="Rights that can be attached to roles, users and groups."
          filter={false}
          list={watch(async (q, abortSignal) => iam().send(new ListPoliciesCommand(page(q)), { abortSignal }).then((p) => ({ items: p.Policies, next: p.Marker })))}
          id={(p) => p.PolicyName!}
          columns={[
            { id: "name", header: "Name", width: 360, cell: (p) => <NameLink href={policyHref(p.Arn!)}>{p.PolicyName}</NameLink> },
            { id: "whose", header: "Whose", width: 160, cell: (p) => (p.Arn!.includes(":aws:policy/") ? "Comes with Sagewright" : "Yours") },
            { id: "used", header: "Attached to", width: 140, cell: (p) => p.AttachmentCount ?? 0 },
            { id: "arn", header: "ARN", hidden: true, cell: (p) => p.Arn },
          ]}
          code={(q) => ({ calls: [{ service: "iam", operation: "ListPolicies", input: page(q) }] })}
          teach={{ text: "A policy says which actions are allowed or denied on which resources.", code: `import boto3\n\nboto3.client("iam").list_policies()` }}
        />
      ) : (
        <ResourceTable<Role>
          key="roles"
          kinds={["Role"]}
          title="Roles"
          noun="role"
          description="What jobs, endpoints and profiles of Studio act as."
          filter={false}
          list={watch(async (q, abortSignal) => iam().send(new ListRolesCommand(page(q)), { abortSignal }).then((p) => ({ items: p.Roles, next: p.Marker })))}
          id={(r) => r.RoleName!}
          columns={[
            { id: "name", header: "Name", width: 320, cell: (r) => <NameLink href={`/access/roles/${encodeURIComponent(r.RoleName!)}`}>{r.RoleName}</NameLink> },
            { id: "about", header: "Description", width: 480, cell: (r) => r.Description ?? "–" },
            { id: "created", header: "Created", width: 180, cell: (r) => <RelativeTime at={r.CreateDate} /> },
            { id: "arn", header: "ARN", hidden: true, cell: (r) => r.Arn },
          ]}
          code={(q) => ({ calls: [{ service: "iam", operation: "ListRoles", input: page(q) }] })}
          teach={{ text: "A role has policies, and says who may take it on.", code: `import boto3\n\nboto3.client("iam").create_role(RoleName="Trainer", AssumeRolePolicyDocument='${trust}')` }}
        />
      )}
    </SpaceBetween>
  );
}
