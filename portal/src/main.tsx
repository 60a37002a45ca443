import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@mantine/spotlight/styles.css";
import "./app/app.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { PREFIX } from "./api/prefix";
import { ErrorBoundary } from "./app/ErrorBoundary";
import { formerAddress } from "./app/formerAddress";
import { queryClient } from "./app/queryClient";
import { Shell } from "./app/Shell";
import { theme } from "./app/theme";

// Style elements without it are refused by the content security policy.
const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";

// Read by the package get-nonce for the styles of react-remove-scroll, which Mantine's dialogs use.
Object.assign(globalThis, { __webpack_nonce__: nonce });

// Relative to the first address; it would be another file after the next one.
const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
if (icon) icon.href = `${PREFIX}/portal/icon.svg`;

const former = formerAddress(window.location.pathname, window.location.hash);
if (former) window.history.replaceState(null, "", former);

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element 'root'.");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce} forceColorScheme={undefined}>
      <QueryClientProvider client={queryClient}>
        <Notifications position="bottom-right" limit={4} />
        <Router base={`${PREFIX}/portal`}>
          {/* The pages have one of their own; this is for the frame itself. */}
          <ErrorBoundary resetKey="">
            <Shell />
          </ErrorBoundary>
        </Router>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
