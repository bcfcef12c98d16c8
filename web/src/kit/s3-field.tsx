/** A place in S3: typed, or found by looking through the buckets. */
import { ListBucketsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import FormField from "@cloudscape-design/components/form-field";
import S3ResourceSelector from "@cloudscape-design/components/s3-resource-selector";

import { s3 } from "./aws/s3";

const WORDS = {
  inContextInputPlaceholder: "s3://bucket/prefix/",
  inContextBrowseButton: "Browse",
  inContextViewButton: "View",
  inContextViewButtonAriaLabel: "View in a new tab",
  inContextUriLabel: "S3 URI",
  modalTitle: "Choose a place in S3",
  modalCancelButton: "Cancel",
  modalSubmitButton: "Choose",
  modalBreadcrumbRootItem: "Buckets",
  selectionBuckets: "Buckets",
  selectionObjects: "Objects",
  selectionBucketsSearchPlaceholder: "Find a bucket",
  selectionObjectsSearchPlaceholder: "Find an object by its beginning",
  selectionBucketsLoading: "Loading",
  selectionBucketsNoItems: "There is no bucket",
  selectionObjectsLoading: "Loading",
  selectionObjectsNoItems: "There is nothing here",
  filteringCounterText: (n: number) => `${n} found`,
  filteringNoMatches: "Nothing matches",
  filteringCantFindMatch: "Nothing has that name",
  clearFilterButtonText: "Show everything",
  columnBucketName: "Name",
  columnBucketCreationDate: "Created",
  columnObjectKey: "Key",
  columnObjectLastModified: "Last change",
  columnObjectSize: "Size",
  labelFiltering: (what: string) => `Find in ${what.toLowerCase()}`,
  labelClearFilter: "Clear",
  labelsBucketsSelection: { selectionGroupLabel: "Choose a bucket", itemSelectionLabel: (_: unknown, bucket: { Name?: string }) => `Choose ${bucket.Name}` },
  labelsObjectsSelection: { selectionGroupLabel: "Choose an object", itemSelectionLabel: (_: unknown, object: { Key?: string }) => `Choose ${object.Key}` },
  labelIconFolder: "Folder",
  labelIconObject: "Object",
  labelRefresh: "Load anew",
  labelModalDismiss: "Close",
  labelBreadcrumbs: "Where this is",
  labelExpandBreadcrumbs: "Show the path",
};

export interface S3FieldProps {
  label: string;
  description?: string;
  value: string;
  change: (uri: string) => void;
  /** What may be chosen: folders too, or objects alone. */
  only?: "objects";
  error?: string | undefined;
}

export function S3Field({ label, description, value, change, only, error }: S3FieldProps) {
  return (
    <FormField constraintText={description} errorText={error} stretch>
      <S3ResourceSelector
        resource={{ uri: value }}
        selectableItemsTypes={only ? ["objects"] : ["buckets", "objects"]}
        inputPlaceholder="s3://bucket/prefix/"
        i18nStrings={{ ...WORDS, inContextUriLabel: label }}
        onChange={({ detail }) => change(detail.resource.uri)}
        fetchBuckets={async () => (await s3().send(new ListBucketsCommand({}))).Buckets?.map((b) => ({ Name: b.Name!, CreationDate: b.CreationDate?.toISOString() ?? "" })) ?? []}
        fetchObjects={async (Bucket, Prefix) => {
          const { CommonPrefixes = [], Contents = [] } = await s3().send(new ListObjectsV2Command({ Bucket, Prefix, Delimiter: "/" }));
          return [
            ...CommonPrefixes.map((p) => ({ Key: p.Prefix!.slice(Prefix.length), IsFolder: true })),
            ...Contents.filter((o) => o.Key !== Prefix).map((o) => ({ Key: o.Key!.slice(Prefix.length), LastModified: o.LastModified?.toISOString() ?? "", Size: o.Size ?? 0, IsFolder: false })),
          ];
        }}
        fetchVersions={() => Promise.resolve([])}
      />
    </FormField>
  );
}
