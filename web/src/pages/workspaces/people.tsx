/** Who signs in to Studio: user profiles of the domain, each with the role that it works with. */
import "./workspaces.css";

import { CreatePresignedDomainUrlCommand, DeleteUserProfileCommand, DescribeUserProfileCommand, ListUserProfilesCommand, type UserProfileDetails, type UserProfileSortKey } from "@aws-sdk/client-sagemaker";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { useState } from "react";
import { useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Each } from "../../kit/each";
import { Described, picked } from "../../kit/described";
import { Copied } from "../../kit/detail";
import { ErrorPanel, told } from "../../kit/errors";
import { useSession } from "../../kit/session";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

export const href = (name: string) => `/people/${encodeURIComponent(name)}`;
const teach = (domain: string, role: string) => `import boto3

boto3.client("sagemaker").create_user_profile(
    DomainId="${domain}", UserProfileName="ada",
    UserSettings={"ExecutionRole": "${role}"},
)`;

export function List() {
  const { who } = useSession();
  const domain = who.DomainId;
  return (
    <ResourceTable<UserProfileDetails, UserProfileSortKey>
      kinds={["UserProfile"]}
      title="People"
      noun="user profile"
      description={`User profiles of the domain ${who.DomainName}: each signs in to Studio and works with a role of its own.`}
      list={async ({ NameContains, ...query }, abortSignal) => {
        const page = await sagemaker().send(new ListUserProfilesCommand({ DomainIdEquals: domain, ...query, UserProfileNameContains: NameContains }), { abortSignal });
        return { items: page.UserProfiles, next: page.NextToken };
      }}
      id={(p) => p.UserProfileName!}
      sort="CreationTime"
      create={{ label: "Add somebody", href: "/people/create" }}
      columns={[
        { id: "name", header: "Profile", width: 300, cell: (p) => <NameLink href={href(p.UserProfileName!)}>{p.UserProfileName}</NameLink> },
        { id: "you", header: "Who", width: 130, cell: (p) => (p.UserProfileName === who.UserProfileName ? "This is you" : "–") },
        { id: "status", header: "Status", width: 160, cell: (p) => <Status value={p.Status} /> },
        { id: "created", header: "Added", sort: "CreationTime", width: 180, cell: (p) => <RelativeTime at={p.CreationTime} /> },
        { id: "modified", header: "Last change", sort: "LastModifiedTime", width: 180, cell: (p) => <RelativeTime at={p.LastModifiedTime} /> },
      ]}
      actions={(chosen, done) => (
        <Each
          label="Delete"
          noun="profile"
          chosen={chosen}
          name={(p) => p.UserProfileName!}
          may={(p) => !moving(p.Status) && p.UserProfileName !== who.UserProfileName}
          run={({ UserProfileName }) => sagemaker().send(new DeleteUserProfileCommand({ DomainId: domain, UserProfileName }))}
          said="Deleted: its sessions and their keys have ended."
          done={done}
        >
          Their sessions end at once. Workspaces that they own have to be deleted first.
        </Each>
      )}
      code={({ NameContains, ...query }) => ({ calls: [{ service: "sagemaker", operation: "ListUserProfiles", input: { DomainIdEquals: domain, ...query, UserProfileNameContains: NameContains } }] })}
      teach={{ text: "Whoever shall work in Studio gets a user profile, and what its role may do.", code: teach(domain, who.ExecutionRole) }}
    />
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  const { who } = useSession();
  const key = { DomainId: who.DomainId, UserProfileName: name };
  const [link, setLink] = useState("");
  const [refused, setRefused] = useState<unknown>();
  const make = () => {
    setRefused(undefined);
    void sagemaker().send(new CreatePresignedDomainUrlCommand(key)).then((said) => setLink(said.AuthorizedUrl ?? ""), setRefused);
  };
  return (
    <>
      {link && (
        <div className="above">
          <Alert type="info" header={`It signs in as ${name}, once, within five minutes`} dismissible dismissAriaLabel="Put away" onDismiss={() => setLink("")}>
            <Copied text={link} what="the sign-in link" />
          </Alert>
        </div>
      )}
      {refused !== undefined && (
        <div className="above">
          <ErrorPanel error={refused} doing="No link was made" {...(told(refused).message.includes("iam:PassRole") && { advice: <OperatorsAlone name={name} /> })} />
        </div>
      )}
      <Described
        kind="UserProfile"
        name={name}
        parent={{ text: "People", href: "/people" }}
        describe={(abortSignal) => sagemaker().send(new DescribeUserProfileCommand(key), { abortSignal })}
        status={(p) => p.Status}
        without={["UserProfileName", "Status"]}
        actions={() => <Button onClick={make}>Make a sign-in link</Button>}
        {...(name !== who.UserProfileName && { remove: () => sagemaker().send(new DeleteUserProfileCommand(key)) })}
        code={(p) => ({
          calls: [
            { service: "sagemaker", operation: "CreateUserProfile", input: picked(p, ["DomainId", "UserProfileName", "UserSettings"]) },
            { service: "sagemaker", operation: "CreatePresignedDomainUrl", input: key },
          ],
        })}
      />
    </>
  );
}

/** The owner's pages may read what no other profile's may, so a link that signs in as the owner needs more than the right to make links. */
function OperatorsAlone({ name }: { name: string }) {
  return (
    <Alert type="info" header="Only the operator's keys make this link">
      The pages of {name} work with a role of their own, which reads users, policies and the audit trail. Whoever could make a link for it would have that role, so it takes the right to pass it, which no profile has. On the server:
      <Copied text={`sagewright studio --profile ${name}`} what="the command" />
    </Alert>
  );
}
