/** The frame around every page: what there is on the left, where one is at the top, details below. */
import AppLayout from "@cloudscape-design/components/app-layout";
import SideNavigation, { type SideNavigationProps } from "@cloudscape-design/components/side-navigation";
import { Suspense, useEffect, useMemo, useState } from "react";
import { Outlet, useHref, useLocation, useMatches, useNavigate, useNavigation } from "react-router";

import { Frame } from "../kit/frame";
import { Notifications } from "../kit/notify";
import { navigation } from "../registry";
import { Palette } from "./palette";
import { TopBar } from "./top-bar";

export function Shell() {
  const navigate = useNavigate();
  const { pathname, search } = useLocation();
  const at = useHref({ pathname, search });
  const matches = useMatches();
  const pending = useNavigation().state !== "idle";
  const [open, setOpen] = useState(() => matchMedia("(min-width: 900px)").matches);
  const [panel, setPanel] = useState<React.ReactNode>(null);
  const [panelOpen, setPanelOpen] = useState(false);
  const [palette, setPalette] = useState(false);

  const title = (matches.at(-1)?.handle as { title?: string } | undefined)?.title;
  const name = matches.at(-1)?.params["name"];
  useEffect(() => {
    document.title = [name, title, "Sagewright Studio"].filter(Boolean).join(" · ");
  }, [name, title]);

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setPalette(true);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

  const items = useMemo(
    () =>
      navigation.flatMap(({ section, items }): SideNavigationProps.Item[] => {
        const links = items.map(({ label, href }) => ({ type: "link" as const, text: label, href }));
        return section ? [{ type: "section", text: section, items: links }] : links;
      }),
    [],
  );
  const active = navigation.flatMap((s) => s.items).map((i) => i.href).filter((h) => pathname === h || pathname.startsWith(`${h}/`)).sort((a, b) => b.length - a.length)[0];
  const frame = useMemo(() => ({ setPanel, setPanelOpen, openPalette: () => setPalette(true) }), []);

  return (
    <Frame value={frame}>
      <TopBar search={() => setPalette(true)} />
      <AppLayout
        headerSelector="#top"
        navigationOpen={open}
        onNavigationChange={({ detail }) => setOpen(detail.open)}
        navigationWidth={230}
        toolsHide
        navigation={
          <SideNavigation
            items={items}
            activeHref={active ?? (pathname === "/" ? "/" : "")}
            onFollow={(event) => {
              event.preventDefault();
              void navigate(event.detail.href);
            }}
          />
        }
        notifications={<Notifications />}
        stickyNotifications
        content={
          <div id="main" tabIndex={-1} className={pending ? "page leaving" : "page"} data-at={at}>
            <Suspense fallback={null}>
              <Outlet />
            </Suspense>
          </div>
        }
        splitPanel={panel}
        splitPanelOpen={panelOpen}
        onSplitPanelToggle={({ detail }) => setPanelOpen(detail.open)}
        splitPanelPreferences={{ position: "bottom" }}
        ariaLabels={{ navigation: "Pages", navigationToggle: "Show the pages", navigationClose: "Hide the pages", notifications: "Messages" }}
      />
      {palette && <Palette close={() => setPalette(false)} />}
    </Frame>
  );
}
