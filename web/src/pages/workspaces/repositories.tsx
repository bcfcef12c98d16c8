/** Code repositories: what notebook instances and workspaces clone when they start, and the secret with which they may. */
import {
  CreateCodeRepositoryCommand, DeleteCodeRepositoryCommand, DescribeCodeRepositoryCommand, ListCodeRepositoriesCommand,
  type CodeRepositorySummary, type CreateCodeRepositoryInput, type DescribeCodeRepositoryOutput, type GitConfig,
} from "@aws-sdk/client-sagemaker";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { sagemaker } from "../../kit/aws/sagemaker";
import { picked } from "../../kit/described";
import { fresh } from "../../kit/form";
import { NamedForm, NamedList, NamedPage, type Named } from "./named";

const OF: Named<CodeRepositorySummary> = {
  kind: "CodeRepository",
  title: "Code repositories",
  noun: "code repository",
  nouns: "code repositories",
  path: "/code-repositories",
  name: (r) => r.CodeRepositoryName!,
  created: (r) => r.CreationTime,
  remove: (CodeRepositoryName) => sagemaker().send(new DeleteCodeRepositoryCommand({ CodeRepositoryName })),
  operation: "CreateCodeRepository",
};
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
    <NamedList<CodeRepositorySummary>
      of={OF}
      add="Add a code repository"
      listed="ListCodeRepositories"
      width={240}
      description="What notebook instances clone when they start; workspaces, where their settings have its URL."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListCodeRepositoriesCommand(query), { abortSignal });
        return { items: page.CodeRepositorySummaryList, next: page.NextToken };
      }}
      columns={[
        { id: "url", header: "URL", width: 360, cell: (r) => r.GitConfig?.RepositoryUrl },
        { id: "branch", header: "Branch", width: 130, cell: (r) => r.GitConfig?.Branch ?? "its default" },
        { id: "secret", header: "Credentials", width: 130, cell: (r) => (r.GitConfig?.SecretArn ? "a secret" : "none") },
      ]}
      teach={{ text: "A code repository gives a git URL a name, and the secret with its credentials: nobody types them into a notebook, and no URL holds them.", code: TEACH }}
    >
      What has been cloned stays; what starts later and still names it does not start.
    </NamedList>
  );
}

/** Without members that were emptied again: the API wants none instead of empty ones. */
const kept = (git: GitConfig): GitConfig => ({ RepositoryUrl: git.RepositoryUrl, ...(git.Branch && { Branch: git.Branch }), ...(git.SecretArn && { SecretArn: git.SecretArn }) });

export function Create() {
  const [draft, setDraft] = useState<CreateCodeRepositoryInput>(() => ({ CodeRepositoryName: fresh("code"), GitConfig: { RepositoryUrl: "" } }));
  const git: GitConfig = draft.GitConfig ?? { RepositoryUrl: "" };
  const put = (part: Partial<GitConfig>) => setDraft((d) => ({ ...d, GitConfig: kept({ ...git, ...part }) }));
  return (
    <NamedForm<CodeRepositorySummary, CreateCodeRepositoryInput>
      of={OF}
      member="CodeRepositoryName"
      heading="What it is"
      title="Add a code repository"
      description="It is looked for when something that names it starts."
      draft={draft}
      change={setDraft}
      missing={!git.RepositoryUrl?.startsWith("https://") ? "It needs a URL that begins with https://." : undefined}
      label="Add the repository"
      make={(made) => sagemaker().send(new CreateCodeRepositoryCommand(made))}
    >
      <FormField label="URL" constraintText="As git clone takes it, https:// alone; no user or password in it." stretch>
        <Input value={git.RepositoryUrl ?? ""} placeholder="https://git.example.com/team/forecasts.git" onChange={({ detail }) => put({ RepositoryUrl: detail.value })} />
      </FormField>
      <FormField label="Branch" description="Empty: the repository's default.">
        <Input value={git.Branch ?? ""} onChange={({ detail }) => put({ Branch: detail.value })} />
      </FormField>
      <FormField label="Secret" description='ARN of a secret in Secrets Manager with {"username": …, "password": …}; the execution role reads it whenever git asks. Empty: for a repository that anybody may clone.' stretch>
        <Input value={git.SecretArn ?? ""} placeholder="arn:aws:secretsmanager:…" onChange={({ detail }) => put({ SecretArn: detail.value })} />
      </FormField>
    </NamedForm>
  );
}

export function Detail() {
  return (
    <NamedPage<CodeRepositorySummary, DescribeCodeRepositoryOutput>
      of={OF}
      describe={(CodeRepositoryName, abortSignal) => sagemaker().send(new DescribeCodeRepositoryCommand({ CodeRepositoryName }), { abortSignal })}
      without={["CodeRepositoryName"]}
      asked={(r) => picked(r, ["CodeRepositoryName", "GitConfig"])}
    />
  );
}
