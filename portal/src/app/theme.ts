import { createTheme } from "@mantine/core";

/** Calm and dense: small radii, system fonts (nothing is loaded), one accent. */
export const theme = createTheme({
  primaryColor: "blue",
  // `autoContrast` chooses the color of texts for the light shade, so both schemes have the same one.
  primaryShade: 8,
  autoContrast: true,
  defaultRadius: "sm",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  headings: { fontWeight: "600" },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // The color is in the background of a badge; its own color of texts has too little contrast on it.
    Badge: { defaultProps: { tt: "none" }, styles: { label: { color: "var(--mantine-color-text)" } } },
    Modal: {
      defaultProps: { closeButtonProps: { "aria-label": "Close" }, overlayProps: { backgroundOpacity: 0.5 } },
      styles: { title: { fontWeight: 600, overflow: "hidden", textOverflow: "ellipsis" } },
    },
    Tooltip: { defaultProps: { openDelay: 400, withArrow: true } },
    Button: { defaultProps: { size: "sm" } },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Close the message" } } },
  },
});
