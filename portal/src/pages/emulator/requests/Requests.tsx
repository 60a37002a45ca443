import { Alert, Button, Checkbox, Group, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { emulator } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import { useInformation } from "../../../api/queries/information";
import { useConfirm } from "../../../components/confirm";
import { Section } from "../../../components/Section";
import { Loaded } from "../../../components/states";
import { count } from "../../../lib/format";
import { useAct } from "../useAct";
import { SHOWN, useRequestLog, useUsage, type LogFilter, type Usage } from "./queries";
import { RequestTable } from "./RequestTable";
import { UsageTable } from "./UsageTable";

const LONGEST_AGENT = 60;

/** What programs request: the operations that they use, and each of the last calls in clear. */
export default function Requests() {
  const information = useInformation();
  return (
    <Loaded query={information}>
      {(info) =>
        info.requestLogCapacity === 0 ? (
          <Alert color="gray" title="The request log is off">
            Start the emulator with --request-log NUMBER to see the last requests here.
          </Alert>
        ) : (
          <Log endpoint={info.endpoint} capacity={info.requestLogCapacity} />
        )
      }
    </Loaded>
  );
}

function Log({ endpoint, capacity }: { endpoint: string; capacity: number }) {
  const [filter, setFilter] = useState<LogFilter>({ client: "", failedOnly: false });
  const [isLive, setLive] = useState(true);
  const everything = useUsage("");
  const usage = useUsage(filter.client);
  const log = useRequestLog(filter, isLive);
  const { ask, dialog } = useConfirm();
  const { act, isBusy } = useAct([cacheKeys.requestLog()]);

  async function clear() {
    const agreed = await ask({
      title: "Clear the request log?",
      message: "All logged requests and the counts of operations are deleted. The numbers of requests continue.",
      action: "Clear the log",
      danger: true,
    });
    if (agreed) await act("The log is empty.", "The log could not be cleared", () => emulator.DELETE("/_emulator/requests"));
  }

  return (
    <Stack gap="lg">
      <Group align="flex-end" gap="md">
        <Select
          label="Client"
          description="Programs can name themselves in the header X-Emulator-Client."
          data={clientsOf(everything.data)}
          value={filter.client}
          onChange={(client) => setFilter({ ...filter, client: client ?? "" })}
          allowDeselect={false}
          w={420}
        />
        <Checkbox
          label="Failed only"
          checked={filter.failedOnly}
          onChange={(event) => setFilter({ ...filter, failedOnly: event.currentTarget.checked })}
          mb={8}
        />
        <Checkbox label="Live" checked={isLive} onChange={(event) => setLive(event.currentTarget.checked)} mb={8} />
        <Button variant="default" onClick={() => void clear()} loading={isBusy} ml="auto">
          Clear the log
        </Button>
      </Group>
      <Section title="Operations">
        <Loaded query={usage}>{(used) => <UsageTable usage={used} />}</Loaded>
      </Section>
      {/* Below a table that grows when it arrives, nothing is shown before it. */}
      {(usage.data ?? usage.error) && (
        <Section title="Last requests">
          <Loaded query={log}>
            {(found) => (
              <>
                <Text size="sm" c="dimmed">
                  {count(found.matching, "request")}
                  {found.matching > SHOWN ? `, of which the last ${SHOWN} are shown` : ""}. The log keeps{" "}
                  {capacity.toLocaleString()}
                  {found.dropped > 0 ? `; ${count(found.dropped, "older one")} left it` : ""}.
                </Text>
                <RequestTable requests={found.requests} endpoint={endpoint} />
              </>
            )}
          </Loaded>
        </Section>
      )}
      {dialog}
    </Stack>
  );
}

/** Clients by their header or their User-Agent, those with the most requests first. */
function clientsOf(usage: Usage | undefined): { value: string; label: string }[] {
  const found = new Map<string, string>([["", "All"]]);
  for (const each of usage?.clients ?? []) {
    const value = each.client ?? each.userAgent ?? "";
    const label = value === "portal" ? "This portal" : value.slice(0, LONGEST_AGENT);
    if (value && !found.has(value)) found.set(value, label);
  }
  return [...found].map(([value, label]) => ({ value, label }));
}
