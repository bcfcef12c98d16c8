/** An s3:// URI that leads to the object or folder in Data, and can be copied. */
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import { Link } from "react-router";

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
      {href ? <Link className="text-link mono" to={href}>{uri}</Link> : <span className="mono">{uri}</span>}
      <CopyToClipboard variant="icon" textToCopy={uri} copyButtonAriaLabel="Copy the URI" copySuccessText="Copied" copyErrorText="Not copied" />
    </span>
  );
}
