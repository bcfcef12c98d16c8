/** What every AWS client in the browser is given: this origin, this session's credentials, renewed before they end. */
import { credentials, type Session } from "./server";

let about: Pick<Session, "DomainId" | "Region" | "Endpoint" | "Account" | "ExecutionRole" | "SignInRole"> | undefined;

/** Called once, when the session is known and before any page is shown. */
export function workAs(session: Session): void {
  about = session;
  // the first page's first calls need them: asked for while it is being drawn; why there are none, those calls tell
  void keys().catch(() => undefined);
}

/** Who and where this session is. */
export function here(): NonNullable<typeof about> {
  if (!about) throw new Error("nobody is signed in");
  return about;
}

interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

/** Seconds before their end at which credentials are asked for anew. */
const EARLY = 300;
let held: Keys | undefined;
let asked: Promise<Keys> | undefined;

/** One request for all clients, however many ask at once. */
async function keys(): Promise<Keys> {
  if (held && held.expiration.getTime() - Date.now() > EARLY * 1000) return held;
  asked ??= credentials()
    .then((c) => {
      held = {
        accessKeyId: c.AccessKeyId,
        secretAccessKey: c.SecretAccessKey,
        sessionToken: c.SessionToken,
        expiration: new Date(c.Expiration * 1000),
      };
      return held;
    })
    .finally(() => (asked = undefined));
  return asked;
}

export const settings = () => ({ endpoint: location.origin, region: here().Region, credentials: keys, maxAttempts: 2 });

/** A client that is made when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
