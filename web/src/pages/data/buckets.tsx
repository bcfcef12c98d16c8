import { CreateBucketCommand, DeleteBucketCommand, type Bucket } from "@aws-sdk/client-s3";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { useNavigate } from "react-router";

import { s3 } from "../../kit/aws/s3";
import { Confirm } from "../../kit/confirm";
import { ErrorPanel } from "../../kit/errors";
import { NameLink, ResourceTable } from "../../kit/table";
import { RelativeTime } from "../../kit/time";
import { buckets } from "./api";

const TEACH = `import boto3

s3 = boto3.client("s3")
s3.create_bucket(Bucket="my-bucket")
s3.upload_file("train.csv", "my-bucket", "train/train.csv")`;

export default function Buckets() {
  return (
    <ResourceTable<Bucket, "Name" | "CreationDate">
      kinds={["Bucket"]}
      title="Data"
      noun="bucket"
      description="Buckets of objects, by S3's API: what jobs read and what they leave."
      list={async ({ NameContains = "", SortBy, SortOrder }, abort) => {
        const all = (await buckets(abort)).filter((b) => b.Name!.includes(NameContains));
        const key = (b: Bucket) => (SortBy === "CreationDate" ? b.CreationDate!.getTime() : b.Name!);
        all.sort((a, b) => (key(a) < key(b) ? -1 : 1));
        return { items: SortOrder === "Descending" ? all.reverse() : all, next: undefined };
      }}
      id={(b) => b.Name!}
      sort="CreationDate"
      columns={[
        { id: "name", header: "Bucket", sort: "Name", width: 420, cell: (b) => <NameLink href={`/data/${b.Name}`}>{b.Name}</NameLink> },
        { id: "created", header: "Created", sort: "CreationDate", width: 200, cell: (b) => <RelativeTime at={b.CreationDate} /> },
        { id: "uri", header: "URI", cell: (b) => <span className="mono">s3://{b.Name}</span> },
      ]}
      actions={(chosen, done) => (
        <Confirm label="Delete" question={`Delete ${chosen[0]?.Name ?? ""}?`} disabled={chosen.length !== 1} run={() => s3().send(new DeleteBucketCommand({ Bucket: chosen[0]!.Name! }))} said="Deleted." done={done}>
          Only an empty bucket can be deleted.
        </Confirm>
      )}
      primary={<NewBucket />}
      code={() => ({ calls: [{ service: "s3", operation: "ListBuckets", input: {} }] })}
      teach={{ text: "A bucket holds files of any kind under names of your choice. Jobs read from it and write to it.", code: TEACH }}
    />
  );
}

function NewBucket() {
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await s3().send(new CreateBucketCommand({ Bucket: name }));
      void navigate(`/data/${name}`);
    } catch (failed) {
      setError(failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>Create a bucket</Button>
      {open && (
        <Modal
          visible
          header="Create a bucket"
          closeAriaLabel="Close"
          onDismiss={() => setOpen(false)}
          footer={
            <Box float="right">
              <SpaceBetween direction="horizontal" size="xs">
                <Button variant="link" onClick={() => setOpen(false)}>Cancel</Button>
                <Button variant="primary" loading={busy} disabled={!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)} onClick={() => void create()}>Create</Button>
              </SpaceBetween>
            </Box>
          }
        >
          <SpaceBetween size="m">
            <FormField label="Name" constraintText="3 to 63 lower-case letters, digits, dots and hyphens.">
              <Input value={name} onChange={({ detail }) => setName(detail.value)} autoFocus />
            </FormField>
            {error !== undefined && <ErrorPanel error={error} />}
          </SpaceBetween>
        </Modal>
      )}
    </>
  );
}
