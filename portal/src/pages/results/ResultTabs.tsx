import { Tabs } from "@mantine/core";
import { useSearchParams } from "wouter";
import { ErrorBoundary } from "../../app/ErrorBoundary";
import { announce } from "../../components/announce";
import { useSetParameters } from "../../components/thresholds/address";
import { useKeys } from "../../keyboard/useKeys";
import { RESULTS_TABS, type ResultsTabProps } from "./tabs";

/** The parts of the results of one iteration. The address says which; only that one is mounted. */
export function ResultTabs(props: ResultsTabProps) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const tabs = RESULTS_TABS.filter((tab) => !(props.isAnomaly && tab.needsTags));
  const first = tabs[0];
  const active = tabs.find((tab) => tab.id === parameters.get("tab")) ?? first;
  // The tab of the images has its own handler, which opens the next one.
  useKeys(
    {
      nextWrong: () => {
        setParameters({ tab: "images", wrong: "1", image: null });
        announce("Images that the model gets wrong");
      },
    },
    active?.id !== "images",
  );
  if (!active) return null;
  return (
    <Tabs
      value={active.id}
      onChange={(id) => setParameters({ tab: id === first?.id ? null : id })}
      keepMounted={false}
      activateTabWithKeyboard={false}
    >
      <Tabs.List aria-label="Results of the iteration">
        {tabs.map((tab) => (
          <Tabs.Tab key={tab.id} value={tab.id}>
            {tab.label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map(({ id, component: Content }) => (
        <Tabs.Panel key={id} value={id} pt="md">
          <ErrorBoundary resetKey={`${props.iteration.id} ${id}`}>
            <Content {...props} />
          </ErrorBoundary>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
