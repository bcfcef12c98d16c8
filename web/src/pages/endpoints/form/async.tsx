/** Where asynchronous answers go, and who is told. */
import type { AsyncInferenceConfig } from "@aws-sdk/client-sagemaker";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { NumberField } from "../../../kit/number-field";
import { S3Field } from "../../../kit/s3-field";

export function Async({ value, change }: { value: AsyncInferenceConfig; change: (value: AsyncInferenceConfig) => void }) {
  const out = value.OutputConfig ?? { S3OutputPath: "" };
  const told = out.NotificationConfig;
  const put = (part: Partial<typeof out>) => change({ ...value, OutputConfig: { ...out, ...part } });
  const tell = (part: Partial<NonNullable<typeof told>>) => {
    const next = Object.fromEntries(Object.entries({ ...told, ...part }).filter(([, v]) => v));
    const { NotificationConfig: _, ...rest } = out;
    change({ ...value, OutputConfig: Object.keys(next).length ? { ...rest, NotificationConfig: next } : rest });
  };
  return (
    <Container header={<Header variant="h2" description="Each answer is an object of its own; the model's role has to be allowed to write it.">Answers</Header>}>
      <SpaceBetween size="l">
        <S3Field label="Answers go to" value={out.S3OutputPath ?? ""} change={(S3OutputPath) => put({ S3OutputPath })} />
        <S3Field label="Failures go to" description="Without it, only a notification tells." value={out.S3FailurePath ?? ""} change={(uri) => put({ S3FailurePath: uri || undefined })} />
        <ColumnLayout columns={3}>
          <NumberField label="Requests at once and instance" optional="As the server likes" value={value.ClientConfig?.MaxConcurrentInvocationsPerInstance} change={(n) => change({ ...value, ClientConfig: n === undefined ? undefined : { MaxConcurrentInvocationsPerInstance: n } })} />
          <FormField label="Tell of answers" constraintText="An SNS topic; nobody is told without it.">
            <Input value={told?.SuccessTopic ?? ""} placeholder="arn:aws:sns:…" onChange={({ detail }) => tell({ SuccessTopic: detail.value })} />
          </FormField>
          <FormField label="Tell of failures" constraintText="An SNS topic.">
            <Input value={told?.ErrorTopic ?? ""} placeholder="arn:aws:sns:…" onChange={({ detail }) => tell({ ErrorTopic: detail.value })} />
          </FormField>
        </ColumnLayout>
      </SpaceBetween>
    </Container>
  );
}
