import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import { Link, useNavigate } from "react-router";

import { useStream } from "../kit/events";
import { useMode } from "../kit/mode";
import { useSession } from "../kit/session";
import { times } from "../kit/time";

const LIVE = {
  live: "Live: changes show by themselves",
  connecting: "Connecting for live changes",
  off: "Not live: reload to see changes",
};

export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#2b7a53" />
      <path d="M16 27V14" stroke="#eef6f0" strokeWidth="2.4" strokeLinecap="round" />
      <path d="M16 17C9.500 17 6.500 13 6.500 7c6 0 9.500 3.500 9.500 10z" fill="#b9d8c1" />
      <path d="M16 21c0-6 3.500-9.500 9.500-9.500 0 6-3 9.500-9.500 9.500z" fill="#eef6f0" />
    </svg>
  );
}

export function TopBar({ search }: { search: () => void }) {
  const { who, leave } = useSession();
  const navigate = useNavigate();
  const [, choose, choice] = useMode();
  const stream = useStream();
  const mode = times.use();
  const mac = navigator.platform.startsWith("Mac");
  return (
    <header id="top" className="top">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the address is the view's, not the focus's
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the page
      </a>
      <Link to="/" className="top-brand" aria-label="Sagewright Studio, overview">
        <Mark />
        <span>Sagewright <b>Studio</b></span>
      </Link>
      <button type="button" className="top-search" onClick={search} aria-keyshortcuts={mac ? "Meta+K" : "Control+K"}>
        <span>Search or jump to…</span>
        <kbd>{mac ? "⌘" : "Ctrl"} K</kbd>
      </button>
      <span className={`live live-${stream}`} role="status" title={LIVE[stream]}>
        <i aria-hidden="true" />
        <span>{stream === "live" ? "Live" : stream === "connecting" ? "Connecting" : "Not live"}</span>
      </span>
      <span className="top-region" title="Region">{who.Region}</span>
      <div className="top-user awsui-dark-mode">
        <ButtonDropdown
          variant="normal"
          items={[
            { id: "whoami", text: `Account ${who.Account}`, secondaryText: `Domain ${who.DomainName}`, disabled: true },
            // not a group: its heading would have the colour of the page's mode, and the menu is always dark
            { id: "mode:light", itemType: "checkbox", checked: choice === "light", text: "Appearance: light" },
            { id: "mode:dark", itemType: "checkbox", checked: choice === "dark", text: "Appearance: dark" },
            { id: "mode:system", itemType: "checkbox", checked: choice === "system", text: "Appearance: as the system" },
            { id: "times", itemType: "checkbox", checked: mode === "absolute", text: "Exact times" },
            { id: "settings", text: "Settings" },
            { id: "leave", text: "Sign out" },
          ]}
          onItemClick={({ detail: { id } }) => {
            if (id.startsWith("mode:")) choose(id.slice(5) as "light");
            if (id === "times") times.set(mode === "absolute" ? "relative" : "absolute");
            if (id === "settings") void navigate("/settings");
            if (id === "leave") void leave();
          }}
        >
          {who.UserProfileName}
        </ButtonDropdown>
      </div>
    </header>
  );
}
