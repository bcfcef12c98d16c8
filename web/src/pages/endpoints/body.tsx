/** A request's body, as a form of its fields or as text, and examples to begin with: a captured request, or a row of a CSV file. */
import type { DescribeEndpointOutput } from "@aws-sdk/client-sagemaker";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import Box from "@cloudscape-design/components/box";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";

import { ErrorPanel } from "../../kit/errors";
import { notify } from "../../kit/notify";
import { head } from "../../kit/object";
import { S3Field } from "../../kit/s3-field";
import { captured } from "./captured";
import { fields, rowOf, sheet, type Sheet } from "./sample";

export interface Draft {
  body: string;
  type: string;
  /** What a CSV body's columns are called, where a file said so. */
  names: string[];
}

export function Body({ endpoint, value, change }: { endpoint: DescribeEndpointOutput; value: Draft; change: (part: Partial<Draft>) => void }) {
  const [wanted, setWanted] = useState<"form" | "text">("form");
  const found = fields(value.body, value.type, value.names);
  const mode = found && wanted === "form" ? "form" : "text";
  const kept = endpoint.DataCaptureConfig?.DestinationS3Uri;
  const [looking, setLooking] = useState(false);
  const latest = async () => {
    setLooking(true);
    try {
      const { found } = await captured(kept!, endpoint.EndpointName!, 20, new AbortController().signal);
      const one = found.find((r) => r.input?.text !== undefined)?.input;
      if (one) change({ body: one.text!, type: one.type || value.type, names: [] });
      else notify.done("No request with a text was captured yet.");
    } catch (error) {
      notify.failed("The captured requests cannot be read", error);
    } finally {
      setLooking(false);
    }
  };
  return (
    <SpaceBetween size="s">
      <div className="choices">
        <SegmentedControl label="Edit the body as" selectedId={mode} options={[{ id: "form", text: "Form", disabled: !found }, { id: "text", text: "Text" }]} onChange={({ detail }) => setWanted(detail.selectedId as typeof wanted)} />
        <FromFile take={(body, names) => change({ body, names, type: "text/csv" })} />
        {kept && <Button loading={looking} onClick={() => void latest()}>From the last captured request</Button>}
      </div>
      {mode === "form" ? (
        <ColumnLayout columns={found!.length > 3 ? 3 : 2}>
          {found!.map((f, i) => (
            <FormField key={i} label={f.name}>
              <Input value={f.value} onChange={({ detail }) => change({ body: f.with(detail.value) })} />
            </FormField>
          ))}
        </ColumnLayout>
      ) : (
        <FormField label="Body" description="One row a line for CSV. A row of CSV, or a document of JSON, can be edited as a form." stretch>
          <Textarea value={value.body} rows={8} spellcheck={false} placeholder={value.type === "text/csv" ? "0.1,0.2,0.3" : '{"instances": [[0.1, 0.2]]}'} onChange={({ detail }) => change({ body: detail.value })} ariaLabel="Body" />
        </FormField>
      )}
    </SpaceBetween>
  );
}

/** Bytes of a file, and rows of it, that are looked at. */
const BYTES = 64 * 1024;
const ROWS = 50;

function FromFile({ take }: { take: (body: string, names: string[]) => void }) {
  const [open, setOpen] = useState(false);
  const [uri, setUri] = useState("");
  const [file, setFile] = useState<Sheet>();
  const [without, setWithout] = useState(-1);
  const [row, setRow] = useState(0);
  const [error, setError] = useState<unknown>();
  const read = async (from: string) => {
    if (from === uri) return; // the field says it again when it is left
    setUri(from);
    setFile(undefined);
    setError(undefined);
    const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+[^/])$/.exec(from) ?? [];
    if (!bucket || !key) return;
    try {
      const { body, size } = await head(bucket, key, BYTES);
      const text = new TextDecoder().decode(body);
      const found = sheet(body.length < size ? text.slice(0, text.lastIndexOf("\n")) : text, ROWS);
      setFile(found);
      setWithout(-1);
      setRow(0);
    } catch (failed) {
      setError(failed);
    }
  };
  const names = file?.names ?? [];
  const column = (i: number) => (i < 0 ? { value: "-1", label: "None" } : { value: String(i), label: names[i]! });
  const done = () => {
    const made = rowOf(file!, row, without);
    take(made.body, made.names);
    setOpen(false);
  };
  return (
    <>
      <Button onClick={() => setOpen(true)}>From a CSV file</Button>
      {open && (
        <Modal
          visible
          size="large"
          header="A request from a row of a CSV file"
          closeAriaLabel="Close"
          onDismiss={() => setOpen(false)}
          footer={
            <Box float="right">
              <SpaceBetween direction="horizontal" size="xs">
                <Button variant="link" onClick={() => setOpen(false)}>Cancel</Button>
                <Button variant="primary" disabled={!file?.rows.length} onClick={done}>Take the row</Button>
              </SpaceBetween>
            </Box>
          }
        >
          <SpaceBetween size="m">
            <S3Field label="File" description="Its header, if it has one, names the fields." value={uri} change={(next) => void read(next)} only="objects" />
            {error !== undefined && <ErrorPanel error={error} doing="The file cannot be read" />}
            {file && (
              <ColumnLayout columns={2}>
                <FormField label="Row">
                  <Select selectedOption={{ value: String(row), label: `Row ${row + 1}` }} options={file.rows.map((r, i) => ({ value: String(i), label: `Row ${i + 1}`, description: r.join(", ").slice(0, 90) }))} onChange={({ detail }) => setRow(Number(detail.selectedOption.value))} />
                </FormField>
                <FormField label="Leave out" description="The column that the model is to say.">
                  <Select selectedOption={column(without)} options={[column(-1), ...names.map((_, i) => column(i))]} onChange={({ detail }) => setWithout(Number(detail.selectedOption.value))} filteringType="auto" />
                </FormField>
              </ColumnLayout>
            )}
          </SpaceBetween>
        </Modal>
      )}
    </>
  );
}
