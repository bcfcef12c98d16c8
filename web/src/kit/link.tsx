/** A link to a page of Studio, which arrow keys reach in a table as they do the component library's own parts. */
import { useSingleTabStopNavigation } from "@cloudscape-design/component-toolkit/internal";
import { useRef, type MouseEventHandler, type ReactNode, type RefObject } from "react";
import { Link } from "react-router";

export interface PageLinkProps {
  href: string;
  children: ReactNode;
  className?: string;
  title?: string | undefined;
  onClick?: MouseEventHandler;
}

export function PageLink({ href, children, className = "text-link", title, onClick }: PageLinkProps) {
  const anchor = useRef<HTMLAnchorElement>(null);
  // a table with keyboard navigation knows only what is registered with it, and has one stop of Tab; elsewhere this does nothing
  const { tabIndex } = useSingleTabStopNavigation(anchor as RefObject<HTMLElement>);
  return (
    <Link ref={anchor} className={className} to={href} title={title} tabIndex={tabIndex} onClick={onClick}>
      {children}
    </Link>
  );
}
