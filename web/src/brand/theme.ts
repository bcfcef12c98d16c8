/**
 * Sagewright's colours and type, as Cloudscape's design tokens. Turned into one stylesheet at build time, so that the
 * content security policy needs no inline style. Text colours keep a contrast of 4.5 to 1 on their backgrounds.
 */
import type { Theme } from "@cloudscape-design/components/theming";

const sage = { 50: "#eef6f0", 100: "#dcecdf", 200: "#b9d8c1", 300: "#8fc3a1", 400: "#67ad83", 600: "#2b7a53", 700: "#1f6344", 800: "#174c35", 900: "#103626" };
const both = (light: string, dark: string) => ({ light, dark });
const accent = both(sage[600], sage[300]);
const hover = both(sage[700], sage[200]);
const active = both(sage[800], sage[100]);

export const theme: Theme = {
  tokens: {
    fontFamilyBase: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
    fontFamilyHeading: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
    fontFamilyMonospace: "ui-monospace, 'SFMono-Regular', Menlo, Consolas, 'Liberation Mono', monospace",
    borderRadiusButton: "8px",
    borderRadiusContainer: "12px",
    borderRadiusInput: "8px",
    colorTextAccent: accent,
    colorTextLinkDefault: both("#1d6a45", sage[300]),
    colorTextLinkHover: both(sage[800], sage[200]),
    colorBackgroundButtonPrimaryDefault: accent,
    colorBackgroundButtonPrimaryHover: hover,
    colorBackgroundButtonPrimaryActive: active,
    colorTextButtonPrimaryDefault: both("#ffffff", "#0c1f16"),
    colorTextButtonPrimaryHover: both("#ffffff", "#0c1f16"),
    colorTextButtonPrimaryActive: both("#ffffff", "#0c1f16"),
    colorBorderButtonNormalDefault: accent,
    colorBorderButtonNormalHover: hover,
    colorBorderButtonNormalActive: active,
    colorTextButtonNormalDefault: both("#1d6a45", sage[300]),
    colorTextButtonNormalHover: both(sage[800], sage[200]),
    colorTextButtonNormalActive: both(sage[800], sage[200]),
    colorBackgroundButtonNormalHover: both(sage[50], "#14251c"),
    colorBackgroundButtonNormalActive: both(sage[100], "#1a3125"),
    colorBackgroundButtonLinkHover: both(sage[50], "#14251c"),
    colorTextButtonLinkDefault: both("#1d6a45", sage[300]),
    colorBackgroundControlChecked: accent,
    colorBorderItemSelected: accent,
    colorBorderItemFocused: both("#1a5f8a", "#8ec7f0"),
    colorBackgroundItemSelected: both(sage[50], "#14251c"),
    colorItemSelected: accent,
    colorBackgroundSegmentActive: accent,
    colorTextInteractiveActive: both("#15301f", "#f3f8f5"),
    colorTextInteractiveHover: both("#15301f", "#f3f8f5"),
    colorBackgroundInputDefault: both("#ffffff", "#0f1713"),
    colorBackgroundButtonNormalDefault: both("#ffffff", "#131c18"),
    colorBackgroundDropdownItemDefault: both("#ffffff", "#17211c"),
    colorBackgroundSegmentDefault: both("#ffffff", "#0f1713"),
    colorBackgroundSegmentWrapper: both("#ffffff", "#0f1713"),
    colorBackgroundControlDefault: both("#ffffff", "#0f1713"),
    colorBackgroundLayoutMain: both("#fbfcfb", "#0e1512"),
    colorBackgroundContainerContent: both("#ffffff", "#131c18"),
    colorBackgroundContainerHeader: both("#ffffff", "#131c18"),
    colorBackgroundLayoutPanel: both("#ffffff", "#0e1512"),
    colorBackgroundInputDisabled: both("#eef2ef", "#1a2420"),
    colorBackgroundControlDisabled: both("#d3dad5", "#2a3630"),
    colorBackgroundButtonNormalDisabled: both("#ffffff", "#131c18"),
    colorBackgroundButtonPrimaryDisabled: both("#eef2ef", "#1a2420"),
    colorBackgroundDropdownItemHover: both(sage[50], "#1d2a23"),
    colorBackgroundDropdownItemFilterMatch: both(sage[50], "#1d2a23"),
    colorBackgroundProgressBarValueDefault: accent,
    colorBackgroundSliderRangeDefault: accent,
    colorBackgroundSliderHandleDefault: accent,
    colorBackgroundNotificationBlue: both("#22604a", "#2b7a53"),
  },
};
