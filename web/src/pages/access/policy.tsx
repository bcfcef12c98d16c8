/** A managed policy, and whom it is attached to. */
import { ListEntitiesForPolicyCommand } from "@aws-sdk/client-iam";
import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { Link } from "react-router";

import { iam } from "../../kit/aws/iam";
import { Copied, DetailPage } from "../../kit/detail";
import { useLoad } from "../../kit/load";
import { useView } from "../../kit/view";
import { managed, type Policy } from "./api";
import { PolicyCard } from "./statements";

type Whole = Policy & { users: string[]; roles: string[]; groups: string[] };

export default function ManagedPolicy() {
  const [read] = useView();
  const arn = read("arn");
  const loaded = useLoad(async (): Promise<Whole> => {
    const [policy, of] = await Promise.all([managed(arn, arn), iam().send(new ListEntitiesForPolicyCommand({ PolicyArn: arn }))]);
    return {
      ...policy,
      roles: (of.PolicyRoles ?? []).map((r) => r.RoleName!),
      users: (of.PolicyUsers ?? []).map((u) => u.UserName!),
      groups: (of.PolicyGroups ?? []).map((g) => g.GroupName!),
    };
  }, arn);
  return (
    <DetailPage<Whole>
      name={arn.split("/").pop() ?? arn}
      parent={{ text: "Policies", href: "/access?show=policies" }}
      loaded={loaded}
      tabs={(p) => [
        {
          id: "says",
          label: "What it says",
          content: (
            <SpaceBetween size="l">
              <Copied text={arn} what="the ARN" />
              <PolicyCard policy={{ name: p.name, by: `${p.statements.length} ${p.statements.length === 1 ? "statement" : "statements"}`, statements: p.statements }} />
            </SpaceBetween>
          ),
        },
        {
          id: "whom",
          label: "Attached to",
          content:
            p.roles.length + p.users.length + p.groups.length === 0 ? (
              <Box color="text-body-secondary">Nobody: it decides nothing.</Box>
            ) : (
              <SpaceBetween size="xs">
                {p.roles.map((n) => <Link key={n} className="name-link" to={`/access/roles/${encodeURIComponent(n)}`}>Role {n}</Link>)}
                {p.users.map((n) => <Link key={n} className="name-link" to={`/access/users/${encodeURIComponent(n)}`}>User {n}</Link>)}
                {p.groups.map((n) => <span key={n}>Group {n}</span>)}
              </SpaceBetween>
            ),
        },
      ]}
      code={() => ({ calls: [{ service: "iam", operation: "GetPolicy", input: { PolicyArn: arn } }, { service: "iam", operation: "ListEntitiesForPolicy", input: { PolicyArn: arn } }] })}
    />
  );
}
