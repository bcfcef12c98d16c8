/** One space: what its app does, what it was given, what it says. */
import { DeleteSpaceCommand } from "@aws-sdk/client-sagemaker";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";

import { Arn } from "../../kit/arn";
import { sagemaker } from "../../kit/aws/sagemaker";
import { Confirm } from "../../kit/confirm";
import { picked } from "../../kit/described";
import { Copied, DetailPage, Facts } from "../../kit/detail";
import { FailureReason } from "../../kit/errors";
import { useLoad } from "../../kit/load";
import { LiveLog } from "../../kit/log";
import { notify } from "../../kit/notify";
import { Opens } from "../../kit/open";
import { useSession } from "../../kit/session";
import { moving } from "../../kit/status";
import { Duration, RelativeTime } from "../../kit/time";
import { APPS, calls, describe, KINDS, living, LOGS, open, start, state, stop, typeOf, type Described, type Type } from "./api";

const ASKED = ["DomainId", "SpaceName", "SpaceDisplayName", "SpaceSettings", "OwnershipSettings", "SpaceSharingSettings"];
const now = ({ space, app }: Described) => state(space.Status, app?.Status);

export default function Workspace() {
  const name = useParams()["name"]!;
  const { who } = useSession();
  const navigate = useNavigate();
  const loaded = useLoad((abort) => describe(who.DomainId, name, abort), [who.DomainId, name], { kinds: KINDS });
  return (
    <DetailPage<Described>
      name={name}
      parent={{ text: "Workspaces", href: "/workspaces" }}
      loaded={loaded}
      status={now}
      first={(both) => <First both={both} />}
      actions={(both, reload) => (
        <>
          {now(both) === "Running" && <Opens label={`Open ${APPS[typeOf(both.space)].name}`} variant="primary" url={() => open(who, name, typeOf(both.space))} />}
          {(now(both) === "Stopped" || now(both) === "Failed") && both.space.Status === "InService" && <Start domain={who.DomainId} name={name} type={typeOf(both.space)} again={now(both) === "Failed"} done={reload} />}
          {living(both.app?.Status) && (
            <Confirm label="Stop" question={`Stop ${APPS[typeOf(both.space)].name} of ${name}?`} run={() => stop(who.DomainId, name, typeOf(both.space))} said="Stopping: what is in the home stays." done={reload}>
              {APPS[typeOf(both.space)].ends}
            </Confirm>
          )}
          <Confirm label="Delete" question={`Delete ${name}?`} type={name} disabled={living(both.app?.Status) || moving(now(both))} run={() => sagemaker().send(new DeleteSpaceCommand({ DomainId: who.DomainId, SpaceName: name }))} said="Deleted, with its home." done={() => void navigate("/workspaces")}>
            The home goes with it: every file that is nowhere else is lost.
          </Confirm>
        </>
      )}
      tabs={(both) => [
        { id: "overview", label: "Overview", content: <Overview both={both} /> },
        { id: "log", label: "Log", content: <LiveLog group={LOGS} prefix={`${who.DomainId}/${name}/`} running={living(both.app?.Status)} /> },
      ]}
      code={({ space }) => ({ calls: calls(who, { SpaceName: name, ...picked(space, ASKED) }) })}
    />
  );
}

function Start({ domain, name, type, again, done }: { domain: string; name: string; type: Type; again: boolean; done: () => void }) {
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    try {
      await start(domain, name, type);
      done();
    } catch (error) {
      notify.failed(`${APPS[type].name} does not start`, error);
    } finally {
      setBusy(false);
    }
  };
  return <Button variant="primary" loading={busy} onClick={() => void go()}>{again ? "Start again" : `Start ${APPS[type].name}`}</Button>;
}

/** What to know before anything else. */
function First({ both }: { both: Described }) {
  if (both.app?.Status === "Pending")
    return <Alert type="info" header={`${APPS[typeOf(both.space)].name} is starting`}>The first one on a server builds its environment, which takes a minute or so; later ones are there in seconds. This page shows by itself when it is ready.</Alert>;
  return <FailureReason reason={both.space.FailureReason ?? (both.app?.Status === "Failed" ? both.app.FailureReason : undefined)} />;
}

function Overview({ both: { space, app } }: { both: Described }) {
  const { name, settings } = APPS[typeOf(space)];
  const lab = space.SpaceSettings?.[settings];
  const spec = living(app?.Status) ? app?.ResourceSpec : lab?.DefaultResourceSpec;
  const idle = lab?.AppLifecycleManagement?.IdleSettings?.IdleTimeoutInMinutes;
  const shared = space.SpaceSharingSettings?.SharingType !== "Private";
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">{name}</Header>}>
        <Facts
          of={{
            "Instance type": spec?.InstanceType ?? "As the domain says",
            "SageMaker SDK": `Version ${spec?.SageMakerImageVersionAlias ?? "2"}`,
            Started: living(app?.Status) ? <RelativeTime at={app?.CreationTime} /> : "–",
            "Has run for": app?.Status === "InService" ? <Duration from={app.CreationTime} /> : undefined,
            "Last used": app?.LastUserActivityTimestamp && <RelativeTime at={app.LastUserActivityTimestamp} />,
            "Stops when idle for": idle ? `${idle} minutes` : "As the domain says",
            "Start script": spec?.LifecycleConfigArn && <Arn arn={spec.LifecycleConfigArn} />,
          }}
        />
      </Container>
      <Container header={<Header variant="h2">Space</Header>}>
        <Facts
          of={{
            "Who works in it": shared ? "Everybody of the domain, at once" : `${space.OwnershipSettings?.OwnerUserProfileName} alone`,
            Owner: space.OwnershipSettings?.OwnerUserProfileName,
            "Home, GB": space.SpaceSettings?.SpaceStorageSettings?.EbsStorageSettings?.EbsVolumeSizeInGb,
            Created: <RelativeTime at={space.CreationTime} />,
            ARN: <Copied text={space.SpaceArn} what="the ARN" />,
          }}
        />
      </Container>
    </SpaceBetween>
  );
}
