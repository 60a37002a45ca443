import { Stack, Tabs, Title } from "@mantine/core";
import { useSearchParams } from "wouter";
import { ErrorBoundary } from "../../app/ErrorBoundary";
import { useIsAdministrator } from "../../api/queries/information";
import { lazyPart } from "../../components/lazyPart";
import { Overview } from "./overview/Overview";

const TABS = [
  { id: "overview", label: "Overview", component: Overview },
  { id: "requests", label: "Requests", component: lazyPart(() => import("./requests/Requests")) },
  { id: "snapshots", label: "Snapshots", component: lazyPart(() => import("./snapshots/Snapshots")) },
  { id: "tests", label: "Clock and faults", component: lazyPart(() => import("./tests/Tests")) },
] as const;

/** The emulator itself: its state, what programs request, and what tests set. */
export default function EmulatorPage() {
  const [parameters, setParameters] = useSearchParams();
  const isAdministrator = useIsAdministrator();
  const tabs = isAdministrator ? TABS : TABS.slice(0, 1);
  const active = tabs.find((tab) => tab.id === parameters.get("tab")) ?? TABS[0];
  return (
    <div className="page">
      <Stack gap="md">
        <Title order={1} size="h3">
          Emulator
        </Title>
        <Tabs
          value={active.id}
          onChange={(id) => setParameters(id === null || id === TABS[0].id ? {} : { tab: id })}
          keepMounted={false}
          activateTabWithKeyboard={false}
        >
          <Tabs.List aria-label="Emulator">
            {tabs.map((tab) => (
              <Tabs.Tab key={tab.id} value={tab.id}>
                {tab.label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {tabs.map(({ id, component: Content }) => (
            <Tabs.Panel key={id} value={id} pt="lg">
              <ErrorBoundary resetKey={id}>
                <Content />
              </ErrorBoundary>
            </Tabs.Panel>
          ))}
        </Tabs>
      </Stack>
    </div>
  );
}
