/** Who is signed in decides what is shown: the sign-in page, or the workplace. */
import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ComponentType } from "react";
import { createBrowserRouter, RouterProvider, useParams, type RouteObject } from "react-router";

import { workAs } from "./kit/clients";
import { ErrorPanel } from "./kit/errors";
import { hangUp, listen } from "./kit/events";
import { useMode } from "./kit/mode";
import { notify } from "./kit/notify";
import { BASE, session, signOut, type Session } from "./kit/server";
import { SessionContext } from "./kit/session";
import { Waiting } from "./kit/waiting";
import { capabilities } from "./registry";
import { Shell } from "./shell";
import { NotFound, PageFault } from "./shell/faults";

const SignIn = lazy(() => import("./shell/sign-in"));

const routes: RouteObject[] = [
  {
    element: <Shell />,
    errorElement: <PageFault />,
    HydrateFallback: Opening,
    children: [
      ...capabilities.flatMap((c) =>
        c.routes.map(({ path, title, load }) => ({
          path,
          handle: { title },
          errorElement: <PageFault />,
          lazy: async () => ({ Component: keyed((await load()).default) }),
        })),
      ),
      { path: "*", handle: { title: "Not found" }, element: <NotFound /> },
    ],
  },
];

/** A page of another thing is another page: nothing stays of the one before, neither what it showed nor what was typed. */
function keyed(Component: ComponentType): ComponentType {
  return function Page() {
    return <Component key={JSON.stringify(useParams())} />;
  };
}

export function App() {
  const [who, setWho] = useState<Session | null>();
  const [error, setError] = useState<unknown>();
  useMode();
  /** Whose this document is: its clients have their keys, its pages what they have read. For anybody else, or nobody, it is loaded anew. */
  const whose = useRef<string>(undefined);
  const enter = useCallback((found: Session | null) => {
    const name = found ? `${found.DomainId}/${found.UserProfileName}` : undefined;
    if (whose.current && whose.current !== name) return location.reload();
    whose.current = name;
    setError(undefined);
    if (found && name) {
      workAs(found);
      listen(name, found.LastEvent);
    }
    setWho(found);
  }, []);
  const ask = useCallback(() => void session().then(enter, setError), [enter]);
  useEffect(ask, [ask]);
  const leave = useCallback(async () => {
    try {
      await signOut();
    } catch (error) {
      return notify.failed("Not signed out", error);
    }
    hangUp();
    location.reload();
  }, []);
  return (
    <I18nProvider locale="en" messages={[messages]}>
      {error ? (
        <main className="centre">
          <ErrorPanel error={error} retry={ask} />
        </main>
      ) : who === undefined ? (
        <Opening />
      ) : who === null ? (
        <Suspense fallback={null}>
          <SignIn entered={enter} />
        </Suspense>
      ) : (
        <SessionContext value={{ who, leave, changed: ask }}>
          <Workplace />
        </SessionContext>
      )}
    </I18nProvider>
  );
}

/** The router is made once somebody is signed in, so that no page loads anything before. */
function Workplace() {
  const [router] = useState(() => createBrowserRouter(routes, { basename: BASE }));
  return <RouterProvider router={router} />;
}

function Opening() {
  return (
    <main className="centre">
      <Waiting size="large" />
    </main>
  );
}
