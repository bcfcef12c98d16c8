/**
 * Studio's own endpoints: session, credentials, events. Everything else goes to the public AWS API.
 * The shapes are those of docs/reference/studio-endpoints.md; nothing but this module knows the paths.
 */
export const BASE = "/_sagewright/studio";

export interface Session {
  DomainId: string;
  DomainName: string;
  UserProfileName: string;
  /** What jobs and notebooks of the profile run with. */
  ExecutionRole: string;
  /** What the pages work with. */
  SignInRole: string;
  SpaceName?: string;
  HasPassword: boolean;
  MaySetPassword: boolean;
  /** Epoch seconds, as all times here. */
  Expires: number;
  /** Those that this server runs, and what the machine has to get first. */
  AppTypes: { AppType: string; Lacks: string }[];
  Region: string;
  Account: string;
  Endpoint: string;
  Version: string;
  /** The last change that there was: a stream that begins after it misses none that the pages do not read by themselves. */
  LastEvent: string;
}

export interface Credentials {
  AccessKeyId: string;
  SecretAccessKey: string;
  SessionToken: string;
  Expiration: number;
}

/** What the server said when it said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId?: string,
  ) {
    super(message);
    this.name = code;
  }
}

async function ask<T>(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<T> {
  const answer = await fetch(`${BASE}/api/${path}`, {
    method,
    headers: method === "GET" ? {} : { "content-type": "application/json" },
    body: body ? JSON.stringify(body) : null,
    credentials: "same-origin",
  });
  const text = await answer.text();
  const said: unknown = text.startsWith("{") ? JSON.parse(text) : {};
  if (!answer.ok) {
    const { __type: code = `HTTP ${answer.status}`, message = answer.statusText, RequestId } = said as Record<string, string | undefined>;
    throw new Refused(answer.status, code, message, RequestId);
  }
  return said as T;
}

/** What is asked of a session; null when there is none any more. */
async function whileSignedIn<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return null;
    throw error;
  }
}

/** Who is signed in; null when nobody is. */
export const session = () => whileSignedIn(ask<Session>("GET", "session"));

export const signIn = (UserProfileName: string, Password: string) => ask<Session>("POST", "session", { UserProfileName, Password });
/** Fine for a session that has ended by itself. */
export const signOut = () => whileSignedIn(ask<object>("DELETE", "session"));
export const setPassword = (Password: string, Current?: string) => ask<object>("POST", "password", { Password, ...(Current && { Current }) });
export const credentials = () => ask<Credentials>("POST", "credentials", {});
export const eventsUrl = (after: string) => `${BASE}/api/events?${new URLSearchParams({ after })}`;
