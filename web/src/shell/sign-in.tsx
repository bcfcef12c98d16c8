import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { Code } from "../kit/code";
import { ErrorPanel } from "../kit/errors";
import { signIn, type Session } from "../kit/server";
import { Mark } from "./top-bar";

export default function SignIn({ entered }: { entered: (session: Session) => void }) {
  const [profile, setProfile] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      entered(await signIn(profile, password));
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <div className="sign-in-box">
        <div className="sign-in-brand">
          <Mark size={44} />
          <h1>Sagewright Studio</h1>
          <p>SageMaker that you own: prepare, train, deploy and watch, on your own machines.</p>
        </div>
        <Container>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void submit();
            }}
          >
            <SpaceBetween size="l">
              {error !== undefined && <ErrorPanel error={error} doing="Not signed in" />}
              <FormField label="User profile">
                <Input value={profile} onChange={({ detail }) => setProfile(detail.value)} autoComplete="username" autoFocus name="profile" ariaRequired />
              </FormField>
              <FormField label="Password">
                <Input value={password} type="password" onChange={({ detail }) => setPassword(detail.value)} autoComplete="current-password" name="password" ariaRequired />
              </FormField>
              <Button variant="primary" fullWidth loading={busy} disabled={!profile || !password}>
                Sign in
              </Button>
            </SpaceBetween>
          </form>
        </Container>
        <Container header={<Box variant="h2">Or without a password</Box>}>
          <SpaceBetween size="xs">
            <Box>On the machine that the server runs on, this prints a link that signs you in once:</Box>
            <Code text="sagewright studio" label="Command" />
          </SpaceBetween>
        </Container>
      </div>
    </main>
  );
}
