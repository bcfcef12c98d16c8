/** A link that anybody can open for a while, with the rights of whoever made it. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Modal from "@cloudscape-design/components/modal";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { SignatureV4 } from "@smithy/signature-v4";
import { useState } from "react";

import { s3 } from "../../kit/aws/s3";
import { here, settings } from "../../kit/clients";
import { Code, CodePanel } from "../../kit/code";
import { ErrorPanel } from "../../kit/errors";
import { useLoad } from "../../kit/load";

const SPANS: Record<string, string> = { "300": "5 minutes", "900": "15 minutes", "3600": "1 hour" };

/** Each part of the key as S3 signs it. */
const escaped = (key: string) => key.split("/").map((p) => encodeURIComponent(p).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)).join("/");

async function presigned(bucket: string, key: string, expiresIn: number): Promise<string> {
  const signer = new SignatureV4({ service: "s3", region: here().Region, credentials: settings().credentials, sha256: s3().config.sha256, uriEscapePath: false, applyChecksum: false });
  const path = `/${bucket}/${escaped(key)}`;
  const { query = {} } = await signer.presign(
    { method: "GET", protocol: location.protocol, hostname: location.hostname, ...(location.port && { port: Number(location.port) }), path, query: {}, headers: { host: location.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } },
    { expiresIn, unhoistableHeaders: new Set(), unsignableHeaders: new Set(["x-amz-content-sha256"]) },
  );
  return `${location.origin}${path}?${Object.entries(query).map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(String(v))}`).join("&")}`;
}

export function Presign({ bucket, name }: { bucket: string; name: string | undefined }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button disabled={!name} onClick={() => setOpen(true)}>Share a link</Button>
      {open && name && <Shared bucket={bucket} name={name} close={() => setOpen(false)} />}
    </>
  );
}

function Shared({ bucket, name, close }: { bucket: string; name: string; close: () => void }) {
  const [span, setSpan] = useState("900");
  const { value, error } = useLoad(() => presigned(bucket, name, Number(span)), [bucket, name, span]);
  return (
    <Modal visible size="large" header={`A link to ${name.split("/").pop()}`} closeAriaLabel="Close" onDismiss={close} footer={<Box float="right"><Button variant="primary" onClick={close}>Done</Button></Box>}>
      <SpaceBetween size="m">
        <FormField label="Good for" description="And no longer than the keys of this session, which last an hour at most. Whoever has the link can read the object: it is not kept anywhere.">
          <Select selectedOption={{ value: span, label: SPANS[span]! }} options={Object.entries(SPANS).map(([v, label]) => ({ value: v, label }))} onChange={({ detail }) => setSpan(detail.selectedOption.value!)} />
        </FormField>
        {error !== undefined && <ErrorPanel error={error} doing="The link cannot be made" />}
        {value && <Code label="Link" text={value} />}
        <CodePanel
          snippet={{
            calls: [{ service: "s3", operation: "GetObject", input: { Bucket: bucket, Key: name } }],
            boto3: `import boto3\n\ns3 = boto3.client("s3")\nprint(s3.generate_presigned_url("get_object", Params={"Bucket": ${JSON.stringify(bucket)}, "Key": ${JSON.stringify(name)}}, ExpiresIn=${span}))`,
          }}
        />
      </SpaceBetween>
    </Modal>
  );
}
