/** A role or a user: what it may do, statement by statement, and who may take it on. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useNavigate, useParams } from "react-router";

import { Arn } from "../../kit/arn";
import { DetailPage, Facts } from "../../kit/detail";
import { useLoad } from "../../kit/load";
import { RelativeTime } from "../../kit/time";
import { NotFound } from "../../shell/faults";
import { principal, type Principal } from "./api";
import { Grant } from "./grant";
import { PolicyCard } from "./statements";

export default function Entity() {
  const { kind = "", name = "" } = useParams();
  if (kind !== "roles" && kind !== "users") return <NotFound />;
  return <Of key={`${kind}/${name}`} kind={kind} name={name} />;
}

function Of({ kind, name }: { kind: "roles" | "users"; name: string }) {
  const navigate = useNavigate();
  const loaded = useLoad(() => principal(kind, name), [kind, name]);
  return (
    <SpaceBetween size="m">
    <Grant errors={[loaded.error]} />
    <DetailPage<Principal>
      name={name}
      parent={{ text: kind === "roles" ? "Roles" : "Users", href: kind === "roles" ? "/access" : "/access?show=users" }}
      loaded={loaded}
      actions={({ about }) => <Button onClick={() => void navigate(`/access/explain?principal=${encodeURIComponent(about.Arn!)}`)}>Explain a denial</Button>}
      tabs={({ about, policies, boundary, trust, groups }) => [
        {
          id: "may",
          label: "What it may do",
          content: (
            <SpaceBetween size="l">
              <Facts of={{ ARN: <Arn arn={about.Arn} />, Created: <RelativeTime at={about.CreateDate} />, Groups: groups.join(", "), Description: "Description" in about ? about.Description : undefined, "Longest session": "MaxSessionDuration" in about && about.MaxSessionDuration ? `${about.MaxSessionDuration / 3600} h` : undefined }} />
              {policies.length === 0 && <Box color="text-body-secondary">It has no policy: it may do nothing.</Box>}
              {policies.map((p) => <PolicyCard key={`${p.by} ${p.name}`} policy={p} />)}
              {boundary && <PolicyCard policy={{ ...boundary, by: "boundary: the most it may ever do" }} />}
            </SpaceBetween>
          ),
        },
        ...(kind === "roles" ? [{ id: "trust", label: "Who may take it on", content: <PolicyCard policy={{ name: "Trust policy", by: "of the role", statements: trust }} /> }] : []),
      ]}
      code={() => ({
        calls: kind === "roles"
          ? [
              { service: "iam", operation: "GetRole", input: { RoleName: name } },
              { service: "iam", operation: "ListAttachedRolePolicies", input: { RoleName: name } },
              { service: "iam", operation: "ListRolePolicies", input: { RoleName: name } },
            ]
          : [
              { service: "iam", operation: "GetUser", input: { UserName: name } },
              { service: "iam", operation: "ListAttachedUserPolicies", input: { UserName: name } },
              { service: "iam", operation: "ListGroupsForUser", input: { UserName: name } },
            ],
      })}
    />
    </SpaceBetween>
  );
}
