import { DeleteSpaceCommand, type SpaceSortKey } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { sagemaker } from "../../kit/aws/sagemaker";
import { Each } from "../../kit/each";
import { notify } from "../../kit/notify";
import { Opens } from "../../kit/open";
import { useSession } from "../../kit/session";
import { moving, Status } from "../../kit/status";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { useView } from "../../kit/view";
import { APPS, href, isPrivate, KINDS, list, living, open, start, stateOf, stop, typeOf, type Space } from "./api";

const teach = (domain: string, profile: string) => `import boto3

sagemaker = boto3.client("sagemaker")
space = {"DomainId": "${domain}", "SpaceName": "lab"}
sagemaker.create_space(
    **space, SpaceSettings={"AppType": "JupyterLab"},
    OwnershipSettings={"OwnerUserProfileName": "${profile}"}, SpaceSharingSettings={"SharingType": "Private"},
)
sagemaker.create_app(**space, AppType="JupyterLab", AppName="default")`;

const SPACE = { noun: "workspace", name: (s: Space) => s.SpaceName! };

export default function Workspaces() {
  const { who } = useSession();
  const [read, write] = useView();
  const all = read("of") === "all";
  return (
    <SpaceBetween size="m">
      <SegmentedControl
        label="Which workspaces"
        selectedId={all ? "all" : "mine"}
        options={[{ id: "mine", text: "Mine and shared" }, { id: "all", text: "All of the domain" }]}
        onChange={({ detail }) => write({ of: detail.selectedId === "all" ? "all" : undefined, page: undefined, token: undefined, selected: undefined })}
      />
      <ResourceTable<Space, SpaceSortKey>
        key={all ? "all" : "mine"}
        kinds={KINDS}
        title="Workspaces"
        noun="workspace"
        description="JupyterLab or a code editor with the AWS environment in place, each in a sandbox and with a home of its own."
        list={({ NameContains, ...query }, abort) => list(who, all, { ...query, SpaceNameContains: NameContains }, abort)}
        id={(s) => s.SpaceName!}
        sort="CreationTime"
        create={{ label: "Create a workspace", href: "/workspaces/create" }}
        columns={[
          { id: "name", header: "Name", width: 160, cell: (s) => <NameLink href={href(s.SpaceName!)}>{s.SpaceDisplayName || s.SpaceName}</NameLink> },
          { id: "app", header: "App", width: 130, cell: (s) => APPS[typeOf(s)].name },
          { id: "state", header: "State", width: 120, cell: (s) => <Status value={stateOf(s)} /> },
          { id: "open", header: "Do", width: 205, cell: (s) => <Do space={s} /> },
          { id: "sharing", header: "Who works in it", width: 172, cell: (s) => (isPrivate(s) ? `${s.OwnershipSettingsSummary?.OwnerUserProfileName} alone` : "Everybody of the domain") },
          { id: "instance", header: "Instance type", width: 145, cell: (s) => (living(s.app?.Status) ? s.app?.ResourceSpec?.InstanceType ?? "–" : "–") },
          { id: "created", header: "Created", sort: "CreationTime", width: 125, cell: (s) => <RelativeTime at={s.CreationTime} /> },
          { id: "modified", header: "Last change", sort: "LastModifiedTime", hidden: true, cell: (s) => <RelativeTime at={s.LastModifiedTime} /> },
        ]}
        actions={(chosen, done) => (
          <>
            <Each label="Stop" asks="Stop the app of" chosen={chosen} {...SPACE} may={(s) => living(s.app?.Status)} run={(s) => stop(s.DomainId!, s.SpaceName!, typeOf(s))} said="Stopping: what is in the home stays." done={done}>
              {[...new Set(chosen.map((s) => APPS[typeOf(s)].ends))].join(" ")}
            </Each>
            <Each
              label="Delete"
              chosen={chosen}
              {...SPACE}
              typed
              may={(s) => !living(s.app?.Status) && !moving(stateOf(s))}
              run={({ DomainId, SpaceName }) => sagemaker().send(new DeleteSpaceCommand({ DomainId, SpaceName }))}
              said="Deleted, with its home."
              done={done}
            >
              The home goes with it: every file that is nowhere else is lost.
            </Each>
          </>
        )}
        code={({ NameContains, ...query }) => ({ calls: [{ service: "sagemaker", operation: "ListSpaces", input: { DomainIdEquals: who.DomainId, ...query, SpaceNameContains: NameContains } }] })}
        teach={{ text: "A workspace is JupyterLab with a home that stays: region, credentials, role and the SageMaker SDK are in place, so that notebooks written for SageMaker run as they are.", code: teach(who.DomainId, who.UserProfileName) }}
      />
    </SpaceBetween>
  );
}

/** What one does next with a space: open it, or start it first. */
function Do({ space }: { space: Space }) {
  const { who } = useSession();
  const [name, type] = [space.SpaceName!, typeOf(space)];
  const now = stateOf(space);
  return (
    <span className="cell-action" onClick={(e) => e.stopPropagation()}>
      {now === "Running" && <Opens label={`Open ${APPS[type].name}`} variant="inline-link" url={() => open(who, name, type)} />}
      {now === "Stopped" && (
        <Button variant="inline-link" ariaLabel={`Start ${name}`} onClick={() => void start(space.DomainId!, name, type).catch((error: unknown) => notify.failed(`${name} does not start`, error))}>
          Start
        </Button>
      )}
      {now !== "Running" && now !== "Stopped" && "–"}
    </span>
  );
}
