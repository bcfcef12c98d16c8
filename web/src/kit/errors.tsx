/** An error as the server told it: code, message, request id, and where there is one the cause. Nothing is swallowed. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";
import { Link, useInRouterContext } from "react-router";

export interface Told {
  code: string;
  message: string;
  requestId?: string | undefined;
  status?: number | undefined;
}

export function told(error: unknown): Told {
  if (!(error instanceof Error)) return { code: "Error", message: String(error) };
  const { $metadata, requestId, status } = error as Error & {
    $metadata?: { requestId?: string; httpStatusCode?: number };
    requestId?: string;
    status?: number;
  };
  // as browsers say it, each in its own words; a server's answer may speak of networks, too
  const unreached = error.name === "TypeError" && /fetch|network|load failed/i.test(error.message);
  return {
    code: unreached ? "NetworkError" : error.name,
    message: unreached ? "The server cannot be reached. Is it still running?" : error.message,
    requestId: $metadata?.requestId ?? requestId,
    status: $metadata?.httpStatusCode ?? status,
  };
}

/** The page that says which statement denies it, where the message names who wanted what. */
function explained({ message }: Told): string | undefined {
  const [, principal, action, resource] = /(?:User: )?(arn:\S+) is not authorized to perform: (\S+)(?: on resource: "?([^\s"]+))?/.exec(message) ?? [];
  if (!principal || !action) return undefined;
  return `/access/explain?${new URLSearchParams({ principal, action, resource: resource?.startsWith("arn:") ? resource : "*" })}`;
}

/** Whether the session, and the keys that it gave, are no more: the page, loaded anew, asks who one is. */
const ended = ({ code }: Pick<Told, "code">) => /ExpiredToken|NotSignedIn|InvalidClientTokenId|InvalidAccessKeyId|UnrecognizedClient/.test(code);

/** What a person can do about it. */
function usual({ code }: Told): string | undefined {
  if (/AccessDenied|Unauthorized/.test(code)) return "The role of this profile does not allow it. An administrator can add the action named above to the role's policy.";
  if (ended({ code })) return "The session has ended: sign in again.";
  if (code === "NetworkError") return "Start it with `sagewright up`, then try again.";
  return undefined;
}

/** `advice`: what a person can do about it here, where the page knows better than the code of the error. */
export function ErrorPanel({ error, retry, doing, advice }: { error: unknown; retry?: () => void; doing?: string; advice?: ReactNode }) {
  const t = told(error);
  const routed = useInRouterContext(); // before anybody has signed in there is no page to go to
  const denial = explained(t);
  return (
    <Alert type="error" header={doing ? `${doing}: ${t.code}` : t.code} action={ended(t) ? <Button onClick={() => location.reload()}>Sign in</Button> : retry && <Button onClick={retry}>Try again</Button>}>
      <SpaceBetween size="xxs">
        <Box variant="span" color="inherit">
          <span className="said">{t.message}</span>
        </Box>
        {advice ?? (usual(t) && <span>{usual(t)}</span>)}
        {routed && denial && <Link className="text-link" to={denial}>Explain this denial</Link>}
        {t.requestId && (
          <span className="dim">
            Request id <CopyToClipboard variant="inline" textToCopy={t.requestId} copyButtonAriaLabel="Copy the request id" copySuccessText="Copied" copyErrorText="Not copied" />
          </span>
        )}
      </SpaceBetween>
    </Alert>
  );
}

/** Why something failed by itself: the text that its resource carries. */
export function FailureReason({ reason }: { reason: string | undefined }) {
  if (!reason) return null;
  const [first, ...rest] = reason.split("\n");
  return (
    <Alert type="error" header={first && first.length < 160 ? first : "It failed"}>
      <pre className="said">{first && first.length < 160 ? rest.join("\n") || "The log says more." : reason}</pre>
    </Alert>
  );
}
