import { CreateUserProfileCommand, type CreateUserProfileRequest } from "@aws-sdk/client-sagemaker";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { sagemaker } from "../../kit/aws/sagemaker";
import { CreateForm, NameField } from "../../kit/form";
import { notify } from "../../kit/notify";
import { useSession } from "../../kit/session";
import { href } from "./people";

export default function AddSomebody() {
  const { who } = useSession();
  const [draft, setDraft] = useState<CreateUserProfileRequest>(() => ({ DomainId: who.DomainId, UserProfileName: "", UserSettings: { ExecutionRole: who.ExecutionRole } }));
  const role = draft.UserSettings?.ExecutionRole ?? "";
  return (
    <CreateForm<CreateUserProfileRequest>
      title="Add somebody"
      description={`A user profile of the domain ${who.DomainName}. Then make a sign-in link on its page.`}
      parent={{ text: "People", href: "/people" }}
      document={draft}
      change={setDraft}
      missing={draft.UserProfileName ? undefined : "It needs a name."}
      label="Add the profile"
      code={{ calls: [{ service: "sagemaker", operation: "CreateUserProfile", input: draft }] }}
      submit={async () => {
        await sagemaker().send(new CreateUserProfileCommand(draft));
        notify.done(`${draft.UserProfileName} is there: make a sign-in link.`);
        return href(draft.UserProfileName!);
      }}
    >
      <Container header={<Header variant="h2">Who it is</Header>}>
        <SpaceBetween size="l">
          <NameField value={draft.UserProfileName} constraint="Letters, digits and hyphens." change={(UserProfileName) => setDraft((d) => ({ ...d, UserProfileName }))} />
          <FormField label="Execution role" description="What the profile may do: in these pages, in its workspaces, in its jobs. It has to trust sagemaker.amazonaws.com. Empty: the domain's." stretch>
            <Input value={role} onChange={({ detail }) => setDraft((d) => ({ ...d, UserSettings: detail.value ? { ...d.UserSettings, ExecutionRole: detail.value } : undefined }))} />
          </FormField>
        </SpaceBetween>
      </Container>
    </CreateForm>
  );
}
