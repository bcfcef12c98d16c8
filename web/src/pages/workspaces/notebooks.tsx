import {
  CreatePresignedNotebookInstanceUrlCommand, DeleteNotebookInstanceCommand, DescribeNotebookInstanceCommand, ListNotebookInstancesCommand, NotebookInstanceStatus,
  StartNotebookInstanceCommand, StopNotebookInstanceCommand, type NotebookInstanceSummary,
} from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import { useNavigate, useParams } from "react-router";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { Described } from "../../kit/described";
import { Facts } from "../../kit/detail";
import { Each } from "../../kit/each";
import { LiveLog } from "../../kit/log";
import { notify } from "../../kit/notify";
import { Opens } from "../../kit/open";
import { Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";

const TEACH = `import boto3

boto3.client("sagemaker").create_notebook_instance(
    NotebookInstanceName="book", InstanceType="ml.t3.medium", RoleArn=role,
)`;
const LOGS = "/aws/sagemaker/NotebookInstances";
export const href = (name: string) => `/notebook-instances/${encodeURIComponent(name)}`;
const parent = { text: "Notebook instances", href: "/notebook-instances" };
const BOOK = { noun: "notebook instance", name: (n: NotebookInstanceSummary) => n.NotebookInstanceName! };
const STOPPING = "Stopping: what is in the SageMaker folder stays.";
const ENDS = "Kernels end, and with them what is in their memory. /home/ec2-user/SageMaker stays, the rest does not.";
const DELETED = "Deleted, with its files.";
const LOST = "Its files go with it: those that are nowhere else are lost.";

const open = async (NotebookInstanceName: string) => (await sagemaker().send(new CreatePresignedNotebookInstanceUrlCommand({ NotebookInstanceName }))).AuthorizedUrl;
const start = (NotebookInstanceName: string) => sagemaker().send(new StartNotebookInstanceCommand({ NotebookInstanceName }));
const stop = (NotebookInstanceName: string) => sagemaker().send(new StopNotebookInstanceCommand({ NotebookInstanceName }));
const remove = (NotebookInstanceName: string) => sagemaker().send(new DeleteNotebookInstanceCommand({ NotebookInstanceName }));
const resting = (status: string | undefined) => status === "Stopped" || status === "Failed";

/** What one does next with a notebook instance. */
function Next({ name, status, inline }: { name: string; status: string | undefined; inline?: boolean }) {
  const variant = inline ? "inline-link" : "primary";
  if (status === "InService") return <Opens label="Open JupyterLab" variant={variant} url={() => open(name)} />;
  if (!resting(status)) return inline ? <>–</> : null;
  return (
    <Button variant={variant} ariaLabel={`Start ${name}`} onClick={() => void start(name).catch((error: unknown) => notify.failed(`${name} does not start`, error))}>
      Start
    </Button>
  );
}

export function List() {
  return (
    <ResourceTable<NotebookInstanceSummary, "Name" | "CreationTime" | "Status", NotebookInstanceStatus>
      kinds={["NotebookInstance"]}
      title="Notebook instances"
      noun="notebook instance"
      description="JupyterLab outside of any domain, with a role of its own: as classic SageMaker notebooks have it."
      list={async (query, abortSignal) => {
        const page = await sagemaker().send(new ListNotebookInstancesCommand(query), { abortSignal });
        return { items: page.NotebookInstances, next: page.NextToken };
      }}
      id={(n) => n.NotebookInstanceName!}
      statuses={Object.values(NotebookInstanceStatus)}
      sort="CreationTime"
      create={{ label: "Create a notebook instance", href: "/notebook-instances/create" }}
      columns={[
        { id: "name", header: "Name", sort: "Name", width: 230, cell: (n) => <NameLink href={href(n.NotebookInstanceName!)}>{n.NotebookInstanceName}</NameLink> },
        { id: "status", header: "Status", sort: "Status", width: 140, cell: (n) => <Status value={n.NotebookInstanceStatus} /> },
        { id: "open", header: "Do", width: 200, cell: (n) => <span className="cell-action" onClick={(e) => e.stopPropagation()}><Next inline name={n.NotebookInstanceName!} status={n.NotebookInstanceStatus} /></span> },
        { id: "instance", header: "Instance type", width: 135, cell: (n) => n.InstanceType },
        { id: "script", header: "Lifecycle configuration", width: 210, cell: (n) => n.NotebookInstanceLifecycleConfigName ?? "–" },
        { id: "created", header: "Created", sort: "CreationTime", width: 140, cell: (n) => <RelativeTime at={n.CreationTime} /> },
      ]}
      actions={(chosen, done) => (
        <>
          <Each label="Stop" chosen={chosen} {...BOOK} may={(n) => n.NotebookInstanceStatus === "InService"} run={(n) => stop(n.NotebookInstanceName!)} said={STOPPING} done={done}>
            {ENDS}
          </Each>
          <Each label="Delete" chosen={chosen} {...BOOK} typed may={(n) => resting(n.NotebookInstanceStatus)} run={(n) => remove(n.NotebookInstanceName!)} said={DELETED} done={done}>
            {LOST}
          </Each>
        </>
      )}
      code={(input) => ({ calls: [{ service: "sagemaker", operation: "ListNotebookInstances", input }] })}
      teach={{ text: "A notebook instance is JupyterLab by itself. For work in a team, with people and sharing, take a workspace.", code: TEACH }}
    />
  );
}

export function Detail() {
  const name = useParams()["name"]!;
  const navigate = useNavigate();
  return (
    <Described
      kind="NotebookInstance"
      name={name}
      parent={parent}
      describe={(abortSignal) => sagemaker().send(new DescribeNotebookInstanceCommand({ NotebookInstanceName: name }), { abortSignal })}
      status={(n) => n.NotebookInstanceStatus}
      without={["NotebookInstanceName", "NotebookInstanceStatus", "Url", "DefaultCodeRepository", "AdditionalCodeRepositories"]}
      more={(n) => <Repositories first={n.DefaultCodeRepository} others={n.AdditionalCodeRepositories ?? []} />}
      actions={(n, reload) => (
        <>
          <Next name={name} status={n.NotebookInstanceStatus} />
          {n.NotebookInstanceStatus === "InService" && (
            <Confirm label="Stop" question={`Stop ${name}?`} run={() => stop(name)} said={STOPPING} done={reload}>
              {ENDS}
            </Confirm>
          )}
          <Confirm label="Delete" question={`Delete ${name}?`} type={name} disabled={!resting(n.NotebookInstanceStatus)} run={() => remove(name)} said={DELETED} done={() => void navigate("/notebook-instances")}>
            {LOST}
          </Confirm>
        </>
      )}
      tabs={(n) => [{ id: "log", label: "Log", content: <LiveLog group={LOGS} prefix={`${name}/`} running={!resting(n.NotebookInstanceStatus)} /> }]}
      code={(n) => ({
        calls: [
          { service: "sagemaker", operation: "CreateNotebookInstance", input: { NotebookInstanceName: name, InstanceType: n.InstanceType, RoleArn: n.RoleArn, VolumeSizeInGB: n.VolumeSizeInGB, LifecycleConfigName: n.NotebookInstanceLifecycleConfigName, DefaultCodeRepository: n.DefaultCodeRepository, AdditionalCodeRepositories: n.AdditionalCodeRepositories } },
          { service: "sagemaker", operation: "CreatePresignedNotebookInstanceUrl", input: { NotebookInstanceName: name } },
        ],
      })}
    />
  );
}

/** What is cloned at each start: the names of code repositories, or URLs. */
function Repositories({ first, others }: { first: string | undefined; others: string[] }) {
  const shown = (given: string) => (given.startsWith("https://") ? <span className="mono">{given}</span> : <NameLink href={`/code-repositories/${encodeURIComponent(given)}`}>{given}</NameLink>);
  return (
    <Container header={<Header variant="h2" description="Cloned when it starts, unless their folder is there already.">Code repositories</Header>}>
      <Facts of={{ "Opened first": first ? shown(first) : "None", "Beside it": others.length ? <ul className="plain">{others.map((one) => <li key={one}>{shown(one)}</li>)}</ul> : "None" }} />
    </Container>
  );
}
