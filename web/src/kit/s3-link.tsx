/** An s3:// URI that leads to the object or folder in Data, and can be copied. */
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";

import { PageLink } from "./link";

export function dataHref(uri: string): string | undefined {
  const found = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri);
  if (!found) return undefined;
  const [, bucket = "", key = ""] = found;
  const folder = key === "" || key.endsWith("/");
  const params = new URLSearchParams(folder ? { ...(key && { prefix: key }) } : { prefix: key.slice(0, key.lastIndexOf("/") + 1), object: key });
  return `/data/${bucket}${params.size ? `?${params}` : ""}`;
}

export function S3Link({ uri }: { uri: string | undefined }) {
  if (!uri) return <>–</>;
  const href = dataHref(uri);
  return (
    <span className="s3-link">
      {href ? <PageLink className="text-link mono" href={href}>{uri}</PageLink> : <span className="mono">{uri}</span>}
      <CopyToClipboard variant="icon" textToCopy={uri} copyButtonAriaLabel="Copy the URI" copySuccessText="Copied" copyErrorText="Not copied" />
    </span>
  );
}
