/** Which requests and answers are kept, and where. */
import type { CaptureMode, DataCaptureConfig } from "@aws-sdk/client-sagemaker";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";

import { NumberField } from "../../../kit/number-field";
import { S3Field } from "../../../kit/s3-field";

/** As text where it is text: what is captured can be read, and shown as a table. */
export const READABLE = { CsvContentTypes: ["text/csv"], JsonContentTypes: ["application/json", "application/jsonlines"] };
const FIRST: DataCaptureConfig = { EnableCapture: true, InitialSamplingPercentage: 100, DestinationS3Uri: "", CaptureOptions: [{ CaptureMode: "Input" }, { CaptureMode: "Output" }], CaptureContentTypeHeader: READABLE };

export function Capture({ value, change }: { value: DataCaptureConfig | undefined; change: (value: DataCaptureConfig) => void }) {
  const on = Boolean(value?.EnableCapture);
  const now = value ?? FIRST;
  const modes = (now.CaptureOptions ?? []).map((o) => o.CaptureMode);
  return (
    <Container header={<Header variant="h2" description="To look at them, to try them again, and for monitors of data and quality.">Captured requests</Header>}>
      <SpaceBetween size="l">
        <Toggle checked={on} onChange={({ detail }) => change({ ...now, EnableCapture: detail.checked })}>Keep requests and answers</Toggle>
        {on && (
          <>
            <S3Field label="Captured requests go to" value={now.DestinationS3Uri ?? ""} change={(DestinationS3Uri) => change({ ...now, DestinationS3Uri })} />
            <ColumnLayout columns={2}>
              <NumberField label="Of a hundred requests" least={0} most={100} value={now.InitialSamplingPercentage} change={(n) => change({ ...now, InitialSamplingPercentage: n })} />
              <FormField label="What is kept">
                <SegmentedControl
                  label="What is kept"
                  selectedId={modes.length === 1 ? modes[0]! : "both"}
                  options={[{ id: "both", text: "Both" }, { id: "Input", text: "Requests" }, { id: "Output", text: "Answers" }]}
                  onChange={({ detail }) => change({ ...now, CaptureOptions: (detail.selectedId === "both" ? ["Input", "Output"] : [detail.selectedId]).map((m) => ({ CaptureMode: m as CaptureMode })) })}
                />
              </FormField>
            </ColumnLayout>
          </>
        )}
      </SpaceBetween>
    </Container>
  );
}
