/** Code repositories: what notebook instances and workspaces clone when they start, and the secret with which they may. */
import {
  CreateCodeRepositoryCommand, DeleteCodeRepositoryCommand, DescribeCodeRepositoryCommand, ListCodeRepositoriesCommand,
  type CodeRepositorySortBy, type CodeRepositorySummary, type CreateCodeRepositoryInput, type GitConfig,
} from "@aws-sdk/client-sagemaker";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { Described, picked } from "../../kit/described";
import { CreateForm, fresh } from "../../kit/form";
import { notify } from "../../kit/notify";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

const parent = { text: "Code repositories", href: "/code-repositories" };
const href = (name: string) => `/code-repositories/${encodeURIComponent(name)}`;
const remove = (CodeRepositoryName: string) => sagemaker().send(new DeleteCodeRepositoryCommand({ CodeRepositoryName }));
const KEEPS = "What has been cloned stays; what starts later and still names it does not start.";
const TEACH = `import boto3, json

secret = boto3.client("secretsmanager").create_secret(
    Name="git/team", SecretString=json.dumps({"username": "ada", "password": "a token"}),
)
boto3.client("sagemaker").create_code_repository(
    CodeRepositoryName="forecasts",
    GitConfig={"RepositoryUrl": "https://git.example.com/team/forecasts.git", "Branch": "main", "SecretArn": secret["ARN"]},
)`;

export function List() {
  return (
    <ResourceTable<CodeRepositorySummary, CodeRepositorySortBy>
      kinds={["CodeRepository"]}
      title="Code repositories"
      noun="code repository"
      description="What notebook instances clone when they start; workspaces, where their settings have its URL."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListCodeRepositoriesCommand(query), { abortSignal });
        return { items: page.CodeRepositorySummaryList, next: page.NextToken };
      }}
      id={(r) => r.CodeRepositoryName!}
      sort="CreationTime"
      create={{ label: "Add a code repository", href: "/code-repositories/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 240, cell: (r) => <NameLink href={href(r.CodeRepositoryName!)}>{r.CodeRepositoryName}</NameLink> },
        { id: "url", header: "URL", width: 360, cell: (r) => r.GitConfig?.RepositoryUrl },
        { id: "branch", header: "Branch", width: 130, cell: (r) => r.GitConfig?.Branch ?? "its default" },
        { id: "secret", header: "Credentials", width: 130, cell: (r) => (r.GitConfig?.SecretArn ? "a secret" : "none") },
        { id: "created", header: "Created", sort: "CreationTime", width: 160, cell: (r) => <RelativeTime at={r.CreationTime} /> },
      ]}
      actions={(chosen, done) => (
        <Confirm label="Delete" question={`Delete ${chosen.length === 1 ? chosen[0]!.CodeRepositoryName : `${chosen.length} code repositories`}?`} disabled={!chosen.length} run={() => Promise.all(chosen.map((r) => remove(r.CodeRepositoryName!)))} said="Deleted." done={done}>
          {KEEPS}
        </Confirm>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListCodeRepositories", input }] })}
      teach={{ text: "A code repository gives a git URL a name, and the secret with its credentials: nobody types them into a notebook, and no URL holds them.", code: TEACH }}
    />
  );
}

/** Without members that were emptied again: the API wants none instead of empty ones. */
const kept = (git: GitConfig): GitConfig => ({ RepositoryUrl: git.RepositoryUrl, ...(git.Branch && { Branch: git.Branch }), ...(git.SecretArn && { SecretArn: git.SecretArn }) });

export function Create() {
  const navigate = useNavigate();
  const [draft, setDraft] = useState<CreateCodeRepositoryInput>(() => ({ CodeRepositoryName: fresh("code"), GitConfig: { RepositoryUrl: "" } }));
  const git: GitConfig = draft.GitConfig ?? { RepositoryUrl: "" };
  const put = (part: Partial<GitConfig>) => setDraft((d) => ({ ...d, GitConfig: kept({ ...git, ...part }) }));
  return (
    <CreateForm<CreateCodeRepositoryInput>
      title="Add a code repository"
      description="It is looked for when something that names it starts."
      parent={parent}
      document={draft}
      change={setDraft}
      missing={!draft.CodeRepositoryName ? "It needs a name." : !git.RepositoryUrl?.startsWith("https://") ? "It needs a URL that begins with https://." : undefined}
      label="Add the repository"
      code={{ calls: [{ service: "sagemaker", operation: "CreateCodeRepository", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateCodeRepositoryCommand(draft));
        notify.done(`${draft.CodeRepositoryName} is there.`);
        void navigate(href(draft.CodeRepositoryName!));
      }}
    >
      <Container header={<Header variant="h2">What it is</Header>}>
        <SpaceBetween size="l">
          <FormField label="Name" constraintText="Letters, digits and hyphens.">
            <Input value={draft.CodeRepositoryName ?? ""} onChange={({ detail }) => setDraft((d) => ({ ...d, CodeRepositoryName: detail.value }))} />
          </FormField>
          <FormField label="URL" constraintText="As git clone takes it, https:// alone; no user or password in it." stretch>
            <Input value={git.RepositoryUrl ?? ""} placeholder="https://git.example.com/team/forecasts.git" onChange={({ detail }) => put({ RepositoryUrl: detail.value })} />
          </FormField>
          <FormField label="Branch" description="Empty: the repository's default.">
            <Input value={git.Branch ?? ""} onChange={({ detail }) => put({ Branch: detail.value })} />
          </FormField>
          <FormField label="Secret" description='ARN of a secret in Secrets Manager with {"username": …, "password": …}; the execution role reads it whenever git asks. Empty: for a repository that anybody may clone.' stretch>
            <Input value={git.SecretArn ?? ""} placeholder="arn:aws:secretsmanager:…" onChange={({ detail }) => put({ SecretArn: detail.value })} />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  return (
    <Described
      kind="CodeRepository"
      name={name}
      parent={parent}
      describe={(abortSignal) => sagemaker().send(new DescribeCodeRepositoryCommand({ CodeRepositoryName: name }), { abortSignal })}
      without={["CodeRepositoryName"]}
      remove={() => remove(name)}
      code={(r) => ({ calls: [{ service: "sagemaker", operation: "CreateCodeRepository", input: picked(r, ["CodeRepositoryName", "GitConfig"]) }] })}
    />
  );
}
