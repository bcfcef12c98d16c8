import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { Code } from "../../kit/code";
import { Copied, Facts } from "../../kit/detail";
import { ErrorPanel } from "../../kit/errors";
import { useMode } from "../../kit/mode";
import { notify } from "../../kit/notify";
import { setPassword } from "../../kit/server";
import { useSession } from "../../kit/session";
import { RelativeTime, times } from "../../kit/time";

export default function Settings() {
  const { who } = useSession();
  const [, choose, choice] = useMode();
  const shown = times.use();
  return (
    <SpaceBetween size="l">
      <Header variant="h1">Settings</Header>
      <Container header={<Header variant="h2">Who and where</Header>}>
        <Facts
          of={{
            Profile: who.UserProfileName,
            Domain: who.DomainName,
            Account: who.Account,
            Region: who.Region,
            "Works here as": <Copied text={who.SignInRole} what="the role" />,
            "Its jobs run as": <Copied text={who.ExecutionRole} what="the jobs' role" />,
            "Signed in until": <RelativeTime at={new Date(who.Expires * 1000)} />,
            Server: `Sagewright ${who.Version}`,
          }}
        />
      </Container>
      <Container header={<Header variant="h2">How it looks</Header>}>
        <SpaceBetween size="m">
          <FormField label="Colours">
            <SegmentedControl label="Colours" selectedId={choice} options={[{ id: "light", text: "Light" }, { id: "dark", text: "Dark" }, { id: "system", text: "As the system" }]} onChange={({ detail }) => choose(detail.selectedId as "light")} />
          </FormField>
          <FormField label="Times">
            <SegmentedControl label="Times" selectedId={shown} options={[{ id: "relative", text: "5 minutes ago" }, { id: "absolute", text: "Exact" }]} onChange={({ detail }) => times.set(detail.selectedId)} />
          </FormField>
        </SpaceBetween>
      </Container>
      <Password />
      <Container header={<Header variant="h2" description="The same API that these pages use, from a shell on the server's machine.">Work from code</Header>}>
        <Code label="Command" text={'eval "$(sagewright env)"\naws sagemaker list-training-jobs\npython your_script.py'} />
      </Container>
    </SpaceBetween>
  );
}

/** Letters that the server asks for at least. */
const LEAST = 12;

function Password() {
  const { who, changed } = useSession();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const asked = who.HasPassword && !who.MaySetPassword;
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await setPassword(next, asked ? current : undefined);
      setCurrent("");
      setNext("");
      notify.done("The password is set. Other sessions opened by a password have ended.");
      changed();
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Container header={<Header variant="h2" description={who.HasPassword ? "Signing in by a link needs none." : "This profile has none yet: it signs in by links that the command line prints."}>Password</Header>}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (next.length >= LEAST) void save();
        }}
      >
        <SpaceBetween size="m">
          <input type="text" name="username" autoComplete="username" value={who.UserProfileName} readOnly hidden />
          {asked && (
            <FormField label="Current password">
              <Input type="password" value={current} onChange={({ detail }) => setCurrent(detail.value)} autoComplete="current-password" />
            </FormField>
          )}
          <FormField label="New password" constraintText="12 characters or more.">
            <Input type="password" value={next} onChange={({ detail }) => setNext(detail.value)} autoComplete="new-password" />
          </FormField>
          {!who.MaySetPassword && !who.HasPassword && <span className="dim">Sign in by a fresh link to set one.</span>}
          {error !== undefined && <ErrorPanel error={error} />}
          <Button loading={busy} disabled={next.length < LEAST || (asked && !current) || (!who.MaySetPassword && !who.HasPassword)}>Set the password</Button>
        </SpaceBetween>
      </form>
    </Container>
  );
}
